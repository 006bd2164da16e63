//! A closed loop: so many clients, each of which waits for an answer before it
//! asks again.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;

use crate::client::Connection;
use crate::clock;
use crate::stats::Sample;

/// When a loop ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// After so many rounds.
    Rounds(u64),
    /// No round begins after this time.
    Time(Duration),
}

impl Limit {
    /// So many rounds if they are given, or else so many seconds.
    pub(crate) fn of(rounds: Option<u64>, seconds: f64) -> Self {
        rounds.map_or(Self::Time(Duration::from_secs_f64(seconds)), Self::Rounds)
    }
}

/// What a loop saw.
pub(crate) struct Outcome {
    pub(crate) rounds: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Sample,
}

/// As many connections as there are clients.
pub(crate) async fn connections(server: SocketAddr, clients: usize) -> Result<Vec<Connection>> {
    try_join_all((0..clients).map(|_| Connection::open(server))).await
}

/// Each client runs `round` over and over. It gets the number of the round, from
/// 0, counted over all clients.
pub(crate) async fn closed_loop<C>(
    clients: Vec<C>,
    limit: Limit,
    round: impl AsyncFn(&mut C, u64) -> Result<()>,
) -> Result<Outcome> {
    let next = Cell::new(0);
    let latencies = RefCell::new(Vec::new());
    let started = clock::now();
    let more = || match limit {
        Limit::Rounds(rounds) => next.get() < rounds,
        Limit::Time(time) => started.elapsed() < time,
    };
    try_join_all(clients.into_iter().map(async |mut client| {
        while more() {
            let number = next.replace(next.get() + 1);
            let asked = clock::now();
            round(&mut client, number).await?;
            latencies.borrow_mut().push(asked.elapsed());
        }
        anyhow::Ok(())
    }))
    .await?;
    let elapsed = started.elapsed();
    Ok(Outcome { rounds: next.get(), elapsed, latencies: Sample::new(latencies.into_inner()) })
}
