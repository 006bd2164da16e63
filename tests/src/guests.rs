//! The modules under test, built from their sources.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use bytes::Bytes;

const TARGET: &str = "wasm32-wasip2";

/// Workspaces of guests.
const WORKSPACES: [&str; 2] = ["tests/guests", "examples/checkout"];

/// The component of a guest: `steps`, `std_only`, `hostile`, `checkout`...
pub fn guest(name: &str) -> Bytes {
    let path = guest_path(name);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!("there is no guest `{name}`: {}: {error}", path.display()),
    }
}

/// The file of a guest.
pub(crate) fn guest_path(name: &str) -> PathBuf {
    BUILT.join(format!("{name}.wasm"))
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the repository")
}

/// Where the components are. Built once per process; quick if nothing changed.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = root().join("target/guests");
    std::fs::create_dir_all(&target).expect("the folder for guests can be made");
    // Several test programs may get here at once.
    let lock = File::create(target.join("e2e.lock")).expect("a lock file can be made");
    lock.lock().expect("the lock file can be locked");
    for workspace in WORKSPACES {
        let built = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
            .current_dir(root().join(workspace))
            .env("CARGO_TARGET_DIR", &target)
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .expect("cargo can be run");
        assert!(
            built.status.success(),
            "the guests in {workspace} can't be built; is the target there \
             (`rustup target add {TARGET}`)?\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
    }
    target.join(TARGET).join("release")
});
