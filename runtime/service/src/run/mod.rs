//! One actor per open run that is awake: the only writer of its history.

mod activation;
mod actor;
mod attempts;
mod attend;
mod begin;
mod commit;
mod describe;
mod effects;
mod fault;
mod heartbeats;
mod length;
mod load;
mod message;
mod moving;
mod open_run;
mod policy;
mod postponed;
mod query;
mod rejected;
mod relate;
mod replace;
mod replay_time;
mod reset;
mod room;
mod rows;
mod settle;
mod spans;
mod starting;
mod tasks;
mod trace;
mod unread;
mod update;

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::Span;

pub(crate) use self::actor::context_of;
pub(crate) use self::begin::{BeginAnswer, BeginWaiter, Begun, NewRun};
pub(crate) use self::load::{Loaded, assemble};
pub(crate) use self::message::{Envelope, JoinAnswer, Message, MoveAnswer};
pub(crate) use self::open_run::{OpenRun, Posted, Progress};
pub(crate) use self::query::{answer, not_served, took_too_long};
pub(crate) use self::rejected::not_storable;
pub(crate) use self::replay_time::{REPLAY_TIME_MAX, replay_took_too_long};
pub(crate) use self::reset::{ResetAnswer, copy};
pub(crate) use self::room::make_room;
use crate::catalog::Choice;
use crate::portions::Portion;
use crate::runtime::Shared;

/// Where an actor gets its run from.
pub(crate) enum ActorSource {
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
    origin: ActorSource,
) {
    spawn_in(shared, run, mailbox, origin, None);
}

/// The same, with the room that it has until it waits for the first time.
pub(crate) fn spawn_in(
    shared: &Arc<Shared>,
    run: Arc<OpenRun>,
    mailbox: mpsc::Receiver<Envelope>,
    origin: ActorSource,
    portion: Option<Portion>,
) {
    let work = shared.life.workload.begin();
    // Boxed: an actor may start another, and the type must not contain itself.
    let actor: Pin<Box<dyn Future<Output = ()> + Send>> =
        Box::pin(actor::run(shared.clone(), run, mailbox, origin, work, portion));
    shared.life.spawn(actor);
}

/// Wakes a run that is stored, if it sleeps.
pub(crate) fn wake(shared: &Arc<Shared>, run: &Arc<OpenRun>) {
    if let Some(mailbox) = run.wake() {
        spawn(shared, run.clone(), mailbox, ActorSource::Stored);
    }
}

/// Wakes a run that was just read, or written, if it sleeps.
fn wake_loaded(shared: &Arc<Shared>, run: &Arc<OpenRun>, loaded: Loaded) {
    if let Some(mailbox) = run.wake() {
        spawn(shared, run.clone(), mailbox, ActorSource::Loaded(Box::new(loaded)));
    }
}
