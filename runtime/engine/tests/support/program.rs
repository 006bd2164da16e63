//! Random workflow programs: what the guest's code would be.

use std::fmt;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

/// Signals have one of so many names.
pub(crate) const SIGNAL_NAMES: u8 = 3;

/// One thing a workflow does. Numbers pick among what is open at that moment, so
/// that every program makes sense.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Starts an activity, here or for workers of a task queue; 0 attempts means no
    /// limit.
    StartActivity { attempts: u32, total_seconds: Option<u64>, queued: bool },
    /// Starts a timer.
    StartTimer { millis: u64 },
    /// Starts a child; the number picks how the wait for it is cancelled.
    StartChild { cancellation: u8 },
    /// Sends another run a signal, or asks it to cancel.
    ReachExternal { cancel: bool },
    /// Gives an open operation up.
    Cancel(u8),
    /// Asks an open activity to cancel, and goes on waiting for it.
    RequestCancel(u8),
    /// Says something about the run.
    Upsert(u8),
    /// Takes whatever happens next, if anything is open.
    Next,
    /// Takes whatever happens next, if it does so in time.
    NextUntil { millis: u64 },
    /// Takes what happened during another wait.
    TryNext,
    /// Waits for one open operation.
    Wait(u8),
    /// Takes the next signal of a name.
    ReceiveSignal(u8),
    /// Gives a signal back that was taken.
    ReturnSignal(u8),
    /// Answers an update that was accepted.
    AnswerUpdate(u8),
    /// Shows what it has seen to those who ask.
    Publish(u8),
    /// Sleeps as code without an SDK does.
    Sleep { millis: u64 },
    /// Leaves some steps out, depending on all that was seen so far.
    SkipIfOdd(u8),
    /// Leaves some steps out once the run was asked to cancel.
    SkipIfCancelRequested(u8),
    /// Does more, if the code has a change that the run follows.
    Version { change: u8 },
    /// Takes a value from history, or else one that tells which code it was.
    RecordedValue(u8),
    /// The same, recorded where it has changed.
    LatestValue(u8),
    /// Ends the run.
    Close(End),
}

/// How a program ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    Completed,
    Failed,
    Cancelled,
    ContinuedAsNew,
}

/// A workflow: steps, done several times over, and an end.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) steps: Vec<Step>,
    pub(crate) rounds: usize,
    pub(crate) end: End,
    /// Up to which version the code knows its changes; 0 is the code before them.
    pub(crate) known: u32,
}

impl Program {
    /// The code after the next change.
    pub(crate) fn changed(&self) -> Arc<Self> {
        Arc::new(Self { known: self.known + 1, ..self.clone() })
    }
}

/// One step per line: this is what a failing test prints.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program, {} times over, then {:?}:", self.rounds, self.end)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "    {step:?}"))
    }
}

pub(crate) fn programs() -> impl Strategy<Value = Arc<Program>> {
    (vec(steps(), 1..12), 1..=2_usize, ends())
        .prop_map(|(steps, rounds, end)| Arc::new(Program { steps, rounds, end, known: 0 }))
}

fn steps() -> impl Strategy<Value = Step> {
    let attempts = prop_oneof![Just(0), Just(1), Just(3)];
    let total_seconds = prop_oneof![Just(None), Just(None), Just(Some(2))];
    prop_oneof![
        5 => (attempts, total_seconds, any::<bool>()).prop_map(
            |(attempts, total_seconds, queued)| {
                Step::StartActivity { attempts, total_seconds, queued }
            }
        ),
        3 => (0..2_000_u64).prop_map(|millis| Step::StartTimer { millis }),
        3 => (0..4_u8).prop_map(|cancellation| Step::StartChild { cancellation }),
        1 => any::<bool>().prop_map(|cancel| Step::ReachExternal { cancel }),
        3 => any::<u8>().prop_map(Step::Cancel),
        2 => any::<u8>().prop_map(Step::RequestCancel),
        1 => any::<u8>().prop_map(Step::Upsert),
        4 => Just(Step::Next),
        3 => (0..4_000_u64).prop_map(|millis| Step::NextUntil { millis }),
        1 => Just(Step::TryNext),
        3 => any::<u8>().prop_map(Step::Wait),
        2 => (0..SIGNAL_NAMES).prop_map(Step::ReceiveSignal),
        1 => any::<u8>().prop_map(Step::ReturnSignal),
        2 => any::<u8>().prop_map(Step::AnswerUpdate),
        1 => (0..3_u8).prop_map(Step::Publish),
        1 => (0..2_000_u64).prop_map(|millis| Step::Sleep { millis }),
        2 => (1..4_u8).prop_map(Step::SkipIfOdd),
        1 => (1..4_u8).prop_map(Step::SkipIfCancelRequested),
        2 => (0..2_u8).prop_map(|change| Step::Version { change }),
        1 => (0..2_u8).prop_map(Step::RecordedValue),
        1 => (0..2_u8).prop_map(Step::LatestValue),
        1 => ends().prop_map(Step::Close),
    ]
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Completed),
        Just(End::Failed),
        Just(End::Cancelled),
        Just(End::ContinuedAsNew),
    ]
}
