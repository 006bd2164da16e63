//! One actor per open run that is awake: the only writer of its history.

mod activation;
mod actor;
mod attempts;
mod attend;
mod begin;
mod commit;
mod describe;
mod fault;
mod heartbeats;
mod length;
mod load;
mod message;
mod moving;
mod postponed;
mod query;
mod rejected;
mod relate;
mod replace;
mod reset;
mod room;
mod settle;
mod starting;
mod trace;
mod unread;
mod update;

use std::pin::Pin;
use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_model::ids::EventId;
use tokio::sync::mpsc;
use tracing::Span;

pub(crate) use self::actor::context_of;
pub(crate) use self::begin::{BeginAnswer, BeginWaiter, Begun, NewRun};
pub(crate) use self::load::{Loaded, assemble};
pub(crate) use self::message::{Envelope, JoinAnswer, Message, MoveAnswer};
pub(crate) use self::query::{answer, not_served, took_too_long};
pub(crate) use self::rejected::not_storable;
pub(crate) use self::reset::{ResetAnswer, copy};
pub(crate) use self::room::make_room;
use crate::catalog::Choice;
use crate::portions::Portion;
use crate::registry::{OpenRun, Posted};
use crate::runtime::Shared;

/// Where an actor gets its run from.
pub(crate) enum Origin {
    /// It starts now.
    New {
        /// What it begins with.
        begun: Box<Begun>,
        /// Who waits for it.
        waiter: BeginWaiter,
        /// What asked for it, for the log.
        cause: Span,
        /// Keeps its code, until it is known what has become of the start.
        chosen: Choice,
    },
    /// It is in the store.
    Stored,
    /// It was read from the store a moment ago.
    Loaded(Box<Loaded>),
}

/// Starts an actor.
pub(crate) fn spawn(
    shared: &Arc<Shared>,
    run: Arc<OpenRun>,
    mailbox: mpsc::Receiver<Envelope>,
    origin: Origin,
) {
    spawn_in(shared, run, mailbox, origin, None);
}

/// The same, with the room that it has until it waits for the first time.
pub(crate) fn spawn_in(
    shared: &Arc<Shared>,
    run: Arc<OpenRun>,
    mailbox: mpsc::Receiver<Envelope>,
    origin: Origin,
    portion: Option<Portion>,
) {
    let work = shared.workload.begin();
    // Boxed: an actor may start another, and the type must not contain itself.
    let actor: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(actor::run(shared.clone(), run, mailbox, origin, work, portion));
    shared.actors.spawn(actor);
}

/// Delivers a message, waking the run if it sleeps and waiting if its mailbox
/// is full. Gives the message back if the run has closed.
pub(crate) async fn deliver(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    mut message: Message,
) -> Result<(), Message> {
    loop {
        match run.post(message) {
            Posted::Sent => return Ok(()),
            Posted::Wake(mailbox) => {
                spawn(shared, run.clone(), mailbox, Origin::Stored);
                return Ok(());
            }
            Posted::Closed(message) => return Err(message),
            Posted::Full(returned, sender) => {
                // The permit is kept: one that is given back goes to the next who
                // waits, and where many wait, nobody would ever send.
                message = match sender.reserve().await {
                    Ok(room) => match run.post_reserved(returned, &sender, room) {
                        None => return Ok(()),
                        Some(returned) => returned,
                    },
                    Err(_the_actor_is_gone) => returned,
                };
            }
        }
    }
}

/// Tells a run that a timer row is due. False if its mailbox is full.
pub(crate) fn try_wake(shared: &Arc<Shared>, run: &Arc<OpenRun>, event_id: EventId) -> bool {
    try_deliver(shared, run, timer_due(run, event_id))
}

/// Tells a run that was just read that a timer row is due, so that it need not be
/// read again.
pub(crate) fn wake_overdue(
    shared: &Arc<Shared>,
    run: &Arc<OpenRun>,
    event_id: EventId,
    loaded: Loaded,
) {
    if let Posted::Wake(mailbox) = run.post(timer_due(run, event_id)) {
        spawn(shared, run.clone(), mailbox, Origin::Loaded(Box::new(loaded)));
    }
}

fn timer_due(run: &OpenRun, event_id: EventId) -> Message {
    let input = match event_id {
        EventId::FIRST => Input::RunTimerDue { run_id: run.key.run_id },
        event_id => Input::TimerDue { event_id },
    };
    Message::Input { input, answer: None }
}

fn try_deliver(shared: &Arc<Shared>, run: &Arc<OpenRun>, message: Message) -> bool {
    match run.post(message) {
        Posted::Sent | Posted::Closed(_) => true,
        Posted::Wake(mailbox) => {
            spawn(shared, run.clone(), mailbox, Origin::Stored);
            true
        }
        Posted::Full(..) => false,
    }
}
