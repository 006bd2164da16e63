//! Python: a project becomes a component with componentize-py, which is installed beside what
//! the project depends on. Only the contract, `build.py` and a small library come from here.

mod seed;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use crate::error::BuildError;
use crate::new::{TemplateFile, template};
use crate::{Built, How, tool, wit};

pub(crate) const MANIFEST: &str = "pyproject.toml";

pub(crate) const TEMPLATE: &[TemplateFile] = template![
    "../../../templates/python/";
    "pyproject.toml", "README.md", "src/greeter.py", "tests/test_greet.py", "gitignore",
];

/// What to type in a new project before anything else.
pub(crate) const FIRST_STEP: &str =
    "python3 -m venv .venv && .venv/bin/pip install --editable '.[dev]'";

/// The oldest Python that the tools run on. Components have their own.
const PYTHON_MINIMUM: (u32, u32) = (3, 11);

const INSTALL: &str = "install Python 3.11 or later, for example with `brew install python` or \
                       `apt install python3 python3-venv`, or see https://www.python.org";

/// The versions of componentize-py that are known to make good components.
const COMPONENTIZE: (u32, u32) = (0, 25);
const COMPONENTIZE_RANGE: &str = "componentize-py>=0.25,<0.26";
const COMPONENTIZE_QUOTED: &str = "'componentize-py>=0.25,<0.26'";

const DRIVER: &str = include_str!("build.py");

/// Says what the environment of the project has.
const PROBE: &str = "import importlib.metadata as m, importlib.util as u, json, sys
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({'python': list(sys.version_info[:2]), 'program': sys.executable,
    'is_environment': sys.prefix != sys.base_prefix,
    'componentize': version('componentize-py'), 'sdk': u.find_spec('dacapo') is not None}))";

/// The world of modules in Python.
const WORLD: &str = include_str!("../../../../../guest-sdk/python/component/wit/world.wit");

/// Where the build keeps what is not its result, beside what `dacapo dev` keeps.
const WORK_FOLDER: &str = ".dacapo/build";

/// Builds the project. What its sources depend on must be installed.
pub(crate) async fn build(folder: &Path, how: How<'_>) -> Result<Vec<Built>, BuildError> {
    let folder = &folder.canonicalize().map_err(|source| file(folder, source))?;
    let python = python(folder);
    ensure_environment(&python, folder).await?;
    let work = folder.join(WORK_FOLDER);
    let (driver, entry, contract) = (work.join("build.py"), work.join("entry"), work.join("wit"));
    prepare(&work, &driver, &entry, &contract).map_err(|source| file(&work, source))?;

    let result = work.join("result.json");
    let job = json!({
        "project": folder, "work": work, "entry": entry, "wit": contract, "result": result,
    });
    let mut command = Command::new(python);
    command.arg(&driver).arg(job.to_string()).current_dir(folder);
    tool::say(&mut command, how.messages);
    let output = tool::output(command, INSTALL).await?;
    if !output.status.success() {
        return Err(BuildError::Failed { messages: tool::messages(&output) });
    }
    let text = fs::read(&result).map_err(|source| file(&result, source))?;
    let Made { package, component } = serde_json::from_slice(&text)
        .map_err(|error| BuildError::Failed { messages: format!("{DRIVER_FAULT}: {error}") })?;
    Ok(vec![Built { package, component }])
}

const DRIVER_FAULT: &str = "the build script did not say what it has made";

/// What `build.py` says that it has made.
#[derive(Deserialize)]
struct Made {
    package: String,
    component: PathBuf,
}

fn prepare(work: &Path, driver: &Path, entry: &Path, contract: &Path) -> io::Result<()> {
    fs::create_dir_all(entry)?;
    fs::write(driver, DRIVER)?;
    fs::write(entry.join(seed::FILE), seed::library())?;
    debug_assert!(work.is_dir(), "it is around the others");
    wit::write_with_http(contract, WORLD)
}

/// The project itself: packages that it depends on by path are watched by nobody.
pub(crate) fn source_folders(folder: &Path) -> Vec<PathBuf> {
    vec![folder.to_path_buf()]
}

/// The Python of the project: the one that is named, its own, the one that is active, or any.
fn python(folder: &Path) -> OsString {
    let named = tool::named_or("DACAPO_PYTHON", "");
    if !named.is_empty() {
        return named;
    }
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let environments = [Some(folder.join(".venv")), active];
    environments
        .into_iter()
        .flatten()
        .map(|environment| environment.join("bin/python"))
        .find(|python| python.exists())
        .map_or_else(|| "python3".into(), PathBuf::into_os_string)
}

