//! Where the components under test come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dacapo_guest_build::{BuildError, Built, Messages};
use tokio::sync::Mutex;

use crate::error::TestError;

/// What this process has built, so that a program of many tests asks cargo once.
static BUILT: Mutex<BTreeMap<PathBuf, Arc<Vec<Built>>>> = Mutex::const_new(BTreeMap::new());

/// The component of the crate in `folder`.
pub(crate) async fn build(folder: &Path) -> Result<PathBuf, TestError> {
    let mut known = BUILT.lock().await;
    let built = match known.get(folder) {
        Some(built) => Arc::clone(built),
        None => {
            let built = Arc::new(dacapo_guest_build::build(folder, None, Messages::Kept).await?);
            known.insert(folder.to_path_buf(), Arc::clone(&built));
            built
        }
    };
    match &built[..] {
        [only] => Ok(only.component.clone()),
        [] => Err(BuildError::NoComponent { folder: folder.to_path_buf() }.into()),
        several => {
            let names: Vec<_> = several.iter().map(|built| built.package.as_str()).collect();
            Err(TestError::Setup(format!(
                "{} builds several components ({}); name the folder of one of them, or upload \
                 their files with `Builder::component`",
                folder.display(),
                names.join(", ")
            )))
        }
    }
}
