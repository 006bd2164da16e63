//! Puts messages into mailboxes, and wakes those who sleep.

use std::sync::Arc;

use dacapo_engine::decide::Input;
use dacapo_model::ids::{EventId, RunKey};

use super::find_run;
use crate::run::{self, ActorSource, Loaded, Message, OpenRun, Posted};
use crate::runtime::Shared;

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
                run::spawn(shared, run.clone(), mailbox, ActorSource::Stored);
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

/// Delivers a message if there is room for it. False if the mailbox is full.
pub(crate) fn try_deliver(shared: &Arc<Shared>, run: &Arc<OpenRun>, message: Message) -> bool {
    match run.post(message) {
        Posted::Sent | Posted::Closed(_) => true,
        Posted::Wake(mailbox) => {
            run::spawn(shared, run.clone(), mailbox, ActorSource::Stored);
            true
        }
        Posted::Full(..) => false,
    }
}

/// Tells a run that a timer row is due. False if its mailbox is full.
pub(crate) fn wake_for_timer(shared: &Arc<Shared>, key: RunKey, event_id: EventId) -> bool {
    match find_run(shared, key.run_id) {
        Some(run) if !run.is_faulted() => try_deliver(shared, &run, timer_due(&run, event_id)),
        // It has closed, which has removed its rows; or it is not here, and who runs it has
        // read them.
        _ => true,
    }
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
        run::spawn(shared, run.clone(), mailbox, ActorSource::Loaded(Box::new(loaded)));
    }
}

fn timer_due(run: &OpenRun, event_id: EventId) -> Message {
    let input = match event_id {
        EventId::FIRST => Input::RunTimerDue { run_id: run.key.run_id },
        event_id => Input::TimerDue { event_id },
    };
    Message::Input { input, answer: None }
}
