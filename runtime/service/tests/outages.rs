//! The store takes no commits for a while, answers nothing at all, or has lost what it
//! had acknowledged: those who ask are told in time, nothing spins, and afterwards all
//! goes on by itself.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::{QueryName, RequestId};
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::signal::Signal;
use dacapo_service::config::{ServiceConfig, Tenure};
use dacapo_service::error::ServiceError;
use dacapo_service::operations::{QueryResult, RejectIf};
use dacapo_store::faulty::{Call, Fault, FaultyStore, Operation};
use dacapo_store::memory::MemoryStore;
use futures::FutureExt as _;
use support::guests::ScriptedHost;
use support::*;
use tokio::sync::Semaphore;

/// What somebody waits for at most: a while for a store that may be back in a moment,
/// and what a try takes.
const BOUND: Duration = Duration::from_secs(7);

/// What takes no wait.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A store on which some operations fail while the switch is on.
struct Outage {
    on: Arc<AtomicBool>,
    calls: Calls,
    runtime: Node,
}

impl Outage {
    async fn of(host: &Arc<ScriptedHost>, fails: fn(Operation) -> bool) -> Self {
        let (on, calls) = (Arc::new(AtomicBool::new(false)), Calls::default());
        let script_on = on.clone();
        let store = scripted(memory(), &calls, move |call: Call| {
            let hit = script_on.load(Ordering::SeqCst) && fails(call.operation);
            if hit { Fault::Unavailable } else { Fault::None }
        });
        Self { on, calls, runtime: start(store, host).await }
    }

    fn begins(&self) {
        self.on.store(true, Ordering::SeqCst);
    }

    fn ends(&self) {
        self.on.store(false, Ordering::SeqCst);
    }
}

fn writes(operation: Operation) -> bool {
    matches!(operation, Operation::Commit | Operation::ProbeWrite | Operation::PutModule)
}

fn unavailable<T: std::fmt::Debug>(outcome: Result<T, ServiceError>) {
    assert_eq!(outcome.expect_err("refused").code.as_str(), "unavailable");
}

fn requested(text: &str) -> Signal {
    Signal { request_id: Some(RequestId::new(text).expect("valid")), ..signal(text) }
}

#[expect(clippy::disallowed_methods, reason = "how long a client waits is what is tested")]
fn now() -> Instant {
    Instant::now()
}

