//! What was refused is refused again without another look, for a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use dacapo_model::module::ModuleDigest;
use parking_lot::Mutex;

/// Refusals that are kept. Each has some 5 kB at most.
const REFUSALS_MAX: usize = 1_000;

/// How long. Only the settings of the server and its load could change the answer.
const KEPT: Duration = Duration::from_secs(600);

/// Refusals by what was refused.
#[derive(Default)]
pub(super) struct Refusals {
    kept: Mutex<HashMap<ModuleDigest, (Instant, ModuleRejected)>>,
}

impl Refusals {
    /// The answer, if there is one.
    pub(super) fn get(&self, digest: ModuleDigest, now: Instant) -> Option<ModuleRejected> {
        let mut kept = self.kept.lock();
        match kept.get(&digest) {
            Some((until, rejected)) if *until > now => Some(rejected.clone()),
            Some(_) => {
                kept.remove(&digest);
                None
            }
            None => None,
        }
    }

    /// Keeps an answer that is about the module itself.
    pub(super) fn keep(&self, digest: ModuleDigest, rejected: &ModuleRejected, now: Instant) {
        if !is_about_the_module(rejected.code) {
            return;
        }
        let mut kept = self.kept.lock();
        if kept.len() >= REFUSALS_MAX {
            kept.retain(|_, (until, _)| *until > now);
        }
        if kept.len() >= REFUSALS_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, (until, _))| *until).map(|it| *it.0)
        {
            kept.remove(&oldest);
        }
        kept.insert(digest, (now + KEPT, rejected.clone()));
    }
}

/// Another try could end otherwise only if it is not.
fn is_about_the_module(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ModuleInvalid
            | ErrorCode::ModuleWrongWorld
            | ErrorCode::ModuleImportUnknown
            | ErrorCode::ModuleTooComplex
            | ErrorCode::ModuleTooLarge
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trap::rejected;

    fn start() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "an instant can't be made otherwise")]
        Instant::now()
    }

    #[test]
    fn a_refusal_is_kept_for_a_while() {
        let (refusals, now) = (Refusals::default(), start());
        let digest = ModuleDigest::of(b"bomb");
        refusals.keep(digest, &rejected(ErrorCode::ModuleTooComplex, "no"), now);
        assert!(refusals.get(digest, now).is_some());
        assert!(refusals.get(ModuleDigest::of(b"other"), now).is_none());
        assert!(refusals.get(digest, now + KEPT).is_none());
    }

    #[test]
    fn a_fault_of_the_server_is_no_refusal() {
        let (refusals, now) = (Refusals::default(), start());
        let digest = ModuleDigest::of(b"good");
        refusals.keep(digest, &rejected(ErrorCode::Unavailable, "busy"), now);
        assert!(refusals.get(digest, now).is_none());
    }

    #[test]
    fn the_oldest_makes_room() {
        let (refusals, now) = (Refusals::default(), start());
        let digest = |number: usize| ModuleDigest::of(&number.to_le_bytes());
        for number in 0..=REFUSALS_MAX {
            let at = now + Duration::from_millis(u64::try_from(number).expect("small"));
            refusals.keep(digest(number), &rejected(ErrorCode::ModuleInvalid, "no"), at);
        }
        assert!(refusals.get(digest(0), now).is_none());
        assert!(refusals.get(digest(1), now).is_some());
        assert!(refusals.get(digest(REFUSALS_MAX), now).is_some());
    }
}
