//! C: a project becomes a component with any clang that has a C library for WASI. The SDK and
//! the contract come from here, so a project needs nothing else.

mod compiler;
mod manifest;

use std::fs;
use std::path::{Path, PathBuf};

use self::compiler::Compiler;
use self::manifest::Manifest;
use crate::component::{Work, World, file, write};
use crate::error::BuildError;
use crate::new::{TemplateFile, template};
use crate::{Built, How, tool};

pub(crate) const MANIFEST: &str = "dacapo.toml";

pub(crate) const TEMPLATE: &[TemplateFile] = template![
    "../../../templates/c/";
    "dacapo.toml",
    "README.md",
    "src/greeter.c",
    "src/greeting.c",
    "src/greeting.h",
    "test/greeting_test.c",
    "compile_flags.txt",
    "gitignore",
];

/// What to type in a new project before anything else, unless there is such a compiler already.
pub(crate) const FIRST_STEP: &str =
    "python3 -m venv .venv && .venv/bin/pip install ziglang  # or another compiler for WASI";

macro_rules! sdk {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../../../guest-sdk/c/", $file)))),+]
    };
}

/// The SDK. What is no header is compiled with the project.
const SDK: &[(&str, &str)] = sdk![
    "dacapo.h",
    "activity.c",
    "convert.c",
    "internal.h",
    "json.c",
    "memory.c",
    "messages.c",
    "module.c",
    "operations.c",
    "records.c",
    "run.c",
    "waits.c",
];

/// The name of the world in the code that is made of the contract.
const BINDINGS: &str = "dacapo_wit";

/// Builds the project.
pub(crate) async fn build(folder: &Path, how: How<'_>) -> Result<Vec<Built>, BuildError> {
    let folder = &folder.canonicalize().map_err(|source| file(folder, source))?;
    let manifest = Manifest::read(folder)?;
    let compiler = Compiler::find(folder).await?;
    let mut work = Work::open(folder, World::Module)?;
    let options = wit_bindgen_c::Opts {
        rename_world: Some(BINDINGS.to_owned()),
        ..wit_bindgen_c::Opts::default()
    };
    let bindings = work.write_bindings(&mut *options.build())?;
    let sdk = work.folder.join("sdk");
    for (name, text) in SDK {
        write(&sdk.join(name), text.as_bytes())?;
    }

    let is_compiled = |name: &&str| manifest.sdk && name.ends_with(".c");
    let sdk_sources = SDK.iter().map(|(name, _)| *name).filter(is_compiled);
    let module = work.folder.join(format!("{}.module.wasm", manifest.name));
    let mut command = compiler.command();
    command
        .args(["-mexec-model=reactor", "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra"])
        // Zig means the opposite; a project may say so, too.
        .arg("-UNDEBUG")
        .args(compiler.linker_arguments())
        .args(&manifest.flags)
        .arg("-I")
        .arg(&sdk)
        .arg("-isystem")
        .arg(&bindings)
        .args(Manifest::sources(folder)?)
        .args(sdk_sources.map(|name| sdk.join(name)))
        .arg(bindings.join(format!("{BINDINGS}.c")))
        .arg(bindings.join(format!("{BINDINGS}_component_type.o")))
        .arg("-o")
        .arg(&module)
        .current_dir(folder);
    tool::say(&mut command, how.messages);
    let output = tool::output(command, compiler::INSTALL).await?;
    if !output.status.success() {
        return Err(BuildError::Failed { messages: tool::messages(&output) });
    }
    let component = work.componentize(&manifest.name, &module, false)?;
    Ok(vec![Built { package: manifest.name, component }])
}

/// The project itself.
pub(crate) fn source_folders(folder: &Path) -> Vec<PathBuf> {
    vec![folder.to_path_buf()]
}

/// All files of a folder that end so, in the same order each time.
fn files_in(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, BuildError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| file(folder, source))? {
        let path = entry.map_err(|source| file(folder, source))?.path();
        if path.is_dir() {
            found.extend(files_in(&path, ending)?);
        } else if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
