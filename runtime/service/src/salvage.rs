//! What can be made of a run whose history is damaged: an event is missing, or can't
//! be read. A bad disk, or a restore that went wrong. Or it only seems so: a newer
//! version of the program has written what this one does not know.
//!
//! Such a run must not keep others from running, and an operator must see what is
//! wrong with it and be able to end it. So it is read up to the damage, and kept as
//! blocked. All of this is for the exception; nothing here is in the way of a run
//! whose history is whole.

use dacapo_engine::compat::made_by_newer;
use dacapo_model::code::ErrorCode;
use dacapo_model::event::HistoryEvent;
use dacapo_model::execution::Blocked;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::Store;
use dacapo_store::error::{Result, StoreError};

use crate::error::ServiceError;
use crate::loader::StoredRun;

/// Events read by one statement, until one of them can't be read.
const PAGE: u32 = 1_000;

/// Why nothing can go on with a history.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    /// [`ErrorCode::HistoryDamaged`] or [`ErrorCode::EngineTooOld`].
    pub(crate) code: ErrorCode,
    /// What is wrong, and what to do.
    pub(crate) message: String,
    /// The first event that is missing, or can't be read or understood.
    pub(crate) event_id: EventId,
    /// The id that the next event gets: after all that are stored.
    pub(crate) next_event_id: EventId,
}

impl Fault {
    /// The history can't be read from an event on.
    pub(crate) fn damaged(event_id: EventId, why: &str, next_event_id: EventId) -> Self {
        let message = format!(
            "the history is damaged, or was written by a newer version: {why}. Nothing can go on \
             with it. Repair event {event_id} in the database and retry the run, reset it to before \
             that event, or terminate it"
        );
        Self { code: ErrorCode::HistoryDamaged, message, event_id, next_event_id }
    }

    /// As its run shows it.
    pub(crate) fn report(&self) -> Blocked {
        Blocked {
            code: self.code.as_str().to_owned(),
            message: self.message.clone(),
            backtrace: None,
            nondeterminism: None,
        }
    }

    /// As an answer to a request that needs the history.
    pub(crate) fn error(&self) -> ServiceError {
        ServiceError::new(self.code, self.message.clone()).with("event_id", self.event_id)
    }
}

/// Whether a run that is shown as blocked with this code may go on as soon as its
/// history can be read.
pub(crate) fn is_fault(code: &str) -> bool {
    [ErrorCode::HistoryDamaged, ErrorCode::EngineTooOld].iter().any(|it| it.as_str() == code)
}

impl StoredRun {
    /// The whole history, for who can't do without.
    pub(crate) fn whole(self) -> crate::error::Result<Vec<HistoryEvent>> {
        match self.fault {
            Some(fault) => Err(fault.error()),
            None => Ok(self.history),
        }
    }

    /// The history up to what is damaged, for who takes a part of it only.
    pub(crate) fn until_damaged(self) -> crate::error::Result<Vec<HistoryEvent>> {
        match self.fault {
            Some(fault) if fault.code != ErrorCode::HistoryDamaged => Err(fault.error()),
            _ => Ok(self.history),
        }
    }
}

/// Looks whether the history that was read is whole and can be gone on with. If not,
/// leaves of it what comes before the damage.
pub(crate) fn examine(run: &mut StoredRun) {
    if run.fault.is_some() {
        return;
    }
    let next_event_id = run.history.last().map_or(EventId::FIRST, |last| last.id.next());
    let whole = run.history.iter().zip(1..).take_while(|(event, id)| event.id.0 == *id).count();
    if whole < run.history.len() || whole == 0 {
        let missing = EventId(whole as u64 + 1);
        let why = format!("event {missing} is missing");
        run.fault = Some(Fault::damaged(missing, &why, next_event_id));
        run.history.truncate(whole);
        return;
    }
    if let Some(report) = made_by_newer(&run.history) {
        let (code, message) = (ErrorCode::EngineTooOld, report.message);
        run.fault = Some(Fault { code, message, event_id: EventId::FIRST, next_event_id });
    }
}

/// Reads a run of which something can't be read, as far as that goes. None if it
/// does not exist.
pub(crate) async fn salvage(store: &dyn Store, key: RunKey) -> Result<Option<StoredRun>> {
    let Some(execution) = store.find_runs(&[key]).await?.pop() else {
        return Ok(None);
    };
    let (history, mut unreadable) = readable(store, key).await?;
    // What else can't be read is not known to be lost: it is left as it is.
    let timers = or_else(store.run_timers(&[key]).await, &mut unreadable)?;
    let updates = or_else(store.run_updates(&[key]).await, &mut unreadable)?;
    let updates = updates.into_iter().map(|(_, admitted)| admitted).collect();
    let fault = match unreadable {
        None => None,
        Some(why) => {
            let event_id = history.last().map_or(EventId::FIRST, |last| last.id.next());
            Some(Fault::damaged(event_id, &why, end(store, key, event_id).await?))
        }
    };
    let mut run = StoredRun { execution, history, timers, updates, fault };
    examine(&mut run);
    Ok(Some(run))
}

