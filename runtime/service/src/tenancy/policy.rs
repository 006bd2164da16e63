//! What a namespace may do.

use std::num::NonZeroU64;
use std::sync::Arc;

use dacapo_engine::guest::ActivityPermissions;
use dacapo_model::limits::Limits;
use dacapo_model::namespace::{Namespace, NamespaceSettings};
use dacapo_model::time::Timestamp;

/// What the runs and clients of one namespace may do. Whatever is to differ from
/// namespace to namespace is here.
#[derive(Debug, Clone, PartialEq)]
pub struct NamespacePolicy {
    /// Limits on what guests and clients may ask for: the server's, or what the namespace
    /// sets below them.
    pub limits: Limits,
    /// What is set of it.
    pub settings: NamespaceSettings,
    /// What its activities may use of what the host has.
    pub permissions: Arc<ActivityPermissions>,
    /// When it was made: another one may get its name.
    pub created_at: Timestamp,
    /// Nothing can be asked for in it any more.
    pub is_being_deleted: bool,
}

impl NamespacePolicy {
    /// Of a namespace of which nothing is set.
    pub(super) fn usual(limits: Limits) -> Self {
        Self {
            limits,
            settings: NamespaceSettings::default(),
            permissions: Arc::default(),
            created_at: Timestamp::default(),
            is_being_deleted: false,
        }
    }

    /// Of a namespace on a server with these limits.
    pub(super) fn of(namespace: &Namespace, server: &Limits) -> Self {
        let set = namespace.settings.limits;
        let limits = Limits {
            payload_bytes_max: lower_size(server.payload_bytes_max, set.payload_bytes_max),
            module_bytes_max: lower_size(server.module_bytes_max, set.module_bytes_max),
            history_events_max: lower(server.history_events_max, set.history_events_max),
            history_bytes_max: lower(server.history_bytes_max, set.history_bytes_max),
            ..server.clone()
        };
        let settings = namespace.settings.clone();
        let permissions = Arc::new(ActivityPermissions {
            allowed_hosts: settings.allowed_hosts.clone(),
            secrets: settings.secrets.clone(),
        });
        Self {
            limits,
            settings,
            permissions,
            created_at: namespace.created_at,
            is_being_deleted: namespace.deleted_at.is_some(),
        }
    }
}

/// A namespace may have less than the server allows, and not more.
fn lower(server: u64, set: Option<NonZeroU64>) -> u64 {
    set.map_or(server, |set| server.min(set.get()))
}

fn lower_size(server: usize, set: Option<NonZeroU64>) -> usize {
    set.map_or(server, |set| usize::try_from(set.get()).map_or(server, |set| server.min(set)))
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::NamespaceName;
    use dacapo_model::namespace::NamespaceLimits;

    use super::*;

    #[test]
    fn a_namespace_has_no_more_than_the_server_allows() {
        let server = Limits { payload_bytes_max: 100, ..Limits::default() };
        let payload_of = |bytes| {
            let payload_bytes_max = NonZeroU64::new(bytes);
            let limits = NamespaceLimits { payload_bytes_max, ..NamespaceLimits::default() };
            let namespace = Namespace {
                name: NamespaceName::new("shop").expect("valid"),
                settings: NamespaceSettings { limits, ..NamespaceSettings::default() },
                created_at: Timestamp::default(),
                deleted_at: None,
            };
            NamespacePolicy::of(&namespace, &server).limits.payload_bytes_max
        };
        assert_eq!([payload_of(0), payload_of(7), payload_of(101)], [100, 7, 100]);
    }
}
