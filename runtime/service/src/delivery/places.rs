//! How many open runs a namespace has, and whether it may have another.

use std::num::NonZeroU64;

use crate::tenancy::Place;

/// How far a run has come that is not known to be stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Starting {
    /// Its workflow id is claimed.
    Waiting,
    /// It may be stored.
    InHand,
}

/// The runs of a namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) all: usize,
    /// Of all: those that wait for a place.
    pub(super) waiting: usize,
    /// Of all: those that have a place, and may come to nothing.
    pub(super) in_hand: usize,
}

impl Counts {
    pub(super) fn add(&mut self, starting: Starting) {
        *self.of(starting) += 1;
    }

    pub(super) fn subtract(&mut self, starting: Starting) {
        *self.of(starting) -= 1;
    }

    fn of(&mut self, starting: Starting) -> &mut usize {
        match starting {
            Starting::Waiting => &mut self.waiting,
            Starting::InHand => &mut self.in_hand,
        }
    }

    /// What has become of a wish for one of `max` places.
    pub(super) fn place(self, max: NonZeroU64) -> Place {
        let max = usize::try_from(max.get()).unwrap_or(usize::MAX);
        let placed = self.all - self.waiting;
        if placed < max {
            Place::Taken
        } else if placed - self.in_hand < max {
            Place::Undecided
        } else {
            Place::Full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_place_is_undecided_while_the_start_that_has_it_may_come_to_nothing() {
        let place = |all, waiting, in_hand| {
            let max = NonZeroU64::new(3).expect("not zero");
            Counts { all, waiting, in_hand }.place(max)
        };
        assert_eq!(place(2, 0, 2), Place::Taken);
        assert_eq!(place(5, 3, 0), Place::Taken, "those that wait have none");
        assert_eq!(place(5, 2, 1), Place::Undecided);
        assert_eq!(place(5, 2, 0), Place::Full);
        assert_eq!(place(9, 1, 5), Place::Full, "the limit was higher before");
        assert_eq!(place(9, 1, 6), Place::Undecided);
    }
}
