//! The span of a run, from its start to its end.

use dacapo_engine::state::RunState;
use dacapo_model::event::EventAttributes;
use dacapo_model::execution::Execution;
use dacapo_model::trace::{SpanId, TraceContext, TraceId};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::{Span, SpanError, Traces};
use crate::types::Closing;

/// A run has closed. `context` is what it passes on.
pub(crate) fn run_closed(
    traces: &Traces,
    context: Option<&TraceContext>,
    execution: &Execution,
    state: &RunState,
    closing: &Closing,
) {
    let Some((context, sink)) = traces.collects(context) else {
        return;
    };
    let asked = state.options.trace.as_deref().map(|asked| asked.span_id);
    // A run that is its own parent begins a trace.
    let begins = asked == Some(context.span_id);
    let parent = match (asked, &state.parent) {
        _ if begins => None,
        (Some(asked), _) => Some(asked),
        (None, Some(parent)) => Some(SpanId::of_run(parent.run_id)),
        (None, None) => None,
    };
    let is_asked_by_client = state.parent.is_none();
    sink.ended(Span {
        name: format!("run {}", execution.workflow_type),
        kind: if is_asked_by_client { SpanKind::Server } else { SpanKind::Internal },
        context: context.clone(),
        parent,
        parent_is_remote: parent.is_some() && is_asked_by_client,
        started_at: execution.started_at,
        ended_at: closing.closed_at,
        attributes: attributes(execution, closing),
        links: links(context, state, begins),
        error: error(closing),
    });
}

/// The first of the runs that follow each other, and the run that starts runs at certain
/// times.
fn links(context: &TraceContext, state: &RunState, begins: bool) -> Vec<(TraceId, SpanId)> {
    let first = state.chain.first_run_id.map(|first| {
        let is_kept = state.options.trace.is_some() || state.parent.is_some();
        let trace_id = if is_kept { context.trace_id } else { TraceId::of_run(first) };
        (trace_id, SpanId::of_run(first))
    });
    let starter = state.parent.as_ref().filter(|_| begins);
    let starter = starter.map(|it| (TraceId::of_run(it.root.run_id), SpanId::of_run(it.run_id)));
    first.into_iter().chain(starter).collect()
}

fn attributes(execution: &Execution, closing: &Closing) -> Vec<KeyValue> {
    let Execution { namespace, workflow_id, key, .. } = execution;
    let mut attributes = super::of_run(namespace, workflow_id, key.run_id);
    attributes
        .push(KeyValue::new("dacapo.workflow_type", execution.workflow_type.as_str().to_owned()));
    attributes.push(KeyValue::new("dacapo.status", closing.status.as_str()));
    attributes
}

/// What went wrong with a run, if something did.
fn error(closing: &Closing) -> Option<SpanError> {
    match &closing.attributes {
        EventAttributes::WorkflowExecutionFailed { failure, .. } => {
            Some(SpanError::new(failure.info.type_name.as_str(), &failure.info.message))
        }
        EventAttributes::WorkflowExecutionTimedOut(timed_out) => {
            let failure = timed_out.timeout_type.failure();
            Some(SpanError::new(failure.info.type_name, &failure.info.message))
        }
        EventAttributes::WorkflowExecutionTerminated { reason, .. } => {
            Some(SpanError::new("Terminated", reason))
        }
        _ => None,
    }
}
