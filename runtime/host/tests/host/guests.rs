//! The components of `tests/guests`, built from source once per process.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use dacapo_model::module::ModuleDigest;

const TARGET: &str = "wasm32-wasip2";

static FOLDER: LazyLock<PathBuf> = LazyLock::new(build);

/// A component and its digest.
pub(crate) struct Guest {
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: ModuleDigest,
}

/// The component of a crate, by its name with underscores.
pub(crate) fn guest(name: &str) -> Guest {
    let path = FOLDER.join(format!("{name}.wasm"));
    let bytes = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: does the crate exist?", path.display()));
    let digest = ModuleDigest::of(&bytes);
    Guest { bytes, digest }
}

fn build() -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target_dir = root.join("target/guests");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--target", TARGET])
        .current_dir(root.join("tests/guests"))
        .env("CARGO_TARGET_DIR", &target_dir)
        .output()
        .expect("cargo can be run");
    assert!(
        output.status.success(),
        "can't build tests/guests for {TARGET}; if the target is missing, run \
         `rustup target add {TARGET}`:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    target_dir.join(TARGET).join("release")
}
