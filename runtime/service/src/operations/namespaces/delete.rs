//! Deletes a namespace.

use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::{DEFAULT_NAMESPACE, Namespace};

use crate::Runtime;
use crate::error::{Result, ServiceError};
use crate::tenancy::unknown;

impl Runtime {
    /// Begins to delete a namespace with all that is in it: open runs are terminated, and
    /// nothing is kept. From the answer on nothing can be asked for in it; the rest is done by
    /// and by, by whichever node has the runs (`cleanup`). `confirm` has to be its name. A
    /// repeat finds that it is being deleted.
    pub async fn delete_namespace(&self, name: &NamespaceName, confirm: &str) -> Result<Namespace> {
        let shared = &self.shared;
        shared.admit_write()?;
        if name.as_str() == DEFAULT_NAMESPACE {
            return Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                format!(
                    "the namespace `{DEFAULT_NAMESPACE}` can't be deleted: every server has it"
                ),
            ));
        }
        if confirm != name.as_str() {
            return Err(ServiceError::new(
                ErrorCode::InvalidArgument,
                format!(
                    "all runs and modules of namespace `{name}` would be deleted for good; repeat \
                     its name in `confirm` if that is meant. Nothing was deleted"
                ),
            ));
        }
        let owned = shared.hold.owned.current();
        let now = shared.clock.now();
        let written = shared.store.mark_namespace_deleted(&owned, name, now).await;
        let marked = shared.hold.loss.judge(written).await?;
        shared.namespaces.catch_up().await?;
        marked.ok_or_else(|| unknown(name))
    }
}
