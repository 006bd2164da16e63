//! Tasks of the protocol as the host knows them, and failures of the host as the
//! protocol knows them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dacapo_engine::guest::{ActivityTask, RunContext};
use dacapo_model::failure::{Failure, FailureInfo, FailureKind};
use dacapo_model::ids::OperationId;
use dacapo_model::module::ModuleDigest;
use dacapo_model::payload::Payload;
use dacapo_model::time::Timestamp;
use dacapo_model::trace::{TraceContext, TraceHeaders};
use dacapo_worker::TaskInfo;

/// The attempt that a task asks for, of the code of `module`.
pub(super) fn task(
    info: &TaskInfo,
    input: dacapo_worker::Payload,
    module: ModuleDigest,
) -> Result<ActivityTask, dacapo_worker::Failure> {
    let run = RunContext {
        namespace: info.namespace.parse()?,
        workflow_id: info.workflow_id.parse()?,
        run_id: info.run_id.parse()?,
        module_digest: module,
        trace: None,
    };
    let deadline = info.deadline();
    let heartbeat_details = info.heartbeat_details.clone();
    Ok(ActivityTask {
        run: Arc::new(run),
        module_digest: module,
        activity_type: info.activity_type.parse()?,
        input: Payload::from(input.into_bytes()),
        operation_id: OperationId(info.operation_id),
        attempt: info.attempt,
        timeout: deadline.duration_since(info.started_at).unwrap_or_default(),
        deadline: timestamp(deadline),
        heartbeat_details: heartbeat_details.map(|it| Payload::from(it.into_bytes())),
        trace: trace(info),
        permissions: Arc::default(),
    })
}

/// What the requests of the attempt say they belong to.
fn trace(info: &TaskInfo) -> Option<TraceContext> {
    let header = |name: &str| info.trace_context.get(name).cloned();
    let traceparent = header("traceparent")?;
    let tracestate = header("tracestate").unwrap_or_default();
    TraceHeaders { traceparent, tracestate }.try_into().ok()
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp::default().after(since)
}

/// A failure of the guest or of the host, for the report.
pub(super) fn failure(failure: Failure) -> dacapo_worker::Failure {
    dacapo_worker::Failure {
        info: info(failure.info),
        causes: failure.causes.into_iter().map(info).collect(),
    }
}

fn info(info: FailureInfo) -> dacapo_worker::FailureInfo {
    let FailureInfo { kind, type_name, message, non_retryable, next_retry_delay, details } = info;
    dacapo_worker::FailureInfo {
        kind: match kind {
            FailureKind::Cancelled => dacapo_worker::FailureKind::Cancelled,
            _ => dacapo_worker::FailureKind::Application,
        },
        type_name,
        message,
        non_retryable,
        next_retry_delay,
        details: details.map(|it| dacapo_worker::Payload::new(it.into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_what_retries_go_by() {
        let mut inner = Failure::new(FailureKind::Timeout, "Leaf", "slow");
        inner.info.details = Some(Payload::new("[1]"));
        let outer = Failure::new(FailureKind::Cancelled, "T", "m").non_retryable();
        let reported = failure(outer.caused_by(inner));
        assert!(reported.is_cancelled() && reported.info.non_retryable);
        assert_eq!(reported.causes[0].type_name, "Leaf");
        let details = reported.causes[0].details.as_ref().expect("details");
        assert_eq!(details.bytes(), b"[1]");
    }

    #[test]
    fn a_time_is_the_same_for_guests() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500);
        assert_eq!(timestamp(time).as_micros(), 1_500);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(timestamp(before), Timestamp::default());
    }
}
