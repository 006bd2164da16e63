//! JavaScript and TypeScript: a project becomes a component with node, by tools that are
//! dependencies of the project. Only the contract and `build.mjs` come from here.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::error::BuildError;
use crate::new::{TemplateFile, template};
use crate::{Built, How, tool, wit};

pub(crate) const MANIFEST: &str = "package.json";

pub(crate) const TEMPLATE: &[TemplateFile] = template![
    "../../../templates/typescript/";
    "package.json", "tsconfig.json", "README.md", "src/index.ts", "test/greet.test.js", "gitignore",
];

/// The oldest node that the tools run on.
const NODE_MINIMUM: (u32, u32) = (20, 0);

const INSTALL: &str = "install node 20 or later, for example with `brew install node` or \
                       `apt install nodejs npm`, or see https://nodejs.org";

const DRIVER: &str = include_str!("build.mjs");

/// Where the build keeps what is not its result, beside what `dacapo dev` keeps.
const WORK_FOLDER: &str = ".dacapo/build";

/// Builds the project. What its sources depend on must be installed.
pub(crate) async fn build(folder: &Path, how: How<'_>) -> Result<Vec<Built>, BuildError> {
    ensure_node().await?;
    let folder = &folder.canonicalize().map_err(|source| file(folder, source))?;
    let work = folder.join(WORK_FOLDER);
    let (driver, contract) = (work.join("build.mjs"), work.join("wit"));
    let prepare = || {
        fs::create_dir_all(&work)?;
        fs::write(&driver, DRIVER)?;
        wit::write(&contract)
    };
    prepare().map_err(|source| file(&work, source))?;

    let result = work.join("result.json");
    let job = json!({"project": folder, "work": work, "wit": contract, "result": result});
    let mut node = Command::new(node());
    node.arg(&driver).arg(job.to_string()).current_dir(folder);
    tool::say(&mut node, how.messages);
    let output = tool::output(node, INSTALL).await?;
    if !output.status.success() {
        return Err(BuildError::Failed { messages: tool::messages(&output) });
    }
    let text = fs::read(&result).map_err(|source| file(&result, source))?;
    let Made { package, component } = serde_json::from_slice(&text)
        .map_err(|error| BuildError::Failed { messages: format!("{DRIVER_FAULT}: {error}") })?;
    Ok(vec![Built { package, component }])
}

const DRIVER_FAULT: &str = "the build script did not say what it has made";

/// What `build.mjs` says that it has made.
#[derive(Deserialize)]
struct Made {
    package: String,
    component: PathBuf,
}

/// The project, and the packages on this machine that it depends on by path.
pub(crate) fn source_folders(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let manifest = folder.join(MANIFEST);
    let text = fs::read(&manifest).map_err(|source| file(&manifest, source))?;
    let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
    let mut folders = vec![folder.to_path_buf()];
    for section in ["dependencies", "devDependencies"] {
        let dependencies = manifest[section].as_object().into_iter().flatten();
        let paths = dependencies.filter_map(|(_, version)| version.as_str()?.strip_prefix("file:"));
        folders.extend(paths.map(|path| folder.join(path)).filter(|path| path.is_dir()));
    }
    Ok(folders)
}

async fn ensure_node() -> Result<(), BuildError> {
    let mut command = Command::new(node());
    command.arg("--version");
    let said = tool::output(command, INSTALL).await?;
    let said = String::from_utf8_lossy(&said.stdout);
    match version(&said) {
        Some(found) if found >= NODE_MINIMUM => Ok(()),
        _ => Err(BuildError::Missing {
            what: format!(
                "node {}.{} or later is needed, and this is {}",
                NODE_MINIMUM.0,
                NODE_MINIMUM.1,
                said.trim()
            ),
            advice: INSTALL.to_owned(),
        }),
    }
}

fn node() -> std::ffi::OsString {
    tool::named_or("DACAPO_NODE", "node")
}

/// Major and minor number of `v20.20.2`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn file(path: &Path, source: std::io::Error) -> BuildError {
    BuildError::File { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_node_are_compared_as_numbers() {
        assert!(version("v20.20.2\n") >= Some(NODE_MINIMUM));
        assert!(version("v18.9.0") < Some(NODE_MINIMUM));
        assert_eq!(version("nonsense"), None);
    }

    #[test]
    fn packages_beside_the_project_are_watched_with_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::create_dir_all(folder.path().join("sdk")).expect("made");
        let manifest = r#"{"dependencies": {"sdk": "file:sdk", "gone": "file:gone", "x": "^1"}}"#;
        fs::write(folder.path().join(MANIFEST), manifest).expect("written");
        let folders = source_folders(folder.path()).expect("read");
        assert_eq!(folders, [folder.path().to_path_buf(), folder.path().join("sdk")]);
    }
}
