//! Steps that are undone if a later one fails.

use std::fmt;
use std::pin::Pin;

use serde::Serialize;

use crate::cancellation::shielded;
use crate::failure::Failure;

type Compensation<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// Runs `work`. If it fails, or the run is cancelled in it, what it has added to
/// its [`Saga`] undoes what it did: one compensation after the other, the last
/// added first, shielded from the cancellation. One that fails does not keep the
/// others from running; see [`SagaFailure`].
///
/// ```no_run
/// # use dacapo::{Failure, saga};
/// # #[dacapo::activity] fn book_flight(to: String) -> Result<String, Failure> { Ok(to) }
/// # #[dacapo::activity] fn cancel_flight(booking: String) -> Result<(), Failure> { Ok(()) }
/// # #[dacapo::activity] fn book_hotel(to: String) -> Result<String, Failure> { Ok(to) }
/// #[dacapo::workflow]
/// async fn trip(to: String) -> Result<(String, String), Failure> {
///     let booked = saga(async |saga| {
///         let flight = book_flight(to.clone()).await?;
///         saga.compensate_with(cancel_flight(flight.clone()));
///         let hotel = book_hotel(to.clone()).await?; // if it fails, the flight is cancelled
///         Ok::<_, Failure>((flight, hotel))
///     });
///     Ok(booked.await?)
/// }
/// ```
pub async fn saga<'a, T, E: Into<Failure>>(
    work: impl AsyncFnOnce(&mut Saga<'a>) -> Result<T, E>,
) -> Result<T, SagaFailure> {
    let mut saga = Saga { compensations: Vec::new() };
    match work(&mut saga).await {
        Ok(value) => Ok(value),
        Err(error) => {
            let failure = error.into();
            let not_undone = shielded(saga.compensate()).await;
            Err(SagaFailure { failure, not_undone })
        }
    }
}

/// What undoes the steps of a [`saga`] that were done.
pub struct Saga<'a> {
    compensations: Vec<Compensation<'a>>,
}

impl<'a> Saga<'a> {
    /// Adds what undoes a step: an activity that is not awaited yet, or any other
    /// future. Added *before* the step, it also runs if the step fails, which is
    /// right for a step that may have had its effect and not said so.
    pub fn compensate_with<T, E: Into<Failure>>(
        &mut self,
        compensation: impl IntoFuture<Output = Result<T, E>, IntoFuture: 'a>,
    ) {
        let future = compensation.into_future();
        let compensation = async move { future.await.map(|_| ()).map_err(Into::into) };
        self.compensations.push(Box::pin(compensation));
    }

    async fn compensate(self) -> Vec<Failure> {
        let mut failures = Vec::new();
        for compensation in self.compensations.into_iter().rev() {
            failures.extend(compensation.await.err());
        }
        failures
    }
}

impl fmt::Debug for Saga<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saga").field("compensations", &self.compensations.len()).finish()
    }
}

/// Why a [`saga`] failed, and which of its compensations failed as well.
///
/// `?` makes a [`Failure`] of it: the one of the step, if all was undone, or else
/// a non-retryable one of type `CompensationFailed` that the step's failure has
/// caused. Its details list what failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SagaFailure {
    /// The failure of the step.
    pub failure: Failure,
    /// The failures of compensations, in the order in which they ran.
    pub not_undone: Vec<Failure>,
}

#[derive(Serialize)]
struct NotUndone<'a> {
    r#type: &'a str,
    message: String,
}

impl From<SagaFailure> for Failure {
    fn from(saga: SagaFailure) -> Self {
        let Some(first) = saga.not_undone.first() else { return saga.failure };
        let count = saga.not_undone.len();
        let message = format!("{count} compensations failed, the first with: {first}");
        let details: Vec<_> = saga
            .not_undone
            .iter()
            .map(|failure| NotUndone {
                r#type: &failure.info.type_name,
                message: failure.to_string(),
            })
            .collect();
        let failure = Self::application("CompensationFailed", message).non_retryable();
        match failure.with_details(&details) {
            Ok(failure) => failure.caused_by(saga.failure),
            Err(failure) => failure.caused_by(saga.failure),
        }
    }
}

impl fmt::Display for SagaFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)?;
        self.not_undone.iter().try_for_each(|failure| write!(f, "; not undone: {failure}"))
    }
}
