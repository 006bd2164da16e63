//! Every limit that is not configurable, with its unit in the name, and the
//! defaults of those that are ([`Limits`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::HistorySize;

/// Bytes of an id. Long enough for a path or two UUIDs; short enough for an index.
pub const ID_BYTES_MAX: usize = 255;

/// Causes kept of a failure. A retry loop that wraps its last failure must not
/// grow it without end.
pub const FAILURE_CAUSES_MAX: usize = 16;

/// Bytes of one failure message or type; longer ones are cut.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the message of a report on a blocked run, and of the reason why a
/// module is refused; longer ones are cut. Lists hold a report for each run.
pub const REPORT_MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Bytes of a report's backtrace; a longer one is cut. A guest chooses the names of
/// its functions.
pub const REPORT_BACKTRACE_BYTES_MAX: usize = 8 * 1024;

/// Type names of one kind that a module may define.
pub const MODULE_TYPES_MAX: usize = 1_000;

/// Changes of its code that one run may have versions of, and values of the kind
/// that is recorded when it changes.
pub const CHANGES_MAX: usize = 1_000;

/// Runs on one page of a list.
pub const PAGE_SIZE_MAX: u32 = 1_000;

/// Longest timer. Longer ones are cut, so that sums of times stay in range.
pub const TIMER_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// How many generations of children a run may have. Without a bound, code that
/// starts itself as a child would never end.
pub const CHILD_GENERATIONS_MAX: u32 = 100;

/// Values that one run may have published at a time.
pub const PUBLISHED_VALUES_MAX: usize = 100;

/// Longest time that a run may take to answer one query.
pub const QUERY_TIME_MAX: Duration = Duration::from_secs(10);

/// Bytes of what one heartbeat of an activity says. It is kept in a row that is
/// read with those of many others.
pub const HEARTBEAT_DETAILS_BYTES_MAX: usize = 64 * 1024;

/// Limit for one attempt of an activity that asks for none.
pub const START_TO_CLOSE_DEFAULT: Duration = Duration::from_secs(60);

/// How long an activity that was asked to cancel may take to end, unless the
/// workflow says otherwise.
pub const CANCELLATION_GRACE_DEFAULT: Duration = Duration::from_secs(10);

/// Longest of these times.
pub const CANCELLATION_GRACE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Failure types that one retry policy may list. They are recorded with what it is
/// for.
pub const NON_RETRYABLE_TYPES_MAX: usize = 100;

/// Retries of one activity or run that may follow each other as fast as their policy
/// says. Each costs a commit.
pub const RETRIES_AT_WILL: u32 = 10;

/// Shortest wait before each retry after those, whatever the policy or the failure
/// says.
pub const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);

/// Bytes kept of the failure of one attempt of an activity while others follow. A run
/// with many activities holds as many failures in memory.
pub const RETRIED_FAILURE_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a fairness key. It is in every row of a backlog, and in an index.
pub const FAIRNESS_KEY_BYTES_MAX: usize = 64;

/// Task queues of one namespace that may have settings. A server has all of them in memory.
pub const QUEUES_WITH_SETTINGS_MAX: usize = 1_000;

/// Tasks of a queue or of a key that a limit may allow at a time.
pub const QUEUE_CONCURRENCY_MAX: u64 = 1_000_000;

/// Slowest rate of a queue or of a key, in tasks per second: about one in three hours.
pub const RATE_MIN: f64 = 0.0001;

/// Fastest rate, in tasks per second.
pub const RATE_MAX: f64 = 100_000.0;

/// Tasks that a rate may let through at once.
pub const RATE_BURST_MAX: u64 = 1_000_000;

/// Tasks that one poll may ask for.
pub const POLLED_TASKS_MAX: usize = 1_000;

/// Shortest and longest lease of a task.
pub const LEASE_MIN: Duration = Duration::from_secs(1);
/// The longest.
pub const LEASE_MAX: Duration = Duration::from_secs(3600);

