//! What the languages share whose compilers make core modules: code for the contract, and the
//! component around the module.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use crate::error::BuildError;
use crate::wit;

/// What the SDK of a language imports, and exports whatever a project defines.
#[derive(Debug, Clone, Copy)]
pub(crate) enum World {
    /// A world of the contract.
    Module,
    /// A world of the SDK's own, `component`, which adds HTTP.
    WithHttp(&'static str),
}

impl World {
    /// Writes all that it is made of.
    fn write(self, folder: &Path) -> io::Result<()> {
        match self {
            Self::Module => wit::write(folder),
            Self::WithHttp(text) => wit::write_with_http(folder, text),
        }
    }

    /// Reads what was written.
    fn read(self, folder: &Path) -> Result<(Resolve, WorldId), BuildError> {
        let name = match self {
            Self::Module => "queryable-module",
            Self::WithHttp(_) => "component",
        };
        let mut resolve = Resolve::default();
        let read = resolve.push_dir(folder).and_then(|(package, _)| {
            let world = resolve.select_world(&[package], Some(name))?;
            Ok(world)
        });
        let world = read.map_err(failed("the contract can't be read"))?;
        Ok((resolve, world))
    }
}

/// Where the build keeps what is not its result, beside what `dacapo dev` keeps.
const WORK_FOLDER: &str = ".dacapo/build";

/// A folder of the project for the build alone, and the contract in it.
pub(crate) struct Work {
    pub(crate) folder: PathBuf,
    resolve: Resolve,
    world: WorldId,
}

impl Work {
    /// Makes the folder, if it is not there yet.
    pub(crate) fn open(project: &Path, world: World) -> Result<Self, BuildError> {
        let folder = project.join(WORK_FOLDER);
        let contract = folder.join("wit");
        world.write(&contract).map_err(|source| file(&folder, source))?;
        let (resolve, world) = world.read(&contract)?;
        Ok(Self { folder, resolve, world })
    }

    /// Writes the code that speaks the contract in one of these languages.
    pub(crate) fn write_bindings(
        &mut self,
        generator: &mut dyn WorldGenerator,
    ) -> Result<PathBuf, BuildError> {
        let folder = self.folder.join("bindings");
        for (name, text) in bindings(&mut self.resolve, self.world, generator)? {
            let path = folder.join(name);
            write(&path, &text)?;
        }
        Ok(folder)
    }

    /// Makes a component of what a compiler has made. `is_plain` if nothing in the module says
    /// yet which world it is for.
    pub(crate) fn componentize(
        &self,
        name: &str,
        module: &Path,
        is_plain: bool,
    ) -> Result<PathBuf, BuildError> {
        let mut module = fs::read(module).map_err(|source| file(module, source))?;
        let mut encode = || {
            if is_plain {
                let encoding = StringEncoding::UTF8;
                embed_component_metadata(&mut module, &self.resolve, self.world, encoding, false)?;
            }
            ComponentEncoder::default()
                .module(&module)?
                .adapter(
                    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
                )?
                .encode()
        };
        let component = encode().map_err(failed("no component can be made of the module"))?;
        let path = self.folder.join(format!("{name}.wasm"));
        write(&path, &component)?;
        Ok(path)
    }
}

/// The files that a generator makes of the contract.
pub(crate) fn bindings(
    resolve: &mut Resolve,
    world: WorldId,
    generator: &mut dyn WorldGenerator,
) -> Result<Vec<(String, Vec<u8>)>, BuildError> {
    let mut files = Files::default();
    generator
        .generate(resolve, world, &mut files)
        .map_err(failed("no code can be made of the contract"))?;
    Ok(files.iter().map(|(name, text)| (name.to_owned(), text.to_vec())).collect())
}

/// Writes a file, and the folders that it needs.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), BuildError> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    written.and_then(|()| fs::write(path, content)).map_err(|source| file(path, source))
}

pub(crate) fn file(path: &Path, source: io::Error) -> BuildError {
    BuildError::File { path: path.to_path_buf(), source }
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> BuildError {
    move |error| BuildError::Failed { messages: format!("{what}: {error:#}") }
}

/// A program in the project's own environment, made with `python3 -m venv .venv`: compilers
/// can be installed there, too.
pub(crate) fn in_environment(project: &Path, program: &str) -> Option<PathBuf> {
    let path = project.join(".venv/bin").join(program);
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::languages::go;

    /// Where the SDK for Go keeps what is made of the contract.
    const GO_BINDINGS: &str = "guest-sdk/go/internal/wit";

    /// The code for Go, as the SDK has it: with packages of its own in the place of the generator's.
    fn go_bindings() -> BTreeMap<String, String> {
        let folder = tempfile::tempdir().expect("temporary folder");
        go::WORLD.write(folder.path()).expect("written");
        let (mut resolve, world) = go::WORLD.read(folder.path()).expect("read");
        let options = wit_bindgen_go::Opts {
            pkg_name: Some("OWN".to_owned()),
            format: wit_bindgen_go::Format::False,
            ..wit_bindgen_go::Opts::default()
        };
        let files = bindings(&mut resolve, world, &mut *options.build()).expect("made");
        let files = files.into_iter().filter(|(name, _)| name.contains("ports/"));
        files
            .map(|(name, text)| {
                let text = String::from_utf8(text).expect("text");
                let text = text
                    .replace("\"OWN/", "\"dacapo/internal/wit/")
                    .replace("go.bytecodealliance.org/pkg/wit/", "dacapo/internal/wit/");
                let lines: Vec<_> = text.lines().map(str::trim_end).collect();
                (name, lines.join("\n") + "\n")
            })
            .collect()
    }

    #[test]
    fn the_sdk_for_go_has_the_code_that_is_made_of_the_contract() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files = go_bindings();
        for folder in ["imports/", "exports/"] {
            let count = files.keys().filter(|name| name.starts_with(folder)).count();
            assert!(count > 0, "nothing is made in {folder}: {:?}", files.keys());
        }
        for (name, text) in files {
            let path = root.join(GO_BINDINGS).join(&name);
            if std::env::var_os("DACAPO_WRITE_BINDINGS").is_some() {
                write(&path, text.as_bytes()).expect("written");
            }
            let is = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                is == text,
                "{GO_BINDINGS}/{name} is not what is made of wit/: write it with \
                 `DACAPO_WRITE_BINDINGS=1 cargo test -p dacapo-guest-build --lib component`"
            );
        }
    }

    #[test]
    fn what_is_no_module_is_refused_with_a_reason() {
        let project = tempfile::tempdir().expect("temporary folder");
        let work = Work::open(project.path(), World::Module).expect("made");
        let module = project.path().join("x.wasm");
        fs::write(&module, "no module").expect("written");
        for is_plain in [false, true] {
            let refused = work.componentize("x", &module, is_plain).expect_err("refused");
            assert!(refused.to_string().contains("no component can be made"), "{refused}");
        }
    }
}
