//! The spans of what a run is sent, for whoever has sent it as a part of a trace.

use dacapo_model::ids::{RunId, WorkflowId};
use dacapo_model::signal::Signal;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::SpanId;
use dacapo_model::update::Update;
use opentelemetry::trace::SpanKind;

use super::Span;
use crate::tenancy::Tenant;

/// A run has recorded a signal.
pub(crate) fn signal_sent(
    tenant: &Tenant,
    (workflow_id, run): (&WorkflowId, RunId),
    signal: &Signal,
    sent_at: Timestamp,
) {
    if let Some(request_id) = &signal.request_id {
        sent(tenant, (workflow_id, run), "signal", signal.name.as_str(), sent_at, || {
            SpanId::of_signal(run, request_id)
        });
    }
}

/// A run has an update, and will decide about it or has done so.
pub(crate) fn update_sent(
    tenant: &Tenant,
    (workflow_id, run): (&WorkflowId, RunId),
    update: &Update,
    sent_at: Timestamp,
) {
    sent(tenant, (workflow_id, run), "update", update.name.as_str(), sent_at, || {
        SpanId::of_update(run, &update.id)
    });
}

fn sent(
    tenant: &Tenant,
    (workflow_id, run): (&WorkflowId, RunId),
    what: &str,
    name: &str,
    sent_at: Timestamp,
    span_id: impl FnOnce() -> SpanId,
) {
    let traces = &tenant.shared.traces;
    let Some((context, sink)) = traces.collects(tenant.trace.as_deref()) else {
        return;
    };
    let now = tenant.shared.clock.now();
    sink.ended(Span {
        name: format!("{what} {name}"),
        kind: SpanKind::Server,
        context: context.at(span_id()),
        parent: Some(context.span_id),
        parent_is_remote: true,
        started_at: sent_at,
        ended_at: now.max(sent_at),
        attributes: super::of_run(tenant.namespace(), workflow_id, run),
        links: Vec::new(),
        error: None,
    });
}
