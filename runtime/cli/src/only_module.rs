//! A module that is a file on this machine.

use async_trait::async_trait;
use dacapo_engine::guest::{ModuleLoadError, ModuleSource};
use dacapo_model::module::ModuleDigest;

/// The only module that there is.
pub(crate) struct OnlyModule {
    pub(crate) digest: ModuleDigest,
    pub(crate) bytes: Vec<u8>,
}

#[async_trait]
impl ModuleSource for OnlyModule {
    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Vec<u8>, ModuleLoadError> {
        if digest == self.digest {
            return Ok(self.bytes.clone());
        }
        Err(ModuleLoadError { digest, source: None })
    }
}
