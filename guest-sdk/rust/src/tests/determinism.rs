//! Whatever a workflow builds of the kit: the same deliveries lead to the same
//! commands in the same order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use super::script::{Log, number, play, play_against, returns};
use crate::attributes::{AttributeChanges, SearchValue};
use crate::child::ChildOptions;
use crate::run::{Child, Delivery, Host};
use crate::sync::{Mutex, Semaphore, WaitGroup, channel, watch};
use crate::{
    ActivityOptions, CancellationScope, ErrGroup, Failure, RetryPolicy, join, map_concurrent,
    retry, saga, select, sleep, spawn, timeout, wait_until, with_timeout,
};

const SECOND: Duration = Duration::from_secs(1);
const PERMITS: usize = 2;
const ROOM: usize = 2;

/// One thing that a task does. None waits for ever.
#[derive(Debug, Clone)]
enum Step {
    Activity,
    Sleep,
    Locked,
    Permitted(usize),
    Send,
    Receive,
    Watch,
    Await(usize),
    Select,
    Retry,
    Undo,
    Fan(usize),
    Group,
    Child(Vec<Step>),
    Orphan(Vec<Step>),
    /// With a limit that asks it to end.
    Limited(Vec<Step>),
    /// In a scope that an activity beside it cancels.
    Scoped(Vec<Step>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        Just(Step::Activity),
        Just(Step::Sleep),
        Just(Step::Locked),
        (1..=PERMITS).prop_map(Step::Permitted),
        Just(Step::Send),
        Just(Step::Receive),
        Just(Step::Watch),
        (0..12_usize).prop_map(Step::Await),
        Just(Step::Select),
        Just(Step::Retry),
        Just(Step::Undo),
        (0..5_usize).prop_map(Step::Fan),
        Just(Step::Group),
    ];
    let step = leaf.prop_recursive(2, 12, 4, |step| {
        let several = prop::collection::vec(step, 0..4);
        prop_oneof![
            several.clone().prop_map(Step::Child),
            several.clone().prop_map(Step::Orphan),
            several.clone().prop_map(Step::Limited),
            several.prop_map(Step::Scoped),
        ]
    });
    prop::collection::vec(step, 0..6)
}

