//! Finding out whether the store takes writes (`write_probes`). That it can be read
//! says little: a database that is full, or a standby, can be read.

use async_trait::async_trait;

use crate::error::Result;

/// Trying to write.
#[async_trait]
pub trait ProbeStore: Send + Sync {
    /// Writes a row that means nothing, and makes it durable as a commit would.
    async fn probe_write(&self) -> Result<()>;
}
