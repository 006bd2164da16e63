//! Rust: a crate becomes a component with cargo.

mod example;

use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;

pub(crate) use self::example::example_input;
use crate::error::BuildError;
use crate::new::{TemplateFile, template};
use crate::{Built, How, tool};

pub(crate) const MANIFEST: &str = "Cargo.toml";

pub(crate) const NO_COMPONENT_ADVICE: &str =
    "its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`";

pub(crate) const TEMPLATE: &[TemplateFile] = template![
    "../../../templates/rust/";
    "Cargo.toml", "README.md", "src/lib.rs", "tests/greet.rs", "gitignore",
];

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

const INSTALL: &str = "install Rust from https://rustup.rs";

/// Builds the crate, and gets the compiler's target first if it is missing.
pub(crate) async fn build(folder: &Path, how: How<'_>) -> Result<Vec<Built>, BuildError> {
    ensure_target(folder).await?;
    let mut cargo = cargo(folder);
    // The messages for people come rendered on standard error.
    let format = "--message-format=json-render-diagnostics";
    cargo.args(["build", "--release", "--target", TARGET, format]);
    if let Some(target_dir) = how.target_dir {
        cargo.env("CARGO_TARGET_DIR", target_dir);
    }
    tool::say(&mut cargo, how.messages);
    let output = tool::output(cargo, INSTALL).await?;
    if !output.status.success() {
        return Err(BuildError::Failed { messages: tool::messages(&output) });
    }
    Ok(components(&String::from_utf8_lossy(&output.stdout)))
}

/// The folders of all crates on this machine that go into the crate in `folder`:
/// its own, and those of its path dependencies.
pub(crate) async fn source_folders(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        source: Option<String>,
        manifest_path: PathBuf,
    }
    let mut cargo = cargo(folder);
    cargo.args(["metadata", "--format-version", "1", "--filter-platform", TARGET]);
    let output = tool::output(cargo, INSTALL).await?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|_| BuildError::Failed { messages: tool::messages(&output) })?;
    let local = metadata.packages.into_iter().filter(|package| package.source.is_none());
    Ok(local.filter_map(|package| Some(package.manifest_path.parent()?.to_path_buf())).collect())
}

/// Asks the compiler itself, since not every toolchain comes from rustup.
async fn ensure_target(folder: &Path) -> Result<(), BuildError> {
    let mut rustc = Command::new(tool::named_or("RUSTC", "rustc"));
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder);
    let libraries = tool::output(rustc, INSTALL).await?;
    if Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
        return Ok(());
    }
    let advice = format!("run `rustup target add {TARGET}` in {}", folder.display());
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(folder);
    match tool::output(rustup, INSTALL).await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(BuildError::NoTarget {
                target: TARGET,
                advice: format!("{advice}; it said: {}", said.trim_end()),
            })
        }
        Err(_) => Err(BuildError::NoTarget {
            target: TARGET,
            advice: "it is not managed by rustup, so install it the way the toolchain was \
                     installed"
                .to_owned(),
        }),
    }
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(tool::named_or("CARGO", "cargo"));
    // A guest's build must not be steered by the build that started us, as in
    // `cargo run -- demo`.
    cargo
        .current_dir(folder)
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

/// Finds the components in cargo's messages, one JSON object per line.
fn components(messages: &str) -> Vec<Built> {
    #[derive(Deserialize)]
    struct Artifact {
        reason: String,
        package_id: String,
        target: Target,
        filenames: Vec<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        kind: Vec<String>,
    }
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    artifacts
        .filter(|artifact| artifact.reason == "compiler-artifact")
        .filter(|artifact| artifact.target.kind.iter().any(|kind| kind == "cdylib"))
        .filter_map(|artifact| {
            let is_component = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm");
            let component = artifact.filenames.into_iter().find(is_component)?;
            Some(Built { package: package_name(&artifact.package_id).to_owned(), component })
        })
        .collect()
}

/// The name in `path+file:///x/name#1.0.0` or `path+file:///x/y#name@1.0.0`.
fn package_name(id: &str) -> &str {
    let (url, version) = id.split_once('#').unwrap_or((id, ""));
    match version.split_once('@') {
        Some((name, _)) => name,
        None => url.rsplit('/').next().unwrap_or(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_package_id_are_read() {
        assert_eq!(package_name("path+file:///x/my-guest#1.0.0"), "my-guest");
        assert_eq!(package_name("path+file:///x/folder#my-guest@1.0.0"), "my-guest");
    }

    #[test]
    fn only_components_are_picked_from_the_messages() {
        let messages = r#"
{"reason":"compiler-artifact","package_id":"path+file:///s/sdk#0.1.0","target":{"kind":["lib"]},"filenames":["/t/libsdk.rlib"]}
{"reason":"compiler-artifact","package_id":"path+file:///g#shop@0.1.0","target":{"kind":["cdylib"]},"filenames":["/t/shop.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let shop = Built { package: "shop".to_owned(), component: "/t/shop.wasm".into() };
        assert_eq!(components(messages), [shop]);
    }
}