/// What the tasks of one run share.
#[derive(Clone)]
struct World {
    mutex: Mutex<u32>,
    semaphore: Semaphore,
    sender: channel::Sender<u32>,
    receiver: channel::Receiver<u32>,
    value: watch::Sender<u32>,
    tasks: WaitGroup,
    under_way: Rc<Cell<usize>>,
    /// What was done, in order.
    trace: Rc<RefCell<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        let (sender, receiver) = channel::bounded(ROOM);
        Self {
            mutex: Mutex::new(0),
            semaphore: Semaphore::new(PERMITS),
            sender,
            receiver,
            value: watch::channel(0).0,
            tasks: WaitGroup::new(),
            under_way: Rc::default(),
            trace: Rc::default(),
        }
    }

    fn note(&self, what: impl std::fmt::Debug) {
        self.trace.borrow_mut().push(format!("{what:?}"));
    }

    async fn go(self, steps: Vec<Step>) -> Result<(), Failure> {
        for step in steps {
            self.note(&step);
            let outcome = self.step(step).await;
            self.note(&outcome);
            outcome?;
        }
        Ok(())
    }

    async fn step(&self, step: Step) -> Result<u32, Failure> {
        match step {
            Step::Activity => number("step").await,
            Step::Sleep => sleep(SECOND).await.map(|()| 0),
            Step::Locked => {
                let mut total = self.mutex.lock().await;
                let before = *total;
                let more = number("locked").await?;
                assert_eq!(*total, before, "nobody else had it meanwhile");
                *total = total.wrapping_add(more);
                Ok(*total)
            }
            Step::Permitted(permits) => {
                let _permit = self.semaphore.acquire_many(permits).await;
                self.under_way.set(self.under_way.get() + permits);
                assert!(self.under_way.get() <= PERMITS);
                let outcome = number("permitted").await;
                self.under_way.set(self.under_way.get() - permits);
                outcome
            }
            Step::Send => {
                let sent = timeout(SECOND, self.sender.send(1)).await;
                assert!(self.receiver.len() <= ROOM);
                Ok(u32::from(sent.is_ok()))
            }
            Step::Receive => {
                let received = timeout(SECOND, self.receiver.recv()).await;
                Ok(received.ok().flatten().unwrap_or(0))
            }
            Step::Watch => {
                self.value.modify(|value| *value += 1);
                let mut follower = self.value.subscribe();
                Ok(u32::from(timeout(SECOND, follower.changed()).await.is_ok()))
            }
            Step::Await(length) => {
                let trace = Rc::clone(&self.trace);
                let long_enough = wait_until(move || trace.borrow().len() > length);
                timeout(SECOND, long_enough).await.map_or(Ok(0), |outcome| outcome.map(|()| 1))
            }
            Step::Select => select! {
                slept = sleep(SECOND) => slept.map(|()| 1),
                outcome = number("selected") => outcome,
                received = self.receiver.recv() => Ok(received.unwrap_or(0)),
            },
            Step::Retry => {
                let policy = RetryPolicy::new().maximum_attempts(3);
                retry(policy, async || number("retried").await).await
            }
            Step::Undo => {
                let undone = saga(async |saga| {
                    saga.compensate_with(number("undo_first"));
                    number("first").await?;
                    saga.compensate_with(number("undo_second"));
                    number("second").await
                });
                Ok(undone.await?)
            }
            Step::Fan(items) => {
                let outputs = map_concurrent(2, 0..items, |_| number("item")).await;
                Ok(outputs.iter().flatten().sum())
            }
            Step::Group => {
                let group = ErrGroup::with_limit(2);
                for _ in 0..3 {
                    group.spawn(number("member"));
                }
                group.wait().await.map(|values| values.into_iter().sum())
            }
            Step::Child(steps) => {
                let child = spawn(Box::pin(self.clone().go(steps)) as BoxedTask);
                child.await.map(|()| 0)
            }
            Step::Limited(steps) => {
                let whole = Box::pin(self.clone().go(steps)) as BoxedTask;
                with_timeout(SECOND, whole).await.map(|()| 1)
            }
            Step::Scoped(steps) => {
                let scope = CancellationScope::new();
                let whole = scope.run(Box::pin(self.clone().go(steps)) as BoxedTask);
                let stop = async {
                    let first = number("stop").await;
                    scope.cancel("stopped");
                    first
                };
                join!(whole, stop).1
            }
            Step::Orphan(steps) => {
                let (whole, token) = (self.clone().go(steps), self.tasks.add());
                let whole = Box::pin(whole) as BoxedTask;
                spawn(async move {
                    let _ = whole.await;
                    drop(token);
                })
                .detach();
                Ok(0)
            }
        }
    }
}

type BoxedTask = std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

async fn workflow(steps: Vec<Step>) -> Vec<String> {
    let world = World::new();
    let outcome = world.clone().go(steps).await;
    world.note(outcome);
    world.tasks.wait().await;
    world.trace.take()
}

/// Delivers the outcomes of what is open in an order of its own, and keeps what
/// it delivered.
struct Chance {
    choices: RefCell<std::vec::IntoIter<u8>>,
    open: RefCell<BTreeSet<u32>>,
    started: Cell<u32>,
    delivered: RefCell<Vec<Recorded>>,
    log: RefCell<Log>,
}

#[derive(Debug, Clone, Copy)]
enum Recorded {
    Returned(u32),
    Failed(u32),
    CancelRequested,
}

impl Recorded {
    fn delivery(self) -> Delivery {
        match self {
            // Timers take no notice of what they return.
            Self::Returned(operation) => returns(operation, operation),
            Self::Failed(operation) => super::script::fails(operation, "Broken"),
            Self::CancelRequested => super::script::cancel_request(),
        }
    }
}

