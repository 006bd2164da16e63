//! What the scheduler of a language does that knows timers and streams only: it sleeps in
//! one poll for all of its threads, and is woken by stdin for what the runtime delivers.

use wasip2::cli::stdin::get_stdin;
use wasip2::clocks::monotonic_clock::{now, subscribe_instant};
use wasip2::io::poll::poll;

use crate::dacapo::workflow::operations::{self, Delivery};
use crate::dacapo::workflow::{queries, updates};
use crate::{failure, quoted};

const SECOND: u64 = 1_000_000_000;

/// Two threads sleep for 10 s and 20 s while a third one takes what is delivered, until
/// the run is asked to cancel. Returns what happened, with the second in which it did.
pub(crate) fn run() -> String {
    let begun = now();
    assert!(begun > 60 * SECOND, "programs subtract from what the clock shows");
    let mut seen = Vec::new();
    let mut sleepers = vec![begun + 20 * SECOND, begun + 10 * SECOND];
    let stdin = get_stdin();
    let deliveries = stdin.subscribe();
    assert!(!deliveries.ready());
    loop {
        let timer = sleepers.last().map(|at| subscribe_instant(*at));
        let waits: Vec<_> = [&deliveries].into_iter().chain(timer.as_ref()).collect();
        let ready = poll(&waits);
        let second = (now() - begun) / SECOND;
        if ready.contains(&0) {
            assert!(deliveries.ready());
            while let Some(delivery) = operations::try_next() {
                match delivery {
                    Delivery::Query(query) => {
                        let answer = quoted(&seen);
                        queries::respond_query(&query.id, Ok(answer.as_bytes()));
                    }
                    Delivery::Update(update) if update.name == "refused" => {
                        updates::reject_update(&update.id, &failure("no"));
                    }
                    Delivery::Update(update) => {
                        updates::accept_update(&update.id);
                        updates::complete_update(&update.id, Ok(&update.input));
                        seen.push(format!("update at {second}"));
                    }
                    Delivery::Signal(signal) => seen.push(format!("{} at {second}", signal.name)),
                    Delivery::Completed(_) => seen.push(format!("completed at {second}")),
                    Delivery::CancelRequested(_) => {
                        seen.push(format!("cancelled at {second}"));
                        return quoted(&seen);
                    }
                }
            }
        }
        if ready.contains(&1) {
            sleepers.pop();
            seen.push(format!("slept at {second}"));
        }
    }
}
