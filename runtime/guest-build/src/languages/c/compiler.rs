//! Finding a compiler: a clang, and a C library for WASI.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::component::in_environment;
use crate::error::BuildError;
use crate::tool;

pub(super) const INSTALL: &str = "install Zig, which has all that is needed, with `python3 -m venv \
     .venv && .venv/bin/pip install ziglang` in the project's folder or from https://ziglang.org; \
     or set WASI_SDK_PATH to a WASI SDK; or install a clang with a C library for WASI, for example \
     with `apt install clang lld wasi-libc libclang-rt-dev-wasm32`; or name a compiler in DACAPO_CC";

/// A compiler, and what it must be told before all else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Compiler {
    program: OsString,
    arguments: Vec<&'static str>,
    linker_arguments: Vec<&'static str>,
}

/// A stack that ends in a trap. What overflows must not get into the data of the program.
const STACK_SIZE: &str = "-Wl,-z,stack-size=1048576";
const STACK_FIRST: &str = "-Wl,--stack-first";

impl Compiler {
    /// The one that is named, the project's own, or one that is installed.
    pub(super) async fn find(project: &Path) -> Result<Self, BuildError> {
        let named = tool::named_or("DACAPO_CC", "");
        if !named.is_empty() {
            return Ok(Self::of(named));
        }
        if let Some(zig) = in_environment(project, "python-zig") {
            return Ok(Self::of(zig));
        }
        let wasi_sdk = tool::named_or("WASI_SDK_PATH", "");
        if !wasi_sdk.is_empty() {
            return Ok(Self::of(Path::new(&wasi_sdk).join("bin/clang")));
        }
        for program in ["zig", "python-zig", "clang"] {
            let compiler = Self::of(program);
            if compiler.makes_modules().await {
                return Ok(compiler);
            }
        }
        Err(BuildError::Missing {
            what: "there is no C compiler that makes WebAssembly modules".to_owned(),
            advice: INSTALL.to_owned(),
        })
    }

    fn of(program: impl Into<OsString>) -> Self {
        let program = program.into();
        let name = Path::new(&program).file_name().unwrap_or(OsStr::new(""));
        let (arguments, linker_arguments) = if matches!(name.to_str(), Some("zig" | "python-zig")) {
            // It traps what is undefined in C, which says nothing about where. It puts the stack
            // first by itself, and does not know the argument.
            let arguments = vec!["cc", "-target", "wasm32-wasi", "-fno-sanitize=undefined"];
            (arguments, vec![STACK_SIZE])
        } else {
            (vec!["--target=wasm32-wasi"], vec![STACK_SIZE, STACK_FIRST])
        };
        Self { program, arguments, linker_arguments }
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    /// What it must be told when it makes a module.
    pub(super) fn linker_arguments(&self) -> &[&'static str] {
        &self.linker_arguments
    }

    /// Whether it is there and finds the header of a C library for WASI.
    async fn makes_modules(&self) -> bool {
        let mut command = self.command();
        command.args(["-E", "-include", "wasi/api.h", "-x", "c", "/dev/null", "-o", "/dev/null"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().await.is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zig_is_told_that_it_is_a_c_compiler() {
        assert_eq!(Compiler::of("/x/.venv/bin/python-zig").arguments[0], "cc");
        assert_eq!(Compiler::of("/opt/wasi-sdk/bin/clang").arguments, ["--target=wasm32-wasi"]);
    }

    #[test]
    fn every_compiler_is_told_how_large_the_stack_is() {
        for (program, expected) in
            [("zig", &[STACK_SIZE][..]), ("/opt/wasi-sdk/bin/clang", &[STACK_SIZE, STACK_FIRST])]
        {
            assert_eq!(Compiler::of(program).linker_arguments(), expected, "{program}");
        }
    }

    #[tokio::test]
    async fn the_compiler_of_the_project_comes_first() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let zig = folder.path().join(".venv/bin/python-zig");
        std::fs::create_dir_all(zig.parent().expect("a folder")).expect("made");
        std::fs::write(&zig, "").expect("written");
        let found = Compiler::find(folder.path()).await.expect("it is there");
        assert_eq!(found.program, zig);
    }
}
