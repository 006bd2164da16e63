//! The WebAssembly components that the tests upload and run.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

const TARGET: &str = "wasm32-wasip2";

/// Workspaces of guests. Their components end up in
/// `target/guests/wasm32-wasip2/release`, where the tests look for them.
const WORKSPACES: &[&str] = &["tests/guests", "examples/checkout"];

/// Builds all of them, and gets the compiler's target first if it is missing.
pub(crate) fn build(root: &Path) -> Result<()> {
    ensure_target(root)?;
    for workspace in WORKSPACES {
        process::announce(&format!("building {workspace} for {TARGET}"));
        let mut cargo = process::cargo();
        cargo
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
            .current_dir(root.join(workspace))
            .env("CARGO_TARGET_DIR", root.join("target/guests"));
        process::must(&mut cargo)
            .with_context(|| format!("can't build the guests in {workspace}"))?;
    }
    Ok(())
}

fn ensure_target(root: &Path) -> Result<()> {
    if has_target(root)? {
        return Ok(());
    }
    if process::on_path("rustup").is_none() {
        bail!(
            "the Rust toolchain has no standard library for {TARGET} and is not managed by \
             rustup: install it the way the toolchain was installed"
        );
    }
    process::announce(&format!("adding the target {TARGET} to the toolchain"));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(root);
    process::must(&mut rustup)
        .with_context(|| format!("run `rustup target add {TARGET}` in {}", root.display()))
}

/// Asks the compiler itself, since not every toolchain comes from rustup.
fn has_target(root: &Path) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = process::output(
        Command::new(rustc)
            .args(["--print", "target-libdir", "--target", TARGET])
            .current_dir(root),
    )?;
    Ok(Path::new(folder.trim()).is_dir())
}
