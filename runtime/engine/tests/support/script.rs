//! Random scripts: what happens outside of the guest.

use std::fmt;

use dacapo_engine::decide::ActivityControl;
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
    /// A running attempt runs out of one of its timeouts.
    TimeOut { pick: u8, which: u8 },
    /// An attempt, wherever it runs, says something.
    Heartbeat(u8),
    /// A running attempt is from now on open outside.
    Open(u8),
    /// Somebody outside says how an open attempt ended: one by its name, or by the
    /// token of any that was ever open.
    Report { pick: u8, by_token: bool, how: HowItEnds },
    /// A worker takes a task, if one can be taken.
    Claim(u8),
    /// A worker that has a task says something.
    RenewLease(u8),
    /// A worker that has or had a lease says how its attempt ended.
    ReportLease { pick: u8, how: HowItEnds },
    /// The time of a task is over, or is said to be.
    Expire { pick: u8, in_time: bool },
    /// An operator holds an activity, lets it go on, or makes it start over.
    Control(u8, ActivityControl),
    /// An attempt that is over returns once more.
    ReturnAgain(u8),
    /// A child that was asked for starts.
    ChildStarts(u8),
    /// A child that was asked for can't start.
    ChildCanNotStart(u8),
    /// A child closes, whether or not it is known that it has started.
    ChildCloses(u8, HowItCloses),
    /// Another run has recorded what it was asked, or can't.
    ExternalReached { pick: u8, ok: bool },
    /// What was said of a child or another run is said again.
    SayAgain(u8),
    /// The parent asks the run to cancel, or has closed; or so another run says.
    FromParent { closed: bool, other: bool },
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

#[derive(Debug, Clone, Copy)]
pub(crate) enum HowItEnds {
    Completed,
    Failed,
    Canceled,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum HowItCloses {
    Completed,
    Failed,
    Canceled,
    TimedOut,
    Terminated,
}

/// What happens, in order, and under which limits the run begins.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) actions: Vec<Action>,
    pub(crate) pending_operations_max: usize,
    pub(crate) history_events_max: u64,
    pub(crate) signals_max: u64,
    pub(crate) updates_in_flight_max: usize,
    /// What the start asks for.
    pub(crate) delay_millis: Option<u64>,
    pub(crate) run_timeout_millis: Option<u64>,
    pub(crate) attempts: Option<u32>,
    /// The names of the signals that the run begins with.
    pub(crate) initial_signals: Vec<u8>,
}

/// One action per line: this is what a failing test prints.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "script, at most {} pending operations, {} events and {} signals, delay {:?} ms, \
             timeout {:?} ms, attempts {:?}, first {:?}:",
            self.pending_operations_max,
            self.history_events_max,
            self.signals_max,
            self.delay_millis,
            self.run_timeout_millis,
            self.attempts,
            self.initial_signals
        )?;
        self.actions.iter().try_for_each(|action| writeln!(f, "    {action:?}"))
    }
}

pub(crate) fn scripts() -> impl Strategy<Value = Script> {
    let initial_signals = prop_oneof![2 => Just(Vec::new()), 1 => vec(0..SIGNAL_NAMES, 1..4)];
    let delay = prop_oneof![3 => Just(None), 1 => (1..3_000_u64).prop_map(Some)];
    let timeout = prop_oneof![3 => Just(None), 1 => (1..9_000_u64).prop_map(Some)];
    let attempts = prop_oneof![2 => Just(None), 1 => Just(Some(1)), 1 => Just(Some(0))];
    let options = (delay, timeout, attempts);
    (
        vec(actions(), 0..30),
        2..12_usize,
        12..60_u64,
        4..20_u64,
        1..5_usize,
        initial_signals,
        options,
    )
        .prop_map(
            |(actions, operations, events, signals, updates, initial_signals, options)| Script {
                actions,
                pending_operations_max: operations,
                history_events_max: events,
                signals_max: signals,
                updates_in_flight_max: updates,
                delay_millis: options.0,
                run_timeout_millis: options.1,
                attempts: options.2,
                initial_signals,
            },
        )
}

fn actions() -> impl Strategy<Value = Action> {
    let how = prop_oneof![
        3 => Just(HowItFails::Plainly),
        1 => Just(HowItFails::NonRetryably),
        1 => (1..3_000_000_000_u64).prop_map(|nanos| HowItFails::AskingForDelay { nanos }),
    ];
    let ends = prop_oneof![
        2 => Just(HowItEnds::Completed),
        1 => Just(HowItEnds::Failed),
        1 => Just(HowItEnds::Canceled),
    ];
    let controls = prop_oneof![
        2 => Just(ActivityControl::Pause),
        2 => Just(ActivityControl::Unpause),
        1 => any::<bool>().prop_map(|forget_heartbeat| ActivityControl::Reset { forget_heartbeat }),
    ];
    let closings = prop_oneof![
        3 => Just(HowItCloses::Completed),
        1 => Just(HowItCloses::Failed),
        1 => Just(HowItCloses::Canceled),
        1 => Just(HowItCloses::TimedOut),
        1 => Just(HowItCloses::Terminated),
    ];
    prop_oneof![
        60 => any::<u8>().prop_map(Action::Complete),
        30 => (any::<u8>(), how).prop_map(|(pick, how)| Action::Fail(pick, how)),
        15 => any::<(u8, u8)>().prop_map(|(pick, which)| Action::TimeOut { pick, which }),
        20 => any::<u8>().prop_map(Action::Heartbeat),
        20 => any::<u8>().prop_map(Action::Open),
        20 => (any::<(u8, bool)>(), ends.clone())
            .prop_map(|((pick, by_token), how)| Action::Report { pick, by_token, how }),
        80 => any::<u8>().prop_map(Action::Claim),
        10 => any::<u8>().prop_map(Action::RenewLease),
        60 => (any::<u8>(), ends)
            .prop_map(|(pick, how)| Action::ReportLease { pick, how }),
        20 => any::<(u8, bool)>().prop_map(|(pick, in_time)| Action::Expire { pick, in_time }),
        20 => (any::<u8>(), controls).prop_map(|(pick, control)| Action::Control(pick, control)),
        5 => any::<u8>().prop_map(Action::ReturnAgain),
        40 => any::<u8>().prop_map(Action::ChildStarts),
        10 => any::<u8>().prop_map(Action::ChildCanNotStart),
        30 => (any::<u8>(), closings).prop_map(|(pick, how)| Action::ChildCloses(pick, how)),
        20 => any::<(u8, bool)>().prop_map(|(pick, ok)| Action::ExternalReached { pick, ok }),
        5 => any::<u8>().prop_map(Action::SayAgain),
        4 => any::<(bool, bool)>()
            .prop_map(|(closed, other)| Action::FromParent { closed, other }),
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
