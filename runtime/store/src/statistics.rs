//! How much a store was asked to do: what tests and benchmarks count instead of
//! guessing.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Statements sent to the database.
    pub statements: u64,
    /// Calls of [`commit`](crate::commit::CommitStore::commit) that succeeded.
    pub commits: u64,
}

impl Statistics {
    /// What was done since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            statements: self.statements.saturating_sub(earlier.statements),
            commits: self.commits.saturating_sub(earlier.commits),
        }
    }
}

/// Reading the totals.
pub trait StatisticsStore: Send + Sync {
    /// The totals as they are now.
    fn statistics(&self) -> Statistics;
}

/// For backends: the totals, counted.
#[derive(Debug, Default)]
pub struct Counters {
    statements: AtomicU64,
    commits: AtomicU64,
}

impl Counters {
    /// Counts statements that are about to be sent.
    pub fn add_statements(&self, count: u64) {
        self.statements.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a commit that succeeded.
    pub fn add_commit(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// The totals as they are now.
    pub fn read(&self) -> Statistics {
        Statistics {
            statements: self.statements.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
        }
    }
}
