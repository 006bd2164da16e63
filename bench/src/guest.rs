//! The module that is measured: `bench/guest`, built from its source.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use dacapo_cli::guest_build::{self, Messages};

/// The root of the repository, as it was when this was compiled.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where files of measurements are kept: on the disk that the build is on, as
/// the folder for temporary files may be in memory, where a commit costs nothing.
pub(crate) fn work_folder() -> Result<PathBuf> {
    let folder = root().join("target/bench");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("can't make the folder {}", folder.display()))?;
    Ok(folder)
}

/// Builds the module, which is quick if nothing has changed, and reads it.
pub async fn component() -> Result<Bytes> {
    let target = root().join("target/guests");
    let folder = root().join("bench/guest");
    let built = guest_build::build(&folder, Some(&target), Messages::Kept).await?;
    let built = built.into_iter().next().context("bench/guest makes no component")?;
    let bytes = std::fs::read(&built.component)
        .with_context(|| format!("can't read {}", built.component.display()))?;
    Ok(bytes.into())
}