/// The rows, or none and why they can't be read.
fn or_else<T>(rows: Result<Vec<T>>, unreadable: &mut Option<String>) -> Result<Vec<T>> {
    match rows {
        Err(error) if is_unreadable(&error) => {
            if unreadable.is_none() {
                *unreadable = Some(error.to_string());
            }
            Ok(Vec::new())
        }
        rows => rows,
    }
}

/// Whether it is no use to ask again.
pub(crate) fn is_unreadable(error: &StoreError) -> bool {
    matches!(error, StoreError::Corrupt { .. })
}

/// What was read, or nothing if it can't be.
pub(crate) fn or_nothing<T: Default>(read: Result<T>) -> Result<T> {
    match read {
        Err(error) if is_unreadable(&error) => {
            tracing::warn!(%error, "something stored can't be read");
            Ok(T::default())
        }
        read => read,
    }
}

/// The events up to the first that can't be read, and why it can't.
async fn readable(store: &dyn Store, key: RunKey) -> Result<(Vec<HistoryEvent>, Option<String>)> {
    let mut history: Vec<HistoryEvent> = Vec::new();
    let mut limit = PAGE;
    loop {
        let from = history.last().map_or(EventId::FIRST, |last| last.id.next());
        match store.load_history(key, from, limit).await {
            Ok(page) => {
                let is_last = page.len() < limit as usize;
                history.extend(page);
                if is_last {
                    return Ok((history, None));
                }
            }
            Err(error) if is_unreadable(&error) && limit == 1 => {
                return Ok((history, Some(error.to_string())));
            }
            // It is one of those: come nearer.
            Err(error) if is_unreadable(&error) => limit /= 2,
            Err(error) => return Err(error),
        }
    }
}

/// The id after the last event that is stored, whether or not it can be read. There
/// is one with the id `from` or a later one, or none at all.
async fn end(store: &dyn Store, key: RunKey, from: EventId) -> Result<EventId> {
    match store.last_event(key).await {
        Ok(last) => return Ok(last.map_or(EventId::FIRST, |last| last.id.next())),
        Err(error) if is_unreadable(&error) => {}
        Err(error) => return Err(error),
    }
    let (mut there, mut step) = (from.0, 1);
    while is_there(store, key, there + step).await? {
        there += step;
        step *= 2;
    }
    let mut beyond = there + step;
    while beyond - there > 1 {
        let middle = there + (beyond - there) / 2;
        if is_there(store, key, middle).await? {
            there = middle;
        } else {
            beyond = middle;
        }
    }
    Ok(EventId(beyond))
}

/// Whether there is an event with this id or a later one.
async fn is_there(store: &dyn Store, key: RunKey, event_id: u64) -> Result<bool> {
    match store.load_history(key, EventId(event_id), 1).await {
        Ok(events) => Ok(!events.is_empty()),
        Err(error) if is_unreadable(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A part of a history, and what of it can't be shown.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) events: Vec<HistoryEvent>,
    pub(crate) damaged: Vec<DamagedEvent>,
    /// Where the next part begins; none if this one goes up to the end.
    pub(crate) next: Option<EventId>,
}

/// Something in place of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedEvent {
    /// The event, or the first of several that are missing.
    pub event_id: EventId,
    /// What is wrong.
    pub message: String,
}

/// Reads a part of a history from an event on, whatever is wrong with it: at most
/// `limit` events, and what is in their way.
pub(crate) async fn read_around(
    store: &dyn Store,
    key: RunKey,
    from: EventId,
    limit: u32,
) -> Result<Part> {
    let mut part = Part::default();
    let (mut from, mut left, mut step) = (from, limit, limit);
    while left > 0 {
        match store.load_history(key, from, step.min(left)).await {
            Ok(events) => {
                let is_last = events.len() < step.min(left) as usize;
                for event in events {
                    if event.id != from {
                        let (first, last) = (from.0, event.id.0 - 1);
                        let message = match last == first {
                            true => format!("event {first} is missing"),
                            false => format!("events {first} to {last} are missing"),
                        };
                        part.damaged.push(DamagedEvent { event_id: from, message });
                    }
                    from = event.id.next();
                    left -= 1;
                    part.events.push(event);
                }
                if is_last {
                    return Ok(part);
                }
            }
            Err(error) if is_unreadable(&error) && step.min(left) == 1 => {
                part.damaged.push(DamagedEvent { event_id: from, message: error.to_string() });
                from = from.next();
                left -= 1;
                step = limit;
            }
            // It is one of those: come nearer.
            Err(error) if is_unreadable(&error) => step = step.min(left) / 2,
            Err(error) => return Err(error),
        }
    }
    part.next = Some(from);
    Ok(part)
}
