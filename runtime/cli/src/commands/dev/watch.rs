//! Notices when source files change.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// An editor writes several files, or one in several steps: wait until it is
/// done.
const QUIET: Duration = Duration::from_millis(200);

/// Folders that builds write to.
const MADE: [&str; 4] = ["target", "node_modules", "dist", "__pycache__"];

const LOCKS: [&str; 2] = ["Cargo.lock", "package-lock.json"];

/// Watches folders for as long as it lives.
pub(super) struct Watch {
    changes: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches source files in and below the folders.
    pub(super) fn new(folders: &[PathBuf]) -> notify::Result<Self> {
        let roots = folders
            .iter()
            .map(|folder| Ok(folder.canonicalize()?))
            .collect::<notify::Result<Vec<_>>>()?;
        // One change that waits stands for all that follow.
        let (sender, changes) = mpsc::channel(1);
        let known = roots.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let matters = match event {
                Ok(event) => {
                    is_change(&event) && event.paths.iter().any(|path| is_source(&known, path))
                }
                // Events may have been lost: look.
                Err(_) => true,
            };
            if matters {
                let _ = sender.try_send(());
            }
        })?;
        for root in &roots {
            watch_folder(&mut watcher, root)?;
        }
        Ok(Self { changes, _watcher: watcher })
    }

    /// Resolves when something has changed and nothing does any more. None if
    /// nothing will be noticed from now on.
    pub(super) async fn changed(&mut self) -> Option<()> {
        self.changes.recv().await?;
        while let Ok(change) = tokio::time::timeout(QUIET, self.changes.recv()).await {
            change?;
        }
        Some(())
    }
}

/// Watches a project's own files and each of its folders, but not the thousands of
/// files that builds make next to them.
fn watch_folder(watcher: &mut RecommendedWatcher, root: &Path) -> notify::Result<()> {
    watcher.watch(root, RecursiveMode::NonRecursive)?;
    for entry in root.read_dir()?.filter_map(Result::ok) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !is_ignored(&entry.file_name()) {
            watcher.watch(&entry.path(), RecursiveMode::Recursive)?;
        }
    }
    Ok(())
}

fn is_change(event: &Event) -> bool {
    !matches!(event.kind, EventKind::Access(_))
}

/// True for files that go into a build. Lock files are written by builds.
fn is_source(roots: &[PathBuf], path: &Path) -> bool {
    let inside = roots.iter().filter_map(|root| path.strip_prefix(root).ok());
    let Some(inside) = inside.min_by_key(|path| path.as_os_str().len()) else { return false };
    !inside.iter().any(is_ignored) && !LOCKS.iter().any(|lock| path.ends_with(lock))
}

fn is_ignored(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || name.ends_with('~') || MADE.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Far longer than a change takes to be noticed.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn what_builds_write_is_not_a_source() {
        let roots = [PathBuf::from("/target/crate")];
        let is = |path: &str| is_source(&roots, Path::new(path));
        assert!(is("/target/crate/src/lib.rs") && is("/target/crate/Cargo.toml"));
        assert!(!is("/target/crate/target/release/x") && !is("/target/crate/.dacapo/dacapo.db"));
        assert!(!is("/target/crate/Cargo.lock") && !is("/target/crate/src/.lib.rs.swp"));
        assert!(!is("/elsewhere/src/lib.rs"));
    }

    #[tokio::test]
    async fn changed_files_are_noticed_at_any_depth() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let root = folder.path();
        fs::create_dir_all(root.join("src/deep")).expect("made");
        let mut watch = Watch::new(&[root.to_path_buf()]).expect("watches");
        for file in ["src/deep/lib.rs", "Cargo.toml", "src/deep/lib.rs"] {
            fs::write(root.join(file), "1").expect("written");
            let noticed = tokio::time::timeout(PATIENCE, watch.changed()).await;
            assert_eq!(noticed, Ok(Some(())), "{file}");
        }
    }
}