/// Bytes of a run's memo. It is in each of its rows, and in lists.
pub const MEMO_BYTES_MAX: usize = 32 * 1024;

/// Levels of arrays and objects in one value of a memo.
pub const MEMO_DEPTH_MAX: usize = 32;

/// Namespaces of a database. A server has all of them in memory.
pub const NAMESPACES_MAX: usize = 10_000;

/// Hosts that one namespace may name.
pub const NAMESPACE_HOSTS_MAX: usize = 100;

/// Secrets that one namespace may name.
pub const NAMESPACE_SECRETS_MAX: usize = 100;

/// Bytes of one host of a list.
pub const HOST_BYTES_MAX: usize = 255;

/// Bytes of the name of a secret.
pub const SECRET_NAME_BYTES_MAX: usize = 100;

/// Shortest time for which closed runs are kept. Who waits for a result needs some.
pub const RETENTION_MIN: Duration = Duration::from_secs(1);

/// The longest: about a hundred years.
pub const RETENTION_MAX: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Bytes of the name of a registered search attribute.
pub const SEARCH_ATTRIBUTE_NAME_BYTES_MAX: usize = 64;

/// Search attributes that a namespace registers.
pub const NAMESPACE_SEARCH_ATTRIBUTES_MAX: usize = 100;

/// Search attributes of a run.
pub const SEARCH_ATTRIBUTES_MAX: usize = 100;

/// Bytes of one search attribute.
pub const SEARCH_ATTRIBUTE_BYTES_MAX: usize = 2 * 1024;

/// Bytes of all search attributes of a run, with their names.
pub const SEARCH_ATTRIBUTES_BYTES_MAX: usize = 40 * 1024;

/// Bytes of a tag. It is in an index.
pub const TAG_BYTES_MAX: usize = 64;

/// Tags of a run.
pub const TAGS_MAX: usize = 32;

/// Requests of signals, and updates, of the runs before it that a run knows: as many of
/// each at most.
pub const TAKEN_MAX: usize = 500;

/// Bytes of the ids of each.
pub const TAKEN_BYTES_MAX: usize = 32 * 1024;

/// Events of a history from which continuing as new is suggested.
pub const CONTINUE_AS_NEW_EVENTS: u64 = 4_096;

/// Bytes of a history from which continuing as new is suggested.
pub const CONTINUE_AS_NEW_BYTES: u64 = 4 * 1024 * 1024;

/// Longest time one request may wait for a result, in seconds. Proxies cut
/// longer ones.
pub const WAIT_SECONDS_MAX: u64 = 300;

/// Limits an operator may set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one payload: an input, a result, the details of a failure.
    pub payload_bytes_max: usize,
    /// Bytes of an uploaded module.
    pub module_bytes_max: usize,
    /// Seconds of CPU time, of all threads together, that compiling one module may
    /// take. A module that is stored already may take ten times as long.
    pub compile_cpu_seconds_max: u64,
    /// Bytes of memory that compiling one module may take.
    pub compile_memory_bytes_max: u64,
    /// Activities and timers of one run that may be open at a time.
    pub pending_operations_max: usize,
    /// Events of one history; a run that would pass it is blocked, not killed.
    pub history_events_max: u64,
    /// Bytes of one history, about; a run that would pass it is blocked, not
    /// killed.
    pub history_bytes_max: u64,
    /// Events of a history from which a workflow is told to continue as new.
    pub continue_as_new_events: u64,
    /// Bytes of a history from which a workflow is told to continue as new.
    pub continue_as_new_bytes: u64,
    /// Signals of one run; more are refused.
    pub signals_max: u64,
    /// Updates of one run, rejected ones left out; more are refused.
    pub updates_max: u64,
    /// Updates of one run that have no outcome yet; more are refused.
    pub updates_in_flight_max: usize,
    /// Bytes of all inputs that one activation may ask for, and of all values that
    /// a run has published.
    pub transition_bytes_max: usize,
    /// Bytes of linear memory of one instance.
    pub instance_memory_bytes_max: usize,
    /// Elements of all tables of one instance.
    pub instance_table_elements_max: usize,
    /// Linear memories of one instance. Address space is kept for so many.
    pub instance_memories_max: usize,
    /// Tables of one instance. Address space is kept for so many.
    pub instance_tables_max: usize,
    /// Core modules, counted once for each time that one is instantiated, of one
    /// instance.
    pub instance_modules_max: usize,
    /// Fuel of one activation of a workflow, about one per Wasm instruction.
    pub activation_fuel: u64,
    /// Fuel for answering one query, or for deciding about one update.
    pub query_fuel: u64,
    /// How many times the two of a module have that brings an interpreter, or another
    /// large runtime, with it: one whose machine code has more than 4 MiB. Each step of
    /// an interpreted program takes a hundred or more of the processor's.
    pub large_module_fuel_factor: u64,
    /// Fuel of one attempt of an activity.
    pub activity_fuel: u64,
    /// Log lines kept of one activation or attempt, in bytes.
    pub log_bytes_max: usize,
}

