//! What the runs of a chain have taken from callers. A run that follows others knows
//! it, so that a repeat is recognised whichever of them took the first.

use serde::{Deserialize, Serialize};

use crate::ids::{RequestId, RunId, UpdateId};
use crate::limits::{TAKEN_BYTES_MAX, TAKEN_MAX};

/// What the runs before this one have taken: the newest first, and no more than a
/// first event has room for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The requests that sent signals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<RequestId>,
    /// Updates that were accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<TakenUpdate>,
}

/// An update that a run before this one has accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenUpdate {
    /// Which one.
    pub update_id: UpdateId,
    /// The run that did, and has its outcome.
    pub run_id: RunId,
}

impl Taken {
    /// Of these, the newest first, as many as there is room for.
    pub fn newest(
        signals: impl IntoIterator<Item = RequestId>,
        updates: impl IntoIterator<Item = TakenUpdate>,
    ) -> Self {
        Self {
            signals: within_bounds(signals, |id| id.as_str().len()),
            updates: within_bounds(updates, |update| update.update_id.as_str().len()),
        }
    }

    /// True if there is nothing to know.
    pub fn is_empty(&self) -> bool {
        self.signals.is_empty() && self.updates.is_empty()
    }

    /// Whether a request has sent a signal.
    pub fn has_signal(&self, request_id: &RequestId) -> bool {
        self.signals.contains(request_id)
    }

    /// The run that has an update.
    pub fn run_of(&self, update_id: &UpdateId) -> Option<RunId> {
        self.updates.iter().find(|it| it.update_id == *update_id).map(|it| it.run_id)
    }
}

fn within_bounds<T>(all: impl IntoIterator<Item = T>, bytes: impl Fn(&T) -> usize) -> Vec<T> {
    let mut left = TAKEN_BYTES_MAX;
    let fits = |item: &T| {
        let fits = bytes(item) <= left;
        left = left.saturating_sub(bytes(item));
        fits
    };
    all.into_iter().take(TAKEN_MAX).take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ID_BYTES_MAX;

    fn requests(count: usize, bytes: usize) -> impl Iterator<Item = RequestId> {
        (0..count)
            .map(move |number| RequestId::new(format!("{number:0>bytes$}")).expect("a valid id"))
    }

    #[test]
    fn the_newest_are_kept_as_many_as_there_is_room_for() {
        let kept = |count, bytes| Taken::newest(requests(count, bytes), []).signals;
        assert_eq!(kept(3, 36).len(), 3);
        let many = kept(TAKEN_MAX + 1, 36);
        assert_eq!(many.len(), TAKEN_MAX);
        assert_eq!(many.first(), requests(1, 36).next().as_ref());
        assert_eq!(kept(TAKEN_MAX, ID_BYTES_MAX).len(), TAKEN_BYTES_MAX / ID_BYTES_MAX);
    }
}
