//! Changes what is set of a namespace.

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::{Namespace, NamespaceChange, NamespaceSettings};

use crate::Runtime;
use crate::error::{Result, ServiceError};
use crate::tenancy::{being_deleted, unknown};

impl Runtime {
    /// Changes what is set of a namespace, for all that is asked for from then on. What the
    /// change does not name stays as it is.
    pub async fn change_namespace(
        &self,
        name: &NamespaceName,
        change: &NamespaceChange,
    ) -> Result<Namespace> {
        let shared = &self.shared;
        shared.admit_write()?;
        check(&change.of(NamespaceSettings::default()))?;
        let owned = shared.hold.owned.current();
        let written = shared.store.change_namespace(&owned, name, change).await;
        let changed = shared.hold.loss.judge(written).await?;
        shared.namespaces.catch_up().await?;
        let changed = changed.ok_or_else(|| unknown(name))?;
        if changed.deleted_at.is_some() { Err(being_deleted(name)) } else { Ok(changed) }
    }
}

/// Refuses settings that can't be meant.
pub(super) fn check(settings: &NamespaceSettings) -> Result<()> {
    let checked = settings.check();
    checked.map_err(|error| ServiceError::new(ErrorCode::InvalidArgument, error.to_string()))
}