/// Machine code from which on a module is taken for one that brings an interpreter. A
/// program in Rust or C has some 100 KiB; QuickJS has 4.5 MiB, CPython 34.
const LARGE_MODULE_CODE_BYTES: usize = 4 * 1024 * 1024;

impl Limits {
    /// The limits of a module with so much machine code.
    #[must_use]
    pub fn of_module(&self, code_bytes: usize) -> Self {
        let factor = match code_bytes > LARGE_MODULE_CODE_BYTES {
            true => self.large_module_fuel_factor,
            false => 1,
        };
        Self {
            activation_fuel: self.activation_fuel.saturating_mul(factor),
            query_fuel: self.query_fuel.saturating_mul(factor),
            ..self.clone()
        }
    }

    /// When continuing as new is suggested, where that is not the default.
    pub fn continue_as_new_after(&self) -> Option<HistorySize> {
        let size =
            HistorySize { events: self.continue_as_new_events, bytes: self.continue_as_new_bytes };
        (size != HistorySize::SUGGESTED).then_some(size)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 2 * 1024 * 1024,
            module_bytes_max: 64 * 1024 * 1024,
            compile_cpu_seconds_max: 60,
            compile_memory_bytes_max: 2 * 1024 * 1024 * 1024,
            pending_operations_max: 10_000,
            history_events_max: 50_000,
            history_bytes_max: 50 * 1024 * 1024,
            continue_as_new_events: CONTINUE_AS_NEW_EVENTS,
            continue_as_new_bytes: CONTINUE_AS_NEW_BYTES,
            signals_max: 10_000,
            updates_max: 2_000,
            updates_in_flight_max: 10,
            transition_bytes_max: 32 * 1024 * 1024,
            instance_memory_bytes_max: 256 * 1024 * 1024,
            instance_table_elements_max: 100_000,
            // One program has one; one that was composed of two has two.
            instance_memories_max: 2,
            // One program has two.
            instance_tables_max: 8,
            // Programs linked by their own toolchain have up to 4; CPython, which is
            // linked from shared libraries, has 14.
            instance_modules_max: 32,
            // A few seconds of pure computing.
            activation_fuel: 10_000_000_000,
            query_fuel: 1_000_000_000,
            large_module_fuel_factor: 10,
            activity_fuel: 1_000_000_000_000,
            log_bytes_max: 256 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_brings_an_interpreter_has_more_fuel() {
        let limits = Limits::default();
        assert_eq!(limits.of_module(LARGE_MODULE_CODE_BYTES), limits);
        let large = limits.of_module(LARGE_MODULE_CODE_BYTES + 1);
        assert_eq!(large.activation_fuel, 10 * limits.activation_fuel);
        assert_eq!(large.query_fuel, 10 * limits.query_fuel);
        assert_eq!(large.activity_fuel, limits.activity_fuel);
    }
}
