//! What somebody has set of task queues, as this node knows it. The store is right: each
//! claim of such a queue goes by what it says at that moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::{NamespaceName, QueueName};
use dacapo_model::limits::QUEUES_WITH_SETTINGS_MAX;
use dacapo_store::error::StoreError;
use dacapo_store::queue_settings::{QueueSettings, SettingsChange};
use parking_lot::Mutex;

use super::matching::Mode;
use super::note_waiting;
use super::queue::Queue;
use crate::backoff::Backoff;
use crate::error::{Result, ServiceError};
use crate::runtime::Shared;

/// How long a change waits for what was promised before it. A commit without a verdict
/// may take longer; what it has leased is seen by all claims after it.
const PROMISED_TIME: Duration = Duration::from_secs(5);

/// The pauses before the settings are read again.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

type Place = (NamespaceName, QueueName);

/// The settings of all queues that have any.
#[derive(Default)]
pub(super) struct Settings {
    known: Mutex<HashMap<Place, QueueSettings>>,
    /// For those who have nothing to do if nobody has set anything.
    is_any: AtomicBool,
    /// Changes come one after the other, so that memory has the last.
    turn: tokio::sync::Mutex<()>,
}

impl Settings {
    pub(super) fn of(all: Vec<QueueSettings>) -> Self {
        let settings = Self::default();
        all.into_iter().for_each(|it| settings.learn(it));
        settings
    }

    pub(super) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Relaxed)
    }

    pub(super) fn get(
        &self,
        namespace: &NamespaceName,
        queue: &QueueName,
    ) -> Option<QueueSettings> {
        self.known.lock().get(&(namespace.clone(), queue.clone())).cloned()
    }

    /// The queues of a namespace of which anything is set.
    pub(super) fn queues(&self, namespace: &NamespaceName) -> Vec<QueueName> {
        let known = self.known.lock();
        let its = known.keys().filter(|(of, _)| of == namespace);
        its.map(|(_, queue)| queue.clone()).collect()
    }

    pub(super) fn mode(&self, namespace: &NamespaceName, queue: &QueueName) -> Mode {
        if !self.is_any() {
            return Mode::Open;
        }
        self.get(namespace, queue).map_or(Mode::Open, |settings| mode(&settings))
    }

    fn learn(&self, settings: QueueSettings) {
        // Stays so: whoever looks too often loses little.
        self.is_any.store(true, Ordering::Relaxed);
        let place = (settings.namespace.clone(), settings.queue.clone());
        match settings.is_any() {
            true => drop(self.known.lock().insert(place, settings)),
            false => drop(self.known.lock().remove(&place)),
        }
    }

    pub(super) fn forget(&self, namespace: &NamespaceName) {
        self.known.lock().retain(|(of, _), _| of != namespace);
    }

    /// All of them are in memory, and are read when a server starts.
    fn check_room(&self, namespace: &NamespaceName, queue: &QueueName) -> Result<()> {
        let known = self.known.lock();
        let others = known.keys().filter(|(of, other)| of == namespace && other != queue).count();
        if others < QUEUES_WITH_SETTINGS_MAX {
            return Ok(());
        }
        Err(ServiceError::new(
            ErrorCode::InvalidArgument,
            format!(
                "{QUEUES_WITH_SETTINGS_MAX} task queues of this namespace have limits or are \
                 drained; take those of another away first"
            ),
        ))
    }
}

fn mode(settings: &QueueSettings) -> Mode {
    match (settings.is_drained, settings.is_any()) {
        (true, _) => Mode::Drained,
        (false, true) => Mode::Limited,
        (false, false) => Mode::Open,
    }
}

/// Changes what is set of a queue. It holds for all that is handed out from the answer on;
/// what was promised before has been given by then.
pub(crate) async fn change_settings(
    shared: &Arc<Shared>,
    namespace: &NamespaceName,
    name: &QueueName,
    change: &SettingsChange,
) -> Result<QueueSettings> {
    let settings = &shared.queues.settings;
    let _turn = settings.turn.lock().await;
    settings.check_room(namespace, name)?;
    let queue = shared.queues.queue(namespace, name);
    // Until it is known what has become of it, each claim asks the store.
    settings.is_any.store(true, Ordering::Relaxed);
    if queue.mode() == Mode::Open {
        queue.set_mode(Mode::Limited);
    }
    let owned = shared.hold.owned.current();
    let now = shared.clock.now();
    let changed = shared.store.change_queue_settings(&owned, namespace, name, change, now).await;
    match &changed {
        Ok(changed) => {
            hold(shared, &queue, changed.clone());
            if queue.mode() != Mode::Open {
                let promised = queue.unlimited();
                let _ = tokio::time::timeout(PROMISED_TIME, promised.at_most(0)).await;
            }
        }
        // It may have been done.
        Err(StoreError::Unavailable { .. }) => {
            shared.life.spawn(read_again(shared.clone(), queue));
        }
        // Nothing was written.
        Err(_) => queue.set_mode(settings.mode(namespace, name)),
    }
    shared.hold.loss.judge(changed).await
}

/// From now on the queue goes by these settings.
fn hold(shared: &Arc<Shared>, queue: &Arc<Queue>, changed: QueueSettings) {
    let mode = mode(&changed);
    shared.queues.settings.learn(changed);
    queue.set_mode(mode);
    // There may be room now.
    note_waiting(shared, queue);
}

/// Finds out what a change without a verdict has come to.
async fn read_again(shared: Arc<Shared>, queue: Arc<Queue>) {
    let mut backoff = BACKOFF;
    loop {
        tokio::select! {
            () = shared.life.stopping.cancelled() => return,
            () = backoff.wait() => {}
        }
        let _turn = shared.queues.settings.turn.lock().await;
        match shared.store.all_queue_settings().await {
            Ok(all) => {
                let is_its = |it: &QueueSettings| {
                    (&it.namespace, &it.queue) == (&queue.namespace, &queue.name)
                };
                let its = all.into_iter().find(is_its).unwrap_or_else(|| {
                    let (namespace, name) = (queue.namespace.clone(), queue.name.clone());
                    QueueSettings::none(namespace, name, shared.clock.now())
                });
                hold(&shared, &queue, its);
                return;
            }
            Err(error) => tracing::debug!(?error, "settings of task queues can't be read"),
        }
    }
}
