//! For backends: the units of a commit, folded into the rows they leave behind.
//!
//! A batch may touch one run several times. What counts is the result: a run
//! that starts and closes is inserted closed, a timer that is set and cleared is
//! deleted. Every backend writes the folded rows, so all of them agree on what a
//! batch means. It must be written in this order, so that a run may replace an
//! open one in the same batch: updates, then inserts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use dacapo_model::attributes::RunAttributes;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::{Blocked, Execution, ExecutionStatus};
use dacapo_model::ids::{EventId, QueryName, RunKey, UpdateId, WorkflowHash};
use dacapo_model::payload::Payload;
use dacapo_model::tag::Tags;
use dacapo_model::time::Timestamp;
use dacapo_model::update::AdmittedUpdate;

use crate::commit::{CommitUnit, ExecutionChange, ExecutionUpdate, RunTransition};
use crate::error::{Result, StoreError};
use crate::shard::Ownership;
use crate::task::TaskKey;
use crate::task_fold::{self, FoldedTask};
use crate::timer::TimerRow;

/// Everything one commit writes. No row occurs twice, except events that were
/// given twice: they are for the primary key to refuse.
#[derive(Debug, Default)]
pub struct CommitRows<'a> {
    /// New events, in the order given.
    pub events: Vec<(RunKey, &'a HistoryEvent)>,
    /// New runs, in the order given.
    pub inserts: Vec<Cow<'a, Execution>>,
    /// Changes of runs that exist.
    pub updates: BTreeMap<RunKey, Cow<'a, ExecutionUpdate>>,
    /// Timers to insert or replace.
    pub timers_set: BTreeMap<(RunKey, EventId), &'a TimerRow>,
    /// Timers to delete.
    pub timers_cleared: BTreeSet<(RunKey, EventId)>,
    /// Updates to insert or replace.
    pub admitted: BTreeMap<(RunKey, &'a UpdateId), &'a AdmittedUpdate>,
    /// Updates to delete.
    pub admitted_removed: BTreeSet<(RunKey, &'a UpdateId)>,
    /// Published values to insert or replace.
    pub query_results: BTreeMap<(RunKey, &'a QueryName), &'a Payload>,
    /// What is left of tasks.
    pub tasks: BTreeMap<TaskKey, FoldedTask<'a>>,
    /// Events that have to be stored already: those right before new ones. For a
    /// history without gaps that is one for each run that is not new.
    pub required: Vec<(RunKey, EventId)>,
    new_events: BTreeMap<RunKey, (EventId, EventId)>,
    inserted_at: BTreeMap<RunKey, usize>,
}

impl<'a> CommitRows<'a> {
    /// Folds units, in their order.
    pub fn fold(units: &'a [CommitUnit]) -> Result<Self> {
        let mut batch = Self::default();
        for transition in units.iter().flat_map(|unit| &unit.transitions) {
            batch.add(transition)?;
        }
        Ok(batch)
    }

    /// True if it changes updates or published values.
    pub fn has_messages(&self) -> bool {
        !(self.admitted.is_empty()
            && self.admitted_removed.is_empty()
            && self.query_results.is_empty())
    }

    /// The tags of the runs whose tags change, and of new runs that have some.
    pub fn tags(&self) -> Vec<(RunKey, &Tags)> {
        let new = self.inserts.iter().filter(|run| !run.attributes.tags.is_empty());
        let new = new.map(|run| (run.key, &run.attributes.tags));
        let changed = self.updates.iter().filter_map(|(key, it)| Some((*key, it.tags.as_ref()?)));
        new.chain(changed).collect()
    }

    /// True if there are any.
    pub fn has_tags(&self) -> bool {
        self.inserts.iter().any(|run| !run.attributes.tags.is_empty())
            || self.updates.values().any(|update| update.tags.is_some())
    }

    /// True if it changes nothing but histories, and perhaps
    /// [messages](Self::has_messages) and tasks.
    pub fn is_append_only(&self) -> bool {
        self.inserts.is_empty()
            && self.updates.is_empty()
            && self.timers_set.is_empty()
            && self.timers_cleared.is_empty()
    }

    /// For each new run, which one it is among those of its workflow id in this commit,
    /// from 1: together with the last number that is stored, its own.
    pub fn insert_places(&self) -> Vec<i64> {
        let mut counts = HashMap::new();
        let place = |execution: &Cow<'_, Execution>| {
            let workflow = (execution.namespace.clone(), execution.workflow_id.clone());
            let count = counts.entry(workflow).or_insert(0);
            *count += 1;
            *count
        };
        self.inserts.iter().map(place).collect()
    }

    fn add(&mut self, transition: &'a RunTransition) -> Result<()> {
        let key = transition.key;
        self.append(key, &transition.events);
        match &transition.execution {
            ExecutionChange::None => {}
            ExecutionChange::Insert(execution) => self.insert(key, execution)?,
            ExecutionChange::Update(update) => self.update(key, update)?,
        }
        for &event_id in &transition.timers_cleared {
            self.timers_set.remove(&(key, event_id));
            self.timers_cleared.insert((key, event_id));
        }
        for timer in &transition.timers_set {
            debug_assert_eq!(timer.key, key, "a transition sets the timers of its own run");
            self.timers_cleared.remove(&(key, timer.event_id));
            self.timers_set.insert((key, timer.event_id), timer);
        }
        for update_id in &transition.updates_removed {
            self.admitted.remove(&(key, update_id));
            self.admitted_removed.insert((key, update_id));
        }
        for admitted in &transition.updates_set {
            self.admitted_removed.remove(&(key, &admitted.update.id));
            self.admitted.insert((key, &admitted.update.id), admitted);
        }
        for (name, value) in &transition.query_results_set {
            self.query_results.insert((key, name), value);
        }
        task_fold::fold(&mut self.tasks, key, &transition.tasks, &transition.events);
        Ok(())
    }

    fn append(&mut self, key: RunKey, events: &'a [HistoryEvent]) {
        let Some(first) = events.first() else {
            return;
        };
        // From the first to the last that this commit has of the run.
        let new = self.new_events.entry(key).or_insert((first.id, EventId(0)));
        for event in events {
            let required = EventId(event.id.0.saturating_sub(1));
            if event.id > EventId::FIRST && !(new.0..=new.1).contains(&required) {
                self.required.push((key, required));
            }
            *new = (new.0.min(event.id), new.1.max(event.id));
            self.events.push((key, event));
        }
    }

    fn insert(&mut self, key: RunKey, execution: &'a Execution) -> Result<()> {
        debug_assert_eq!(execution.key, key, "a transition inserts its own run");
        check_summary(key, execution.status, execution.blocked.as_ref(), execution.closed_at)?;
        let is_known = self.inserted_at.contains_key(&key) || self.updates.contains_key(&key);
        if is_known {
            return Err(StoreError::Conflict { key: "workflow_executions_pkey".to_owned() });
        }
        self.inserted_at.insert(key, self.inserts.len());
        self.inserts.push(Cow::Borrowed(execution));
        Ok(())
    }

    fn update(&mut self, key: RunKey, update: &'a ExecutionUpdate) -> Result<()> {
        check_summary(key, update.status, update.blocked.as_ref(), update.closed_at)?;
        match self.inserted_at.get(&key) {
            Some(&at) => {
                let inserted = self.inserts[at].to_mut();
                inserted.status = update.status;
                inserted.blocked = update.blocked.clone();
                inserted.closed_at = update.closed_at;
                inserted.history_size = update.history_size;
                inserted.module_digest = update.module_digest.unwrap_or(inserted.module_digest);
                if let Some(attributes) = &update.attributes {
                    let tags = std::mem::take(&mut inserted.attributes.tags);
                    inserted.attributes = RunAttributes { tags, ..attributes.clone() };
                }
                if let Some(tags) = &update.tags {
                    inserted.attributes.tags = tags.clone();
                }
            }
            None => {
                let before = self.updates.insert(key, Cow::Borrowed(update));
                // The last one counts, but for what it says nothing about.
                if let Some(before) = before
                    && let Some(merged) = self.updates.get_mut(&key)
                {
                    let before = before.into_owned();
                    if update.module_digest.is_none() && before.module_digest.is_some() {
                        merged.to_mut().module_digest = before.module_digest;
                    }
                    if update.attributes.is_none() && before.attributes.is_some() {
                        merged.to_mut().attributes = before.attributes;
                    }
                    if update.tags.is_none() && before.tags.is_some() {
                        merged.to_mut().tags = before.tags;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The shards that units touch, and the epochs they are held under; or the first
/// hash that is not held at all.
pub fn touched_shards(
    ownership: &Ownership,
    units: &[CommitUnit],
) -> std::result::Result<BTreeMap<u16, u64>, WorkflowHash> {
    let transitions = units.iter().flat_map(|unit| &unit.transitions);
    ownership.epochs_of(transitions.map(|transition| transition.key.hash))
}

/// The databases check the same; here it is said in words.
fn check_summary(
    key: RunKey,
    status: ExecutionStatus,
    blocked: Option<&Blocked>,
    closed_at: Option<Timestamp>,
) -> Result<()> {
    let refuse = |column, reason: &str| {
        Err(StoreError::Corrupt {
            table: "workflow_executions",
            column,
            row: key.to_string(),
            reason: format!("{reason} (status {})", status.as_str()),
        })
    };
    if blocked.is_some() != (status == ExecutionStatus::Blocked) {
        return refuse("blocked", "there is a report exactly while a run is blocked");
    }
    if closed_at.is_some() == status.is_open() {
        return refuse("closed_at", "there is a closing time exactly if a run is closed");
    }
    Ok(())
}
