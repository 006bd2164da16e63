//! Asking the guest. The run is the same afterwards, whatever becomes of it.

use std::time::Duration;

use dacapo_engine::guest::Asked;
use dacapo_engine::replay::Waiting;
use dacapo_engine::transition::Transition;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::ExecutionStatus;
use dacapo_model::ids::QueryName;
use dacapo_model::limits::QUERY_TIME_MAX;
use dacapo_model::payload::Payload;
use dacapo_model::query::Query;
use dacapo_model::time::Timestamp;

use super::actor::Actor;
use crate::error::{Result, ServiceError};

impl Actor {
    /// A published value, or else what the guest answers.
    pub(super) async fn query(&mut self, query: Query) -> Result<Payload> {
        if let Some(value) = self.published_value(&query.name).await? {
            return Ok(value);
        }
        if self.state.status != ExecutionStatus::Running {
            return Err(not_served(&query.name, "the run is blocked: its code can't go on"));
        }
        if self.state.delayed_until.is_some() {
            return Err(not_served(&query.name, "the start of the run is delayed"));
        }
        self.wake_guest().await?;
        let name = query.name.clone();
        let Some(guest) = &mut self.guest else {
            return Err(ServiceError::stopping());
        };
        let asked = tokio::time::timeout(QUERY_TIME_MAX, guest.instance.query(query)).await;
        // One that has asked for what is not recorded yet must ask for it again.
        let is_at_rest = !self.needs_activation;
        if !matches!(&asked, Ok(asked) if is_at_rest && asked.leaves_guest_usable()) {
            self.drop_guest();
        }
        let asked = asked.map_err(|_elapsed| took_too_long(&name, QUERY_TIME_MAX))?;
        let wakes_at = self.wakes_at(&asked);
        answer(&name, asked, "its code has returned").map_err(|error| match wakes_at {
            Some(at) => error.with("wakes_at", at),
            None => error,
        })
    }

    /// When a guest that sleeps, and can't be asked there, goes on by itself.
    fn wakes_at(&self, asked: &Asked) -> Option<Timestamp> {
        let Asked::Elsewhere(Waiting::Sleep(timer) | Waiting::Operation(timer)) = asked else {
            return None;
        };
        let mut timers = self.state.timers.values();
        timers.find(|it| it.operation_id == *timer).map(|it| it.due_at)
    }

    /// Brings the guest where it waits. It asks for nothing, unless the store has failed
    /// to take what it asked for.
    async fn wake_guest(&mut self) -> Result<()> {
        self.shared.capacity.residency.mark_busy(self.run.key.run_id);
        if self.guest.is_some() {
            return Ok(());
        }
        // History only then: thousands may wait.
        let room = self.room().await;
        let history = match self.history_with(&Transition::default()).await {
            Ok(history) => history,
            Err(_) => return Err(unreadable()),
        };
        // What it publishes at the end of its history is stored already.
        self.launch_in(room, history).await.map(drop).map_err(|blocked| {
            ServiceError::new(
                ErrorCode::QueryFailed,
                format!("the run's code can't be brought to where it waits: {}", blocked.message),
            )
            .with("type", blocked.code)
        })
    }

    async fn published_value(&mut self, name: &QueryName) -> Result<Option<Payload>> {
        match &self.published {
            Some(published) => Ok(published.get(name).cloned()),
            None => Ok(self.shared.store.query_result(self.run.key, name).await?),
        }
    }
}

/// What came of a query, for its sender. `ended` says why a guest that has returned
/// can't be asked.
pub(crate) fn answer(name: &QueryName, asked: Asked, ended: &str) -> Result<Payload> {
    match asked {
        Asked::Answered(Ok(value)) => Ok(value),
        Asked::Answered(Err(failure)) => {
            let error = failed(name, &failure.info.message);
            Err(error.with("type", failure.info.type_name))
        }
        Asked::Elsewhere(waiting) => {
            let why = format!("its code waits for {waiting} only, where it can't be asked");
            Err(not_served(name, &why))
        }
        Asked::Ended => Err(not_served(name, ended)),
        Asked::Broken(blocked) => Err(failed(name, &blocked.message).with("type", blocked.code)),
    }
}

/// The error for a query that was stopped.
pub(crate) fn took_too_long(name: &QueryName, max: Duration) -> ServiceError {
    failed(name, &format!("it took more than {} s", max.as_secs()))
}

/// The error for a query that nobody can answer now.
pub(crate) fn not_served(name: &QueryName, why: &str) -> ServiceError {
    ServiceError::new(
        ErrorCode::QueryNotServed,
        format!(
            "query `{name}` can't be answered: {why}, and it has not published a value of this \
             name. Published values are answered at every time"
        ),
    )
}

fn failed(name: &QueryName, why: &str) -> ServiceError {
    ServiceError::new(ErrorCode::QueryFailed, format!("query `{name}` was not answered: {why}"))
}

pub(super) fn unreadable() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "the history of the run can't be read now; send the request again",
    )
}
