//! Whether one more run may start.

use crate::delivery::Claimed;
use crate::error::Result;
use crate::tenancy::Tenant;

impl Tenant {
    /// What the node and the namespace say of one more run, whose workflow id is claimed
    /// already: so whoever deletes the namespace sees it. It has its places as long as the
    /// claim is there, and then as long as the run is open.
    pub(super) async fn admit_start(&self, claimed: &Claimed<'_>, is_child: bool) -> Result<()> {
        let shared = &self.shared;
        shared.hold.health.admit_start()?;
        shared.capacity.admit_open_run(shared.directory.len(), is_child)?;
        let (admission, changed) = (&shared.capacity.admission, shared.namespaces.watch());
        let (take, decided) = (|max| claimed.take_place(max), || claimed.decided());
        let policy = || self.policy_now();
        admission.take_place(take, decided, &self.namespace, policy, changed).await?;
        self.admit_replacement()
    }

    /// What the namespace says of a run that takes the place of an open one.
    pub(super) fn admit_replacement(&self) -> Result<()> {
        let (shared, policy) = (&self.shared, self.policy_now()?);
        shared.capacity.admission.take_start(&self.namespace, &policy, shared.clock.now())
    }
}
