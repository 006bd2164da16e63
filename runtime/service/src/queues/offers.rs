//! Which activity types the polls of a queue have asked for lately. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::TypeName;
use dacapo_model::time::Timestamp;

/// For so long after its last poll an offer counts.
const COUNTED: Duration = Duration::from_secs(300);

/// Sets of types that are remembered. With more of them it is not known what is offered.
const SETS_MAX: usize = 256;

/// What workers take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// Any type; or it is not known.
    All,
    /// These types only.
    Types(BTreeSet<TypeName>),
}

#[derive(Default)]
pub(super) struct Offers {
    sets: HashMap<Arc<[TypeName]>, Timestamp>,
    /// There were more than can be remembered.
    overflowed_at: Option<Timestamp>,
}

impl Offers {
    /// A poll asks for these types, sorted; none means all.
    pub(super) fn note(&mut self, types: &Arc<[TypeName]>, now: Timestamp) {
        if let Some(last) = self.sets.get_mut(types) {
            *last = now;
            return;
        }
        if self.sets.len() >= SETS_MAX {
            self.forget_before(now.before(COUNTED));
        }
        match self.sets.len() < SETS_MAX {
            true => drop(self.sets.insert(types.clone(), now)),
            false => self.overflowed_at = Some(now),
        }
    }

    /// What was asked for lately.
    pub(super) fn lately(&mut self, now: Timestamp) -> Offered {
        let since = now.before(COUNTED);
        self.forget_before(since);
        let is_unknown = self.overflowed_at.is_some_and(|at| at >= since);
        if is_unknown || self.sets.keys().any(|types| types.is_empty()) {
            return Offered::All;
        }
        Offered::Types(self.sets.keys().flat_map(|types| types.iter().cloned()).collect())
    }

    fn forget_before(&mut self, time: Timestamp) {
        self.sets.retain(|_, last| *last >= time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(names: &[&str]) -> Arc<[TypeName]> {
        names.iter().map(|name| TypeName::new(*name).expect("a name")).collect()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn offered(names: &[&str]) -> Offered {
        Offered::Types(types(names).iter().cloned().collect())
    }

    #[test]
    fn what_polls_ask_for_counts_for_a_while() {
        let mut offers = Offers::default();
        assert_eq!(offers.lately(at(0)), offered(&[]));
        offers.note(&types(&["a", "b"]), at(0));
        offers.note(&types(&["b", "c"]), at(100));
        assert_eq!(offers.lately(at(200)), offered(&["a", "b", "c"]));
        assert_eq!(offers.lately(at(350)), offered(&["b", "c"]));
        offers.note(&types(&[]), at(360));
        assert_eq!(offers.lately(at(370)), Offered::All);
        assert_eq!(offers.lately(at(1_000)), offered(&[]));
    }

    #[test]
    fn sets_without_end_take_no_memory_without_end() {
        let mut offers = Offers::default();
        for number in 0..2 * SETS_MAX {
            offers.note(&types(&[&number.to_string()]), at(0));
        }
        assert_eq!(offers.sets.len(), SETS_MAX);
        assert_eq!(offers.lately(at(1)), Offered::All, "nobody knows what else");
        assert_eq!(offers.lately(at(400)), offered(&[]));
    }
}
