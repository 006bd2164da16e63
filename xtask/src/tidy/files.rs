//! The files of the checkout.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Folders that are made, not written.
const MADE: &[&str] = &["target", "node_modules", "__pycache__"];

/// All files that people write, relative to the root, in order.
pub(crate) fn all(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(root, root, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = || format!("can't read {}", folder.display());
    for entry in folder.read_dir().with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().with_context(unreadable)?;
        if kind.is_dir() && !name.starts_with('.') && !MADE.contains(&&*name) {
            collect(root, &entry.path(), files)?;
        } else if kind.is_file()
            && let Ok(relative) = entry.path().strip_prefix(root)
        {
            files.push(relative.to_path_buf());
        }
    }
    Ok(())
}
