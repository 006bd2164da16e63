//! Workers, as the service knows them.

use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::WorkerIdentity;
use dacapo_model::payload::Payload;
use dacapo_model::task_token::TaskToken;
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{HandedTask, PollRequest, Report, TaskHeartbeat};

use super::guests::queue;
use super::{Node, PATIENCE, run_ref};

pub fn poll_request() -> PollRequest {
    PollRequest {
        queue: queue(),
        worker: WorkerIdentity::new("worker").expect("valid"),
        build_id: None,
        activity_types: Vec::new(),
        max_tasks: None,
        wait_seconds: Some(30.0),
        lease_seconds: None,
    }
}

/// The next task of the queue.
pub async fn task(runtime: &Node) -> HandedTask {
    task_for(runtime, poll_request()).await
}

/// The same, of a worker that asks for it in its own way.
pub async fn task_for(runtime: &Node, request: PollRequest) -> HandedTask {
    let polled = async {
        loop {
            let tasks = runtime.poll_tasks(request.clone()).await.expect("polled");
            if let Some(task) = tasks.into_iter().next() {
                return task;
            }
        }
    };
    tokio::time::timeout(PATIENCE, polled).await.expect("a task comes")
}

/// No task is handed out.
pub async fn no_task(runtime: &Node) {
    let request = PollRequest { wait_seconds: Some(0.05), ..poll_request() };
    assert_eq!(runtime.poll_tasks(request).await.expect("polled"), []);
}

pub fn done(text: &str) -> Report {
    Report::Completed(Payload::new(text.to_owned()))
}

/// Says how a task ended; the code of the refusal if it is refused.
pub async fn report(runtime: &Node, token: TaskToken, report: Report) -> Result<(), ErrorCode> {
    let mut reported = runtime.report_tasks(vec![(token, report)]).await.expect("answered");
    reported.pop().expect("one").map(drop).map_err(|error| error.code)
}

/// Says that a worker is alive; whether it is to cancel, or the code of the refusal.
pub async fn heartbeat(runtime: &Node, token: TaskToken, details: &str) -> Result<bool, ErrorCode> {
    beat(runtime, token, Some(Payload::new(details.to_owned()))).await
}

/// The same, and nothing of how far it has come.
pub async fn heartbeat_alone(runtime: &Node, token: TaskToken) -> Result<bool, ErrorCode> {
    beat(runtime, token, None).await
}

async fn beat(
    runtime: &Node,
    token: TaskToken,
    details: Option<Payload>,
) -> Result<bool, ErrorCode> {
    let heartbeat = TaskHeartbeat { token, details };
    let mut heard = runtime.heartbeat_tasks(vec![heartbeat]).await.expect("answered");
    heard.pop().expect("one").map(|heard| heard.lease.cancel_requested).map_err(|error| error.code)
}

/// Makes whatever attempts come until the run has closed: each returns its input. Repeats
/// whatever seems to fail.
pub async fn work_until_closed(runtime: &Node, workflow_id: &str) {
    let working = async {
        loop {
            let request = PollRequest { wait_seconds: Some(0.05), ..poll_request() };
            for task in runtime.poll_tasks(request).await.unwrap_or_default() {
                report_until_heard(runtime, task).await;
            }
        }
    };
    let closed = async {
        loop {
            match runtime.run_result(&run_ref(workflow_id), Duration::from_secs(1)).await {
                Ok(result) if result.closing.is_some() => return,
                Ok(_) | Err(ServiceError { code: ErrorCode::Unavailable, .. }) => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let either = async {
        tokio::select! {
            () = working => {}
            () = closed => {}
        }
    };
    tokio::time::timeout(PATIENCE, either).await.expect("the run closes");
}

async fn report_until_heard(runtime: &Node, task: HandedTask) {
    let report = Report::Completed(task.input);
    loop {
        let reported = runtime.report_tasks(vec![(task.token, report.clone())]).await;
        let reported = reported.map(|mut each| each.pop().expect("one"));
        match reported {
            Ok(Ok(_)) => return,
            Err(error) | Ok(Err(error)) if error.code == ErrorCode::Unavailable => {
                tokio::task::yield_now().await;
            }
            Ok(Err(error)) => {
                assert!(
                    matches!(error.code, ErrorCode::LeaseLost | ErrorCode::ActivityNotFound),
                    "{error:?}"
                );
                return;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}
