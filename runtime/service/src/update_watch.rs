//! Who waits for the updates of an open run. They outlast its actor, which may fall
//! asleep while an update takes its time, and follow an update that goes over to the
//! next run.

use std::collections::HashMap;

use dacapo_model::event::EventAttributes;
use dacapo_model::failure::Failure;
use dacapo_model::ids::{RunId, UpdateId};
use dacapo_model::payload::Payload;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How far an update has come, as its caller is told.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateProgress {
    /// It is durable, and the workflow has not decided about it.
    Admitted,
    /// The workflow took it on.
    Accepted,
    /// The workflow will not do it. Nothing of it is kept.
    Rejected(Failure),
    /// The workflow answered it.
    Completed(Result<Payload, Failure>),
}

impl UpdateProgress {
    /// What an event says about the update that it is about.
    pub(crate) fn of_event(attributes: &EventAttributes) -> Option<Self> {
        match attributes {
            EventAttributes::WorkflowExecutionUpdateAccepted(_) => Some(Self::Accepted),
            EventAttributes::WorkflowExecutionUpdateCompleted(completed) => {
                Some(Self::Completed(match &completed.failure {
                    Some(failure) => Err(failure.clone()),
                    None => Ok(completed.result.clone()),
                }))
            }
            _ => None,
        }
    }

    /// True if nothing more will come.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Completed(_))
    }
}

/// An update, and the run that has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watched {
    pub(crate) run_id: RunId,
    pub(crate) progress: UpdateProgress,
}

type Senders = HashMap<UpdateId, watch::Sender<Watched>>;

/// Those who wait, by update.
#[derive(Default)]
pub(crate) struct UpdateWatch(Mutex<Option<Box<Senders>>>);

impl UpdateWatch {
    /// Watches an update from now on. To be called before the run is told of it.
    pub(crate) fn watch(&self, run_id: RunId, update_id: &UpdateId) -> watch::Receiver<Watched> {
        let mut senders = self.0.lock();
        let senders = senders.get_or_insert_default();
        senders.retain(|_, sender| sender.receiver_count() > 0);
        let first = || watch::Sender::new(Watched { run_id, progress: UpdateProgress::Admitted });
        senders.entry(update_id.clone()).or_insert_with(first).subscribe()
    }

    /// Tells those who wait for an update.
    pub(crate) fn publish(&self, run_id: RunId, update_id: &UpdateId, progress: UpdateProgress) {
        let mut senders = self.0.lock();
        let Some(senders) = senders.as_mut() else {
            return;
        };
        let is_final = progress.is_final();
        if let Some(sender) = senders.get(update_id) {
            sender.send_replace(Watched { run_id, progress });
        }
        if is_final {
            senders.remove(update_id);
        }
    }

    /// The updates that someone waits for.
    pub(crate) fn watched(&self) -> Vec<UpdateId> {
        let senders = self.0.lock();
        senders.iter().flat_map(|senders| senders.keys()).cloned().collect()
    }

    /// Those who wait for these updates wait for them in another run from now on, and
    /// are told which that is. There nobody has decided about them yet, or those who
    /// wait are told soon.
    pub(crate) fn hand_over<'a>(
        &self,
        updates: impl Iterator<Item = &'a UpdateId>,
        other: &Self,
        run_id: RunId,
    ) {
        let mut senders = self.0.lock();
        let Some(senders) = senders.as_mut() else {
            return;
        };
        let mut others = other.0.lock();
        let others = others.get_or_insert_default();
        for update_id in updates {
            if let Some(sender) = senders.remove(update_id) {
                sender.send_replace(Watched { run_id, progress: UpdateProgress::Admitted });
                others.insert(update_id.clone(), sender);
            }
        }
    }

    /// The run has closed: those who wait look it up.
    pub(crate) fn close(&self) {
        self.0.lock().take();
    }
}
