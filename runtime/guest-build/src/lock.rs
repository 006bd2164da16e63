//! One build of a project at a time: all of them write the same files.

use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::component::file;
use crate::error::BuildError;
use crate::{Messages, tool};

/// Beside what the builds keep, which they may remove.
const LOCK: &str = ".dacapo/build.lock";

/// How often a build that waits looks again.
const AGAIN: Duration = Duration::from_millis(100);

/// Makes the folder for what belongs to no version of the project, and waits until no other build is
/// there. The lock is held until it is dropped, or its process has ended, however it did.
pub(crate) async fn take(project: &Path, messages: Messages) -> Result<File, BuildError> {
    let path = project.join(LOCK);
    let open = || {
        fs::create_dir_all(project.join(".dacapo"))?;
        fs::write(project.join(".dacapo/.gitignore"), "*\n")?;
        File::options().create(true).truncate(false).write(true).open(&path)
    };
    let lock = open().map_err(|source| file(&path, source))?;
    let mut is_told = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(file(&path, source)),
        }
        if !is_told {
            is_told = true;
            tool::note(messages, &format!("waiting for another build of {}", project.display()));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_build_waits_until_the_one_before_has_ended() {
        let project = tempfile::tempdir().expect("temporary folder");
        let first = take(project.path(), Messages::Kept).await.expect("nobody else is there");
        let mut second = std::pin::pin!(take(project.path(), Messages::Kept));
        let waited = tokio::time::timeout(3 * AGAIN, &mut second).await;
        assert!(waited.is_err(), "it has begun beside the first");
        drop(first);
        second.await.expect("nobody else is there");
        let ignored = project.path().join(".dacapo/.gitignore");
        assert_eq!(fs::read_to_string(ignored).expect("it is there"), "*\n");
    }
}
