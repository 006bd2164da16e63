//! Random scripts: what happens outside of the guest.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;

use super::program::SIGNAL_NAMES;

/// One thing that happens. Numbers pick among what is possible at that moment;
/// an action that is impossible then does nothing.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A running attempt returns a result.
    Complete(u8),
    /// A running attempt returns a failure.
    Fail(u8, HowItFails),
    /// A running attempt runs out of time: its own, or that of all attempts.
    TimeOut { pick: u8, of_all_attempts: bool },
    /// An attempt that is over returns once more.
    ReturnAgain(u8),
    /// The clock reaches the earliest row of the outbox.
    FireNextRow,
    /// A row of the outbox is tried, whatever the time.
    FireAnyRow(u8),
    /// The clock moves; not always forward.
    MoveClock { millis: i64 },
    /// Someone asks the run to cancel.
    RequestCancel,
    /// Someone sends it a signal, perhaps one that was sent before.
    Signal { name: u8, request: Option<u8> },
    /// Someone asks it to do something, perhaps what was asked before.
    Update { request: u8 },
    /// Someone asks about it.
    Query { misbehaves: bool },
    /// Someone ends it.
    Terminate,
    /// The guest will trap in its next activation.
    TrapNextTurn,
    /// Someone asks to try a blocked run again, perhaps with higher limits.
    Retry { raise_limits: bool },
    /// The node dies; another one recovers the run.
    Crash,
    /// The code changes, and the run is moved to it.
    Move,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum HowItFails {
    Plainly,
    NonRetryably,
    AskingForDelay { nanos: u64 },
}

/// What happens, in order, and under which limits the run begins.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) actions: Vec<Action>,
    pub(crate) pending_operations_max: usize,
    pub(crate) history_events_max: u64,
    pub(crate) signals_max: u64,
    pub(crate) updates_in_flight_max: usize,
    /// The names of the signals that the run begins with.
    pub(crate) initial_signals: Vec<u8>,
}

/// One action per line: this is what a failing test prints.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "script, at most {} pending operations, {} events and {} signals, first {:?}:",
            self.pending_operations_max,
            self.history_events_max,
            self.signals_max,
            self.initial_signals
        )?;
        self.actions.iter().try_for_each(|action| writeln!(f, "    {action:?}"))
    }
}

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    let initial_signals = prop_oneof![2 => Just(Vec::new()), 1 => vec(0..SIGNAL_NAMES, 1..4)];
    (vec(actions(), 0..30), 2..12_usize, 12..60_u64, 4..20_u64, 1..5_usize, initial_signals)
        .prop_map(|(actions, operations, events, signals, updates, initial_signals)| Script {
            actions,
            pending_operations_max: operations,
            history_events_max: events,
            signals_max: signals,
            updates_in_flight_max: updates,
            initial_signals,
        })
}

fn actions() -> impl Strategy<Value = Action> {
    let how = prop_oneof![
        3 => Just(HowItFails::Plainly),
        1 => Just(HowItFails::NonRetryably),
        1 => (1..3_000_000_000_u64).prop_map(|nanos| HowItFails::AskingForDelay { nanos }),
    ];
    prop_oneof![
        60 => any::<u8>().prop_map(Action::Complete),
        30 => (any::<u8>(), how).prop_map(|(pick, how)| Action::Fail(pick, how)),
        15 => any::<(u8, bool)>()
            .prop_map(|(pick, of_all_attempts)| Action::TimeOut { pick, of_all_attempts }),
        5 => any::<u8>().prop_map(Action::ReturnAgain),
        50 => Just(Action::FireNextRow),
        10 => any::<u8>().prop_map(Action::FireAnyRow),
        20 => (-500..3_000_i64).prop_map(|millis| Action::MoveClock { millis }),
        10 => Just(Action::RequestCancel),
        40 => (0..SIGNAL_NAMES, prop_oneof![Just(None), (0..8_u8).prop_map(Some)])
            .prop_map(|(name, request)| Action::Signal { name, request }),
        30 => (0..24_u8).prop_map(|request| Action::Update { request }),
        10 => any::<bool>().prop_map(|misbehaves| Action::Query { misbehaves }),
        1 => Just(Action::Terminate),
        15 => Just(Action::TrapNextTurn),
        25 => any::<bool>().prop_map(|raise_limits| Action::Retry { raise_limits }),
        10 => Just(Action::Crash),
        8 => Just(Action::Move),
    ]
}