async fn ask(runtime: &Node, workflow_id: &str) -> Result<QueryResult, ServiceError> {
    let query = Query { name: QueryName::new("total").expect("valid"), input: Payload::default() };
    runtime.query_run(&run_ref(workflow_id), query, RejectIf::None).await
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_commits_fail_requests_are_refused_in_time_and_nothing_spins() {
    const RUNS: usize = 40;
    let host = ScriptedHost::new();
    let outage = Outage::of(&host, writes).await;
    let runtime = &outage.runtime;
    for number in 0..RUNS {
        let started = request("gated", &format!("g{number}"), "1");
        runtime.start_run(started).await.expect("started");
    }
    runtime.start_run(request("collect", "c", "2")).await.expect("started");
    outage.begins();
    // Each of these runs has something to commit now.
    host.gate.add_permits(RUNS);
    let begun = now();
    unavailable(runtime.signal_run(&run_ref("c"), requested("a")).await);
    assert!(begun.elapsed() <= BOUND, "{:?}", begun.elapsed());
    let begun = now();
    unavailable(runtime.signal_run(&run_ref("c"), requested("a")).await);
    unavailable(runtime.start_run(request("sequential", "s", "1")).await);
    unavailable(runtime.check_store().await);
    assert!(begun.elapsed() < AT_ONCE, "it is known by now");
    for name in ["c", "g0"] {
        let described = runtime.describe_run(&run_ref(name)).await.expect("it can be read");
        assert_eq!(described.execution.status, ExecutionStatus::Running);
    }

    outage.calls.clear();
    let launches = host.launches.load(Ordering::SeqCst);
    let probes = || outage.calls.count(Operation::ProbeWrite);
    until("it is probed", || probes() >= 2).await;
    assert_eq!(outage.calls.count(Operation::Commit), 0, "one asks for all");
    assert_eq!(outage.calls.count(Operation::FindRuns), 0, "no run is read again");
    assert_eq!(host.launches.load(Ordering::SeqCst), launches, "no guest is replayed");

    outage.ends();
    let begun = now();
    for number in 0..RUNS {
        result(runtime, &format!("g{number}")).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    for text in ["a", "b"] {
        runtime.signal_run(&run_ref("c"), requested(text)).await.expect("recorded");
    }
    assert_eq!(completed_with(&result(runtime, "c").await), "a b");
    for number in 0..RUNS {
        assert_eq!(event_types(runtime, &format!("g{number}")).await.len(), 4);
    }
    runtime.start_run(request("sequential", "s", "1")).await.expect("started");
    runtime.check_store().await.expect("ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_outage_is_waited_for() {
    let outage = Outage::of(&ScriptedHost::new(), writes).await;
    let runtime = outage.runtime.clone();
    runtime.start_run(request("collect", "c", "1")).await.expect("started");
    outage.begins();
    let signalling = {
        let runtime = runtime.clone();
        tokio::spawn(async move { runtime.signal_run(&run_ref("c"), signal("a")).await })
    };
    until("it is probed", || outage.calls.count(Operation::ProbeWrite) >= 3).await;
    unavailable(runtime.check_store().await);
    outage.ends();
    signalling.await.expect("ends").expect("recorded");
    assert_eq!(completed_with(&result(&runtime, "c").await), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_a_run_that_cannot_be_read_are_told_in_time() {
    let host = ScriptedHost::new();
    let outage = Outage::of(&host, |operation| operation != Operation::Namespaces).await;
    let runtime = &outage.runtime;
    runtime.start_run(request("gated", "g", "1")).await.expect("started");
    runtime.start_run(request("collect", "c", "1")).await.expect("started");
    outage.begins();
    host.gate.add_permits(1);
    let begun = now();
    let (asleep, awake) = (run_ref("c"), run_ref("g"));
    let (signalled, described, terminated) = tokio::join!(
        runtime.signal_run(&asleep, requested("a")),
        runtime.describe_run(&asleep),
        runtime.terminate_run(&awake, "because".to_owned()),
    );
    unavailable(signalled);
    unavailable(described);
    unavailable(terminated);
    assert!(begun.elapsed() <= BOUND, "{:?}", begun.elapsed());
    outage.ends();
    // What the attempt came to has waited.
    assert_eq!(result(runtime, "g").await.status, ExecutionStatus::Completed);
    runtime.signal_run(&asleep, requested("a")).await.expect("recorded");
    assert_eq!(completed_with(&result(runtime, "c").await), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_takes_nothing_from_a_run_that_has_something_to_record() {
    let host = ScriptedHost::new();
    let outage = Outage::of(&host, writes).await;
    let runtime = &outage.runtime;
    // Its start is recorded, and nothing that its code does.
    *host.cold.lock() = true;
    runtime.start_run(request("sequential", "s", "2")).await.expect("started");
    outage.begins();
    *host.cold.lock() = false;
    host.gate.add_permits(1);
    until("the code runs", || host.launches.load(Ordering::SeqCst) >= 1).await;
    let refused = ask(runtime, "s").await.expect_err("it waits where it can't be asked");
    assert_eq!(refused.code.as_str(), "query_not_served");
    outage.ends();
    assert_eq!(result(runtime, "s").await.status, ExecutionStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_waits_for_the_store_answers_those_who_ask_and_reads_nothing() {
    let host = ScriptedHost::new();
    let outage = Outage::of(&host, writes).await;
    let runtime = &outage.runtime;
    outage.begins();
    unavailable(runtime.start_run(request("sequential", "s", "1")).await);
    let begun = now();
    let told = async {
        unavailable(runtime.describe_run(&run_ref("s")).await);
        unavailable(ask(runtime, "s").await);
    };
    tokio::time::timeout(PATIENCE, told).await.expect("they are told");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());

    outage.calls.clear();
    let probes = || outage.calls.count(Operation::ProbeWrite);
    until("it is probed", || probes() >= 2).await;
    for operation in [Operation::Commit, Operation::LastEvent, Operation::FindRuns] {
        assert_eq!(outage.calls.count(operation), 0, "{operation:?}: one asks for all");
    }
    outage.ends();
    assert_eq!(result(runtime, "s").await.status, ExecutionStatus::Completed);
}

/// A disk that is nearly full has room for a probe, and none for a commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_never_taken_answers_those_who_ask_while_probes_succeed() {
    let outage = Outage::of(&ScriptedHost::new(), |it| it == Operation::Commit).await;
    let runtime = &outage.runtime;
    outage.begins();
    let begun = now();
    unavailable(runtime.start_run(request("sequential", "s", "1")).await);
    let told = async {
        unavailable(runtime.describe_run(&run_ref("s")).await);
        unavailable(ask(runtime, "s").await);
    };
    tokio::time::timeout(PATIENCE, told).await.expect("they are told");
    assert!(begun.elapsed() <= BOUND, "{:?}", begun.elapsed());
    outage.ends();
    assert_eq!(result(runtime, "s").await.status, ExecutionStatus::Completed);
}

/// Of one run, the store can't take what it would record, and does not say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_at_which_the_store_breaks_down_takes_no_other_with_it_for_long() {
    const RUNS: usize = 20;
    let (on, in_company) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (breaks, counted) = (on.clone(), in_company.clone());
    let is_poison = |event: &HistoryEvent| {
        Signal::of_event(&event.attributes).is_some_and(|it| it.input.as_bytes() == b"poison")
    };
    let store = FaultyStore::transparent(memory()).silent_about(move |units| {
        let mut events = units.iter().flat_map(|unit| &unit.transitions).flat_map(|it| &it.events);
        let hit = breaks.load(Ordering::SeqCst) && events.any(is_poison);
        counted.fetch_add(usize::from(hit && units.len() > 1), Ordering::SeqCst);
        hit
    });
    let runtime = start(Arc::new(store), &ScriptedHost::new()).await;
    runtime.start_run(request("collect", "p", "1")).await.expect("started");
    let poisoning = {
        let runtime = runtime.clone();
        tokio::spawn(async move { runtime.signal_run(&run_ref("p"), signal("poison")).await })
    };
    let others = (0..RUNS).map(|number| {
        let runtime = runtime.clone();
        async move {
            let name = format!("s{number}");
            runtime.start_run(request("sequential", &name, "20")).await.expect("started");
            assert_eq!(result(&runtime, &name).await.status, ExecutionStatus::Completed);
        }
    });
    futures::future::join_all(others).await;
    unavailable(poisoning.await.expect("ends"));
    let in_company = in_company.load(Ordering::SeqCst);
    assert!(in_company <= 2, "{in_company}: then it is written alone");
    on.store(false, Ordering::SeqCst);
    runtime.signal_run(&run_ref("p"), signal("fine")).await.expect("recorded");
    assert_eq!(completed_with(&result(&runtime, "p").await), "fine");
}

/// It fails over to a copy that was behind.
#[tokio::test]
async fn a_node_whose_store_has_lost_something_says_so_and_the_next_goes_by_what_is_there() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let first = start(store.clone(), &host).await;
    first.start_run(request("collect", "c", "3")).await.expect("started");
    first.start_run(request("collect", "e", "1")).await.expect("started");
    first.signal_run(&run_ref("c"), signal("a")).await.expect("recorded");
    let behind = store.snapshot();
    first.signal_run(&run_ref("c"), signal("b")).await.expect("recorded");
    first.start_run(request("collect", "d", "1")).await.expect("started");
    first.signal_run(&run_ref("e"), signal("x")).await.expect("recorded");
    assert_eq!(completed_with(&result(&first, "e").await), "x");
    store.go_back(&behind);

    unavailable(first.signal_run(&run_ref("c"), signal("c")).await);
    tokio::time::timeout(PATIENCE, first.store_went_back()).await.expect("it knows");
    assert!(!first.is_ready());
    first.halt().await;
    let second = start(store, &host).await;
    for text in ["b", "c"] {
        second.signal_run(&run_ref("c"), signal(text)).await.expect("recorded");
    }
    assert_eq!(completed_with(&result(&second, "c").await), "a b c");
    let unknown = second.describe_run(&run_ref("d")).await;
    assert_eq!(unknown.expect_err("it is lost").code.as_str(), "run_not_found");
    second.start_run(request("collect", "d", "1")).await.expect("started");
    // Closed for the first, open again for this one.
    second.signal_run(&run_ref("e"), signal("y")).await.expect("recorded");
    assert_eq!(completed_with(&result(&second, "e").await), "y");
}

/// Nobody else has the shards: the takeover itself is lost. Whoever asks the store
/// first finds out, and that is the same for all.
#[tokio::test]
async fn a_lost_takeover_is_no_takeover_by_another() {
    for asks in 0..6 {
        let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
        // So that there is a module and a run also after it.
        let former = start(store.clone(), &host).await;
        former.start_run(request("collect", "c", "1")).await.expect("started");
        former.start_run(request("forever", "gone", "")).await.expect("started");
        former.terminate_run(&run_ref("gone"), String::new()).await.expect("terminated");
        let gone = former.describe_run(&run_ref("gone")).await.expect("there").execution.key;
        former.halt().await;
        let before = store.snapshot();
        // One that is idle asks by itself.
        let tenure = if asks == 0 { Tenure::Leased { take_over: true } } else { Tenure::Alone };
        let config = ServiceConfig { tenure, ..ServiceConfig::default() };
        let first = start_with(store.clone(), &host, config).await;
        store.go_back(&before);
        match asks {
            0 => {}
            1 => unavailable(first.start_run(request("forever", "f", "")).await),
            2 => unavailable(first.describe_run(&run_ref("c")).await),
            3 => {
                let (name, bytes) = ("late".parse().expect("valid"), Bytes::from_static(b"late"));
                unavailable(first.upload_module(&name, bytes).await);
            }
            4 => {
                let name = "scripted".parse().expect("valid");
                unavailable(first.delete_module(&name, None).await);
            }
            _ => unavailable(first.delete_run(&run_ref("gone"), gone.run_id).await),
        }
        tokio::time::timeout(PATIENCE, first.store_went_back()).await.expect("it knows");
        assert!(!first.is_ready());
        unavailable(first.run_result(&run_ref("c"), PATIENCE).await);
        assert!(first.ownership_lost().now_or_never().is_none(), "nobody has taken over");
    }
}

/// A client may ask the one that goes while the one that comes has taken the shards.
#[tokio::test]
async fn a_read_while_the_process_takes_the_runs_again_is_refused_and_ends_nothing() {
    let (host, store) = (ScriptedHost::new(), Arc::new(MemoryStore::new()));
    let first = start(store.clone(), &host).await;
    first.start_run(request("collect", "c", "1")).await.expect("started");
    let behind = store.snapshot();
    first.start_run(request("collect", "d", "1")).await.expect("started");
    store.go_back(&behind);
    // What it commits next needs an event that is not there.
    unavailable(first.signal_run(&run_ref("d"), signal("a")).await);
    tokio::time::timeout(PATIENCE, first.store_went_back()).await.expect("it knows");
    let second = start(store, &host).await;
    unavailable(first.describe_run(&run_ref("c")).await);
    unavailable(first.check_store().await);
    assert!(first.ownership_lost().now_or_never().is_none(), "it has them itself");
    first.halt().await;
    second.describe_run(&run_ref("c")).await.expect("it is the second's");
}

/// An attempt that does not end, and a commit that has no answer.
#[tokio::test]
async fn a_database_without_an_answer_holds_a_stop_no_longer_than_its_grace() {
    let (host, calls) = (ScriptedHost::new(), Calls::default());
    let (frozen, never) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    let is_frozen = frozen.clone();
    let store = scripted(memory(), &calls, move |_| match is_frozen.load(Ordering::SeqCst) {
        true => Fault::Delayed(never.clone()),
        false => Fault::None,
    });
    let grace = Duration::from_secs(3);
    let leased = Tenure::Leased { take_over: false };
    let config =
        ServiceConfig { shutdown_grace: grace, tenure: leased, ..ServiceConfig::default() };
    let runtime = start_with(store, &host, config).await;
    runtime.start_run(request("gated", "attempt", "1")).await.expect("started");
    runtime.start_run(request("relay", "commit", "1")).await.expect("started");
    until_event(&runtime, "attempt", "ActivityTaskScheduled").await;
    frozen.store(true, Ordering::SeqCst);
    let commits = calls.count(Operation::Commit);
    let signalling = runtime.clone();
    let signalling =
        tokio::spawn(async move { signalling.signal_run(&run_ref("commit"), signal("go")).await });
    until("it commits", || calls.count(Operation::Commit) > commits).await;

    let begun = now();
    runtime.shutdown().await;
    let took = begun.elapsed();
    assert!(took >= grace, "the attempt may have ended: {took:?}");
    assert!(took < grace * 2, "{took:?}");
    signalling.abort();
}