impl Chance {
    fn start(&self, what: String) -> u32 {
        self.started.set(self.started.get() + 1);
        let operation = self.started.get();
        self.open.borrow_mut().insert(operation);
        self.log.borrow_mut().push(format!("{operation}: {what}"));
        operation
    }
}

impl Host for Chance {
    fn start_activity(&self, activity_type: &str, input: &[u8], _: &ActivityOptions) -> u32 {
        self.start(format!("{activity_type}({})", String::from_utf8_lossy(input)))
    }

    fn start_timer(&self, after: Duration) -> u32 {
        self.start(format!("timer {after:?}"))
    }

    fn start_child(&self, workflow_type: &str, _: &[u8], _: &ChildOptions) -> Child {
        unreachable!("these workflows have no child such as {workflow_type}")
    }

    fn signal_external(&self, workflow_id: &str, _: Option<&str>, _: &str, _: &[u8]) -> u32 {
        unreachable!("these workflows do not know {workflow_id}")
    }

    fn cancel_external(&self, workflow_id: &str, _: Option<&str>, _: &str) -> u32 {
        unreachable!("these workflows do not know {workflow_id}")
    }

    fn cancel(&self, operation: u32) {
        self.open.borrow_mut().remove(&operation);
        self.log.borrow_mut().push(format!("cancel {operation}"));
    }

    fn request_cancel(&self, _: u32, _: Option<Duration>) {}

    fn return_signal(&self, _: u32) {}

    fn respond_query(&self, _: &str, _: Result<Vec<u8>, Failure>) {}

    fn publish(&self, _: &str, _: &[u8]) {}

    fn accept_update(&self, _: &str) {}

    fn reject_update(&self, _: &str, _: Failure) {}

    fn complete_update(&self, _: &str, _: Result<Vec<u8>, Failure>) {}

    fn version(&self, _: &str, _: u32, max: u32) -> u32 {
        max
    }

    fn recorded_value(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn latest_value(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn record_value(&self, _: &str, _: &[u8]) {}

    fn next(&self) -> Delivery {
        self.log.borrow_mut().push("next".to_owned());
        // Without a choice left, the oldest returns, so that it comes to an end.
        let choice = self.choices.borrow_mut().next().map_or(0, usize::from);
        let mut open = self.open.borrow_mut();
        let recorded = if choice == 255 {
            Recorded::CancelRequested
        } else {
            let nth = choice / 4 % open.len();
            let operation = *open.iter().nth(nth).expect("something is open");
            open.remove(&operation);
            let is_timer = self.log.borrow().contains(&format!("{operation}: timer 1s"));
            if choice % 4 == 3 && !is_timer {
                Recorded::Failed(operation)
            } else {
                Recorded::Returned(operation)
            }
        };
        self.delivered.borrow_mut().push(recorded);
        recorded.delivery()
    }

    fn memo(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn search_attributes(&self) -> BTreeMap<String, SearchValue> {
        BTreeMap::new()
    }

    fn upsert_memo(&self, _: &AttributeChanges) {}

    fn upsert_search_attributes(&self, _: &AttributeChanges) {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_same_deliveries_lead_to_the_same_commands(
        steps in steps(),
        choices in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let chance = Rc::new(Chance {
            choices: RefCell::new(choices.into_iter()),
            open: RefCell::default(),
            started: Cell::new(0),
            delivered: RefCell::default(),
            log: RefCell::default(),
        });
        let live = play_against(Rc::clone(&chance) as Rc<dyn Host>, workflow(steps.clone()));
        let deliveries = chance.delivered.take().into_iter().map(Recorded::delivery);
        let (replayed, log) = play(deliveries, workflow(steps));
        prop_assert_eq!(live, replayed);
        prop_assert_eq!(chance.log.take(), log);
    }
}
