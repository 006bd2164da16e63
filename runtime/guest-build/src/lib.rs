//! Builds a Rust crate into components, with the cargo of the user.

mod example;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde::Deserialize;
use tokio::process::Command;

pub use self::example::example_input;

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// A component that cargo made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The name of its package.
    pub package: String,
    /// Where it is.
    pub component: PathBuf,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing to build.
    #[error("{} holds no Cargo.toml; name the folder of a Rust crate", folder.display())]
    NoCrate {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A program is missing.
    #[error("can't run `{program}`; install Rust from https://rustup.rs")]
    Program {
        /// Which one.
        program: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The compiler can't compile for WebAssembly, and could not be made to.
    #[error("the Rust toolchain has no standard library for {TARGET}: {advice}")]
    NoTarget {
        /// What to do.
        advice: String,
    },
    /// The code does not compile.
    #[error("the build failed{}", after_colon(.messages))]
    Failed {
        /// What cargo said; nothing if it was shown already.
        messages: String,
    },
    /// The crate compiles, but not into a component.
    #[error(
        "{} builds no component; its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`",
        folder.display()
    )]
    NoComponent {
        /// Its folder.
        folder: PathBuf,
    },
}

/// What becomes of what the compiler says while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// It goes to standard error as it comes: a person waits for the build.
    Shown,
    /// It is kept, and told if the build fails.
    Kept,
}

/// Builds the crate in `folder`, and gets the compiler's target first if it is
/// missing. `target_dir` is where cargo puts its files, instead of the crate's
/// own place for them. One component for each package that makes one.
pub async fn build(
    folder: &Path,
    target_dir: Option<&Path>,
    messages: Messages,
) -> Result<Vec<Built>, BuildError> {
    if !folder.join("Cargo.toml").is_file() {
        return Err(BuildError::NoCrate { folder: folder.to_path_buf() });
    }
    ensure_target(folder).await?;
    let mut cargo = cargo(folder);
    // The messages for people come rendered on standard error.
    let format = "--message-format=json-render-diagnostics";
    cargo.args(["build", "--release", "--target", TARGET, format]);
    if let Some(target_dir) = target_dir {
        cargo.env("CARGO_TARGET_DIR", target_dir);
    }
    cargo.stderr(match messages {
        Messages::Shown => Stdio::inherit(),
        Messages::Kept => Stdio::piped(),
    });
    let output = output(cargo).await?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return Err(BuildError::Failed { messages });
    }
    let built = components(&String::from_utf8_lossy(&output.stdout));
    if built.is_empty() {
        return Err(BuildError::NoComponent { folder: folder.to_path_buf() });
    }
    Ok(built)
}

/// The folders of all crates on this machine that go into the crate in `folder`:
/// its own, and those of its path dependencies.
pub async fn source_folders(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
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
    let output = output(cargo).await?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).map_err(|_| BuildError::Failed {
            messages: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        })?;
    let local = metadata.packages.into_iter().filter(|package| package.source.is_none());
    Ok(local.filter_map(|package| Some(package.manifest_path.parent()?.to_path_buf())).collect())
}

/// Asks the compiler itself, since not every toolchain comes from rustup.
async fn ensure_target(folder: &Path) -> Result<(), BuildError> {
    let mut rustc = Command::new(named_or("RUSTC", "rustc"));
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder);
    let libraries = output(rustc).await?;
    if Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).is_dir() {
        return Ok(());
    }
    let advice = format!("run `rustup target add {TARGET}` in {}", folder.display());
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(folder);
    match output(rustup).await {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(BuildError::NoTarget { advice: format!("{advice}; it said: {}", said.trim_end()) })
        }
        Err(_) => Err(BuildError::NoTarget {
            advice: "it is not managed by rustup, so install it the way the toolchain was \
                     installed"
                .to_owned(),
        }),
    }
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(named_or("CARGO", "cargo"));
    // A guest's build must not be steered by the build that started us, as in
    // `cargo run -- demo`.
    cargo
        .current_dir(folder)
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    cargo
}

fn after_colon(messages: &str) -> String {
    if messages.is_empty() { String::new() } else { format!(":\n{messages}") }
}

fn named_or(variable: &str, program: &str) -> OsString {
    std::env::var_os(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| program.into())
}

async fn output(mut command: Command) -> Result<Output, BuildError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    // Unlike `output`, this leaves standard error where it was put.
    let child = command
        .spawn()
        .map_err(|source| BuildError::Program { program: program.clone(), source })?;
    child.wait_with_output().await.map_err(|source| BuildError::Program { program, source })
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

    #[tokio::test]
    async fn a_folder_without_a_crate_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let error = build(folder.path(), None, Messages::Kept).await.expect_err("refused");
        assert!(matches!(error, BuildError::NoCrate { .. }), "{error}");
    }
}
