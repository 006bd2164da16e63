//! What can be set of a worker.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::WorkerError;

/// Bytes of a name.
const NAME_BYTES: RangeInclusive<usize> = 1..=255;

/// Every setting of a worker, decided.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) task_queue: String,
    pub(crate) identity: String,
    pub(crate) build_id: Option<String>,
    pub(crate) concurrency: usize,
    pub(crate) poll_wait: Duration,
    pub(crate) lease: Duration,
    pub(crate) heartbeat_throttle: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) cancel_grace: Duration,
}

impl Options {
    pub(crate) fn new(task_queue: String) -> Self {
        Self {
            task_queue,
            identity: default_identity(),
            build_id: None,
            concurrency: 100,
            poll_wait: Duration::from_secs(20),
            lease: Duration::from_secs(30),
            heartbeat_throttle: Duration::from_secs(2),
            shutdown_grace: Duration::from_secs(30),
            cancel_grace: Duration::from_secs(5),
        }
    }

    pub(crate) fn check(&self) -> Result<(), WorkerError> {
        let build_id = self.build_id.as_ref().map(|id| ("build_id", id));
        let names = [("task_queue", &self.task_queue), ("identity", &self.identity)];
        for (name, value) in names.into_iter().chain(build_id) {
            if !NAME_BYTES.contains(&value.len()) {
                return Err(invalid(format!("{name} has 1 to 255 bytes, not {}", value.len())));
            }
        }
        if self.concurrency == 0 {
            return Err(invalid("concurrency is 0, but nothing works without any".to_owned()));
        }
        within("poll_wait", self.poll_wait, 0..=60)?;
        within("lease", self.lease, 1..=3_600)
    }
}

fn within(name: &str, value: Duration, seconds: RangeInclusive<u64>) -> Result<(), WorkerError> {
    let (least, most) =
        (Duration::from_secs(*seconds.start()), Duration::from_secs(*seconds.end()));
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(invalid(format!("{name} is from {least:?} to {most:?}, not {value:?}")))
}

fn invalid(problem: String) -> WorkerError {
    WorkerError::Options(problem)
}

/// Names the process in lists of workers.
fn default_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let mut identity = format!("{}@{}", std::process::id(), host.trim());
    identity.truncate(identity.floor_char_boundary(*NAME_BYTES.end()));
    identity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_is_named() {
        let problem = |change: fn(&mut Options)| {
            let mut options = Options::new("q".to_owned());
            change(&mut options);
            options.check().map_err(|error| error.to_string())
        };
        assert_eq!(problem(|_| {}), Ok(()));
        let named = [
            (problem(|it| it.task_queue.clear()), "task_queue"),
            (problem(|it| it.identity = "x".repeat(256)), "identity"),
            (problem(|it| it.concurrency = 0), "concurrency"),
            (problem(|it| it.lease = Duration::ZERO), "lease"),
            (problem(|it| it.poll_wait = Duration::from_secs(61)), "poll_wait"),
        ];
        for (problem, name) in named {
            assert!(problem.expect_err("refused").contains(name), "{name}");
        }
    }
}