/// What a Python has to offer.
#[derive(Debug, Deserialize)]
struct Environment {
    python: (u32, u32),
    program: String,
    /// It is one of a project, where packages are installed without asking anybody.
    is_environment: bool,
    componentize: Option<String>,
    sdk: bool,
}

async fn ensure_environment(python: &OsString, folder: &Path) -> Result<(), BuildError> {
    let mut command = Command::new(python);
    command.args(["-c", PROBE]).current_dir(folder);
    tool::say(&mut command, crate::Messages::Kept);
    let said = tool::output(command, INSTALL).await?;
    let environment: Environment =
        serde_json::from_slice(&said.stdout).map_err(|_| BuildError::Missing {
            what: format!("`{}` is no Python that works", python.to_string_lossy()),
            advice: format!("{} {INSTALL}", tool::messages(&said)).trim().to_owned(),
        })?;
    match environment.problem() {
        None => Ok(()),
        Some((what, advice)) => Err(BuildError::Missing { what, advice }),
    }
}

impl Environment {
    /// What is missing or too old, and what to do.
    fn problem(&self) -> Option<(String, String)> {
        let Self { python: (major, minor), program, is_environment, componentize, sdk } = self;
        if (*major, *minor) < PYTHON_MINIMUM {
            let (least, of) = PYTHON_MINIMUM;
            let what =
                format!("Python {least}.{of} or later is needed, and {program} is {major}.{minor}");
            return Some((what, INSTALL.to_owned()));
        }
        let install = |what: &str| {
            if *is_environment {
                return format!("install it with `{program} -m pip install {what}`");
            }
            format!(
                "make an environment in the project's folder, with `{program} -m venv .venv`, and \
                 install what it needs with `.venv/bin/pip install --editable . {COMPONENTIZE_QUOTED}`"
            )
        };
        match componentize.as_deref() {
            None => {
                Some((format!("{program} has no componentize-py"), install(COMPONENTIZE_QUOTED)))
            }
            Some(found) if version(found) != Some(COMPONENTIZE) => Some((
                format!("componentize-py {found} is not known to work; {COMPONENTIZE_RANGE} is"),
                install(COMPONENTIZE_QUOTED),
            )),
            Some(_) if !sdk => Some((
                format!("{program} has no module `dacapo`"),
                install("--editable .") + "; the project depends on `dacapo-sdk`",
            )),
            Some(_) => None,
        }
    }
}

/// Major and minor number of `0.25.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn file(path: &Path, source: io::Error) -> BuildError {
    BuildError::File { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            python: PYTHON_MINIMUM,
            program: "/venv/bin/python".to_owned(),
            is_environment: true,
            componentize: Some("0.25.1".to_owned()),
            sdk: true,
        }
    }

    #[test]
    fn what_is_missing_or_too_old_is_told_with_the_line_that_installs_it() {
        assert_eq!(environment().problem(), None);
        let cases = [
            (Environment { python: (3, 9), ..environment() }, "3.9", "apt install python3"),
            (
                Environment { componentize: None, ..environment() },
                "no componentize-py",
                "/venv/bin/python -m pip install 'componentize-py>=0.25,<0.26'",
            ),
            (
                Environment { componentize: Some("0.19.3".to_owned()), ..environment() },
                "componentize-py 0.19.3",
                "pip install 'componentize-py>=0.25,<0.26'",
            ),
            (Environment { sdk: false, ..environment() }, "no module `dacapo`", "pip install"),
            (
                Environment { is_environment: false, sdk: false, ..environment() },
                "no module `dacapo`",
                "/venv/bin/python -m venv .venv",
            ),
        ];
        for (environment, problem, remedy) in cases {
            let (what, advice) = environment.problem().expect("something is missing");
            assert!(what.contains(problem) && advice.contains(remedy), "{what}: {advice}");
        }
    }

    #[test]
    fn the_python_of_the_project_comes_first() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let own = folder.path().join(".venv/bin/python");
        assert_ne!(python(folder.path()), own);
        fs::create_dir_all(own.parent().expect("a folder")).expect("made");
        fs::write(&own, "").expect("written");
        assert_eq!(python(folder.path()), own);
    }

    #[test]
    fn the_library_for_the_seed_has_its_texts_where_it_says() {
        let library = seed::library();
        let texts = b"PYTHONHASHSEED\x000\0PYTHONDONTWRITEBYTECODE\x001\0";
        assert!(library.windows(texts.len()).any(|part| part == texts));
    }
}
