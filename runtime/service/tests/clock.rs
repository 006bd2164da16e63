//! The clock of the machine is set while runs wait: forward and back, by seconds and by
//! years. Whatever is due comes in time, by the clock that can't be set.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dacapo_model::execution::{ExecutionStatus, IdReusePolicy};
use dacapo_model::ids::{EventId, RunId};
use dacapo_model::time::Timestamp;
use dacapo_service::Runtime;
use dacapo_service::clock::{Clock, SystemClock};
use dacapo_service::config::ServiceConfig;
use dacapo_service::operations::{RunRef, StartOptions, StartRequest};
use dacapo_store::Store;
use futures::future::{BoxFuture, join_all};
use support::guests::ScriptedHost;
use support::*;
use tokio::time::Instant;

const SECOND: i64 = 1_000_000;
const YEAR: i64 = 365 * 24 * 3_600 * SECOND;
const STEPS: [i64; 6] =
    [-5 * SECOND, 5 * SECOND, -600 * SECOND, 600 * SECOND, -10 * YEAR, 10 * YEAR];

/// Longer than anything here takes, and shorter than a step.
const SOON: Duration = Duration::from_secs(4);

/// The machine's clock, set to another time.
#[derive(Clone, Default)]
struct SetClock(Arc<AtomicI64>);

impl SetClock {
    fn step(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        let offset = self.0.load(Ordering::SeqCst);
        Timestamp::from_micros(SystemClock.now().as_micros() + offset)
    }

    fn instant(&self) -> Instant {
        SystemClock.instant()
    }

    fn wait_until(&self, instant: Instant) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep_until(instant))
    }
}

struct Node {
    runtime: support::Node,
    host: Arc<ScriptedHost>,
    clock: SetClock,
    step: i64,
}

impl Node {
    async fn start(store: Arc<dyn Store>, step: i64) -> Self {
        let (host, clock) = (ScriptedHost::new(), SetClock::default());
        // The module that goes with the scripted host.
        start(store.clone(), &host).await.halt().await;
        let (config, set) = (ServiceConfig::default(), Arc::new(clock.clone()));
        let runtime = Runtime::start(store, host.clone(), set, config).await.expect("starts");
        let runtime = support::Node::new(runtime);
        Self { runtime, host, clock, step }
    }

    async fn begin(&self, workflow: &str, workflow_id: &str, input: &str) -> RunId {
        let request = request(workflow, workflow_id, input);
        self.runtime.start_run(request).await.expect("started").run_id
    }

    async fn closes_soon(&self, workflow_id: &str) -> ExecutionStatus {
        let step = self.step;
        let result = self.runtime.run_result(&run_ref(workflow_id), SOON).await.expect("a run");
        assert!(result.closing.is_some(), "step {step}: {workflow_id} waits on");
        result.status
    }

    /// Before the clock is set, while it is wrong, and after it is right again.
    async fn through_a_wrong_clock(&self, begins: impl AsyncFn(&Self, &str)) {
        begins(self, "before").await;
        self.clock.step(self.step);
        begins(self, "during").await;
        self.closes_soon("during").await;
        self.clock.step(-self.step);
        begins(self, "after").await;
        self.closes_soon("after").await;
        self.closes_soon("before").await;
    }
}

async fn with_each_step(test: impl AsyncFn(Node)) {
    join_all(STEPS.map(async |step| test(Node::start(memory(), step).await).await)).await;
}

#[tokio::test]
async fn timers_fire_in_time() {
    with_each_step(async |node| {
        node.through_a_wrong_clock(async |node, id| {
            // The first outlasts the time for which the clock is wrong.
            let millis = if id == "before" { "1500" } else { "200" };
            node.begin("sleep", id, millis).await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn activities_are_tried_again_in_time() {
    with_each_step(async |node| {
        node.through_a_wrong_clock(async |node, id| {
            node.begin("flaky", id, "2").await;
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn delayed_runs_start_and_runs_time_out_in_time() {
    let short = Some(Duration::from_millis(200));
    let delayed = StartOptions { start_delay: short, ..StartOptions::default() };
    let limited = StartOptions { run_timeout: short, ..StartOptions::default() };
    for (workflow, options) in [("sequential", delayed), ("forever", limited)] {
        with_each_step(async |node| {
            node.through_a_wrong_clock(async |node, id| {
                let request = request(workflow, id, "0");
                let request = StartRequest { options: options.clone(), ..request };
                node.runtime.start_run(request).await.expect("started");
            })
            .await;
        })
        .await;
    }
}

#[tokio::test]
async fn an_attempt_has_the_time_that_it_was_given() {
    with_each_step(async |node| {
        node.begin("watch", "w", "brief").await;
        let begins = async {
            while node.host.attempts_of("brief", "") == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, begins).await.expect("the attempt begins");
        let began = SystemClock.instant();
        node.clock.step(node.step);
        node.closes_soon("w").await;
        assert!(began.elapsed() >= Duration::from_millis(100), "step {}: too early", node.step);
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_a_result_waits_as_long_as_they_said() {
    with_each_step(async |node| {
        let first = node.begin("relay", "r", "2").await;
        let run = RunRef { run_id: Some(first), ..run_ref("r") };
        let began = SystemClock.instant();
        let wait = Duration::from_millis(500);
        let waiting = node.runtime.run_result(&run, wait);
        let setting = async {
            node.runtime.signal_run(&run_ref("r"), signal("one")).await.expect("taken");
            node.clock.step(node.step);
        };
        let (result, ()) = futures::join!(waiting, setting);
        let result = result.expect("a run");
        assert_eq!(result.status, ExecutionStatus::Running, "step {}", node.step);
        let took = began.elapsed();
        assert!(wait <= took && took < SOON, "step {}: it took {took:?}", node.step);
    })
    .await;
}

/// What a user is told of a workflow id, and whether it may run again, goes by the run
/// that started last.
#[tokio::test]
async fn the_latest_run_is_the_one_that_started_last() {
    with_each_step(async |node| {
        let Node { runtime, clock, step, .. } = &node;
        let fails = async |id: &str| node.begin("faulty", id, "").await;
        let works = async |id: &str| {
            let run_id = node.begin("sequential", id, "0").await;
            node.closes_soon(id).await;
            run_id
        };
        let stop = async |id: &str| runtime.terminate_run(&run_ref(id), String::new()).await;
        fails("pay").await;
        stop("pay").await.expect("terminated");
        works("other").await;
        clock.step(*step);
        let paid = works("pay").await;
        let other = fails("other").await;
        stop("other").await.expect("terminated");

        let latest = async |id: &str| {
            let run = run_ref(id);
            let described = runtime.describe_run(&run).await.expect("described");
            let page = runtime.run_history(&run, EventId::FIRST, 1).await.expect("readable");
            assert_eq!(described.execution.key.run_id, page.run_id, "step {step}");
            let result = runtime.run_result(&run, Duration::ZERO).await.expect("a run");
            assert_eq!(result.run_id, page.run_id, "step {step}");
            page.run_id
        };
        assert_eq!(latest("pay").await, paid, "step {step}");
        assert_eq!(latest("other").await, other, "step {step}");
        let again = async |id: &str| {
            let reuse_policy = IdReusePolicy::AllowDuplicateFailedOnly;
            let request = StartRequest { reuse_policy, ..request("sequential", id, "0") };
            runtime.start_run(request).await
        };
        let refused = again("pay").await.expect_err("it was paid");
        assert_eq!(refused.code.as_str(), "workflow_already_started", "step {step}");
        again("other").await.expect("its last run was terminated");
    })
    .await;
}
