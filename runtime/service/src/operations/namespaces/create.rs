//! Makes a namespace.

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::limits::NAMESPACES_MAX;
use dacapo_model::namespace::{Namespace, NamespaceSettings};
use dacapo_store::namespace::Creation;

use super::change::check;
use crate::Runtime;
use crate::error::{Result, ServiceError};
use crate::tenancy::being_deleted;

impl Runtime {
    /// Makes a namespace; true if it is new. A repeat finds that it is there. Refused if it is
    /// there with other settings.
    pub async fn create_namespace(
        &self,
        name: NamespaceName,
        settings: NamespaceSettings,
    ) -> Result<(Namespace, bool)> {
        let shared = &self.shared;
        shared.admit_write()?;
        check(&settings)?;
        let created_at = shared.clock.now();
        let namespace = Namespace { name, settings, created_at, deleted_at: None };
        let owned = shared.hold.owned.current();
        let written = shared.store.create_namespace(&owned, &namespace, NAMESPACES_MAX).await;
        let creation = shared.hold.loss.judge(written).await?;
        // Another node may have removed one of this name, whose keys must not open this one.
        shared.api_keys.catch_up_if_known().await?;
        // Whoever was told that it is there can use it.
        shared.namespaces.catch_up().await?;
        match creation {
            Creation::New => Ok((namespace, true)),
            Creation::There(there) if there.deleted_at.is_some() => Err(being_deleted(&there.name)),
            Creation::There(there) if there.settings == namespace.settings => Ok((*there, false)),
            Creation::There(there) => Err(exists(&there.name)),
            Creation::Full => Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                format!(
                    "there are {NAMESPACES_MAX} namespaces, and more are not possible; delete one \
                     that is not needed"
                ),
            )),
        }
    }
}

fn exists(name: &NamespaceName) -> ServiceError {
    ServiceError::new(
        ErrorCode::NamespaceAlreadyExists,
        format!(
            "there is a namespace `{name}` with other settings, which stay as they are. Choose \
             another name, or change it with `dacapo namespace update {name}`"
        ),
    )
    .with("namespace", name)
}
