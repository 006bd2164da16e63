//! The guest in Python, made as users make theirs: with componentize-py in an environment
//! of its own, which is made here.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use dacapo_cli::guest_build::{self, Messages};
use tokio::sync::OnceCell;

use crate::guests::root;

const GUEST: &str = "tests/guests-python";

/// What the environment has besides the SDK of this checkout.
const PACKAGES: &str = "componentize-py>=0.25,<0.26";

/// The component with all behaviours. Made again only if something has changed.
pub async fn python_guest() -> Bytes {
    static BUILT: OnceCell<Bytes> = OnceCell::const_new();
    BUILT.get_or_init(build).await.clone()
}

/// The Python of the guest's environment.
pub fn python_of_guest() -> PathBuf {
    root().join(GUEST).join(".venv/bin/python")
}

async fn build() -> Bytes {
    // Several test programs may get here at once.
    let lock = tokio::task::spawn_blocking(|| {
        let target = root().join("target");
        std::fs::create_dir_all(&target).expect("the folder can be made");
        let lock = File::create(target.join("guests-python.lock")).expect("a lock file");
        lock.lock().expect("the lock file can be locked");
        ensure_environment(&root().join(GUEST));
        lock
    });
    let _lock = lock.await.expect("the environment is there");
    let folder = root().join(GUEST);
    let built = guest_build::build(&folder, None, Messages::Kept).await;
    let built = built.unwrap_or_else(|error| panic!("{GUEST}: {error}"));
    let component = &built.first().expect("it makes a component").component;
    std::fs::read(component).expect("it can be read").into()
}

fn ensure_environment(folder: &Path) {
    let environment = folder.join(".venv");
    let installed = environment.join("installed-for");
    if std::fs::read_to_string(&installed).is_ok_and(|is| is == PACKAGES) {
        return;
    }
    run("python3", &["-m", "venv", "--clear", &environment.display().to_string()]);
    let python = python_of_guest().display().to_string();
    run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGES]);
    // As `pip install --editable` would, without a tool that builds packages.
    let sdk = root().join("guest-sdk/python/src").display().to_string();
    let link = "import sys, pathlib, sysconfig
pathlib.Path(sysconfig.get_path('purelib'), 'dacapo.pth').write_text(sys.argv[1] + '\\n')";
    run(&python, &["-c", link, &sdk]);
    std::fs::write(installed, PACKAGES).expect("it can be noted");
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!(
            "the tests of the Python SDK need Python 3.11 or later with venv ({program}: {error}): \
             install it, for example with `apt install python3 python3-venv`"
        )
    });
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {}: {said}", arguments.join(" "));
}
