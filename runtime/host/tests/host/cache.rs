//! Compiled modules on disk: used if intact, made again if not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dacapo_engine::guest::{GuestHost as _, Unbounded};
use dacapo_host::{Host, HostConfig, HostError};
use tempfile::TempDir;

use crate::guests::{Guest, guest};
use crate::support::{Modules, config, host, run};

fn in_directory(directory: &Path) -> HostConfig {
    HostConfig { cache_dir: directory.join("modules"), ..config() }
}

/// The only file of the cache.
fn only_file(directory: &Path) -> PathBuf {
    let files: Vec<PathBuf> = std::fs::read_dir(directory.join("modules"))
        .expect("the directory")
        .map(|file| file.expect("a file").path())
        .collect();
    let [file] = &files[..] else { panic!("not one file: {files:?}") };
    file.clone()
}

async fn fill(directory: &Path, guest: &Guest) -> PathBuf {
    let host = host(in_directory(directory), &[]);
    host.inspect(guest.digest, &guest.bytes).await.expect("a module");
    only_file(directory)
}

/// Launches with a host that has no bytes to compile: only the cache can help.
async fn launches_without_bytes(directory: &Path, guest: &Guest) -> bool {
    let host = host(in_directory(directory), &[]);
    host.launch(run(guest.digest, 1), Arc::new(Unbounded)).await.is_ok()
}

#[tokio::test]
async fn a_compiled_module_outlives_the_host() {
    let directory = TempDir::new().expect("a directory");
    let guest = guest("std_only");
    assert!(!launches_without_bytes(directory.path(), &guest).await);
    fill(directory.path(), &guest).await;
    assert!(launches_without_bytes(directory.path(), &guest).await);
}

#[tokio::test]
async fn a_damaged_file_is_never_used_and_is_made_again() {
    let directory = TempDir::new().expect("a directory");
    let guest = guest("std_only");
    let file = fill(directory.path(), &guest).await;
    let intact = std::fs::read(&file).expect("the file");
    let mut flipped = intact.clone();
    flipped[intact.len() / 2] ^= 1;
    for damaged in [&flipped[..], &intact[..intact.len() / 2], &intact[..10], b""] {
        std::fs::write(&file, damaged).expect("written");
        assert!(!launches_without_bytes(directory.path(), &guest).await, "{} bytes", damaged.len());
        let repaired = host(in_directory(directory.path()), &[&guest]);
        assert!(repaired.launch(run(guest.digest, 1), Arc::new(Unbounded)).await.is_ok());
        assert!(launches_without_bytes(directory.path(), &guest).await, "it was made again");
    }
}

#[tokio::test]
async fn the_file_of_another_module_is_foreign() {
    let directory = TempDir::new().expect("a directory");
    let (one, other) = (guest("std_only"), guest("steps"));
    let file = fill(directory.path(), &one).await;
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let renamed = name.replace(&one.digest.to_string(), &other.digest.to_string());
    std::fs::rename(&file, file.with_file_name(renamed)).expect("renamed");
    assert!(!launches_without_bytes(directory.path(), &other).await);
}

#[tokio::test]
async fn a_refused_module_leaves_nothing_on_disk() {
    let directory = TempDir::new().expect("a directory");
    let guest = guest("wrong_world");
    let host = host(in_directory(directory.path()), &[]);
    assert!(host.inspect(guest.digest, &guest.bytes).await.is_err());
    let files = std::fs::read_dir(directory.path().join("modules")).expect("the directory").count();
    assert_eq!(files, 0);
}

#[tokio::test]
async fn bytes_with_another_digest_are_not_used() {
    let directory = TempDir::new().expect("a directory");
    let (one, other) = (guest("std_only"), guest("steps"));
    let mut modules = Modules::default();
    modules.0.insert(one.digest, other.bytes);
    let host =
        Host::new(in_directory(directory.path()), std::sync::Arc::new(modules)).expect("a host");
    let blocked =
        host.launch(run(one.digest, 1), Arc::new(Unbounded)).await.err().expect("refused");
    assert_eq!(blocked.code, "module_unavailable");
    assert!(blocked.message.contains(&other.digest.to_string()), "{}", blocked.message);
}

#[cfg(unix)]
#[tokio::test]
async fn the_directory_is_private_and_must_be() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().expect("a directory");
    let file = fill(directory.path(), &guest("std_only")).await;
    let modules = directory.path().join("modules");
    let mode = |path: &Path| std::fs::metadata(path).expect("exists").permissions().mode() & 0o777;
    assert_eq!(mode(&modules), 0o700);
    assert_eq!(mode(&file), 0o600);

    std::fs::set_permissions(&modules, PermissionsExt::from_mode(0o777)).expect("changed");
    let error = Host::new(in_directory(directory.path()), Modules::of(&[])).err().expect("refused");
    assert!(matches!(error, HostError::CacheDirectory { .. }), "{error}");
    assert!(error.to_string().contains("chmod 700"), "{error}");
}
