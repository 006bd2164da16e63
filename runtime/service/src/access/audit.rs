//! The log of what was changed, and by whom.

use std::time::Duration;

use dacapo_model::access::AuditEntry;
use dacapo_model::ids::NamespaceName;
use dacapo_model::time::Timestamp;
use dacapo_store::Store;
use parking_lot::Mutex;

use crate::tenancy::Principal;

/// How long entries are kept.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// How often it is looked for entries whose time is over.
const TRIMMED_EVERY: Duration = Duration::from_secs(60 * 60);

/// Entries that one statement removes.
const PORTION: u32 = 1000;

/// Portions at a time. With as many entries an hour the log does not grow.
const PORTIONS_MAX: u32 = 1000;

/// Bytes of what an entry says something was asked of. Paths can be as long as the client
/// likes.
const TARGET_BYTES_MAX: usize = 512;

/// Who asks for something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub principal: Principal,
    /// The address of the client, if it came over the network.
    pub address: Option<String>,
    /// The id of the HTTP request, if it was one.
    pub request_id: Option<String>,
}

impl Caller {
    /// Somebody at the database itself.
    pub fn at_the_database() -> Self {
        Self { principal: Principal::Local, address: None, request_id: None }
    }

    /// What the log says of something that it asks for.
    pub fn entry(
        &self,
        at: Timestamp,
        action: &str,
        namespace: Option<&NamespaceName>,
        target: &str,
    ) -> AuditEntry {
        AuditEntry {
            at,
            principal: self.principal.to_string(),
            action: action.to_owned(),
            namespace: namespace.map(|it| it.as_str().to_owned()),
            target: cut(target, TARGET_BYTES_MAX).to_owned(),
            address: self.address.clone(),
            request_id: self.request_id.clone(),
        }
    }
}

/// As much of the beginning as that leaves whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Says when the log is to be cut.
#[derive(Default)]
pub(crate) struct AuditTrail {
    trimmed_at: Mutex<Option<Timestamp>>,
}

impl AuditTrail {
    /// Whether it is time to look for old entries: then whoever asked does it.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let mut trimmed_at = self.trimmed_at.lock();
        let is_due = trimmed_at.is_none_or(|at| now.since(at) >= TRIMMED_EVERY);
        if is_due {
            *trimmed_at = Some(now);
        }
        is_due
    }
}

/// Removes the entries whose time is over.
pub(crate) async fn trim(store: &dyn Store, now: Timestamp) -> dacapo_store::error::Result<()> {
    for _ in 0..PORTIONS_MAX {
        if store.trim_audit(now.before(KEPT), PORTION).await? < u64::from(PORTION) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_is_about_is_cut_and_stays_text() {
        let of = |target: &str| {
            Caller::at_the_database().entry(Timestamp::default(), "a", None, target).target
        };
        let fits = "ü".repeat(256);
        assert_eq!(of(&fits), fits);
        assert_eq!(of(&format!("x{fits}")), format!("x{}", "ü".repeat(255)));
    }
}
