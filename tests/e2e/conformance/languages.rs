//! The languages: one row for each. `guest-sdk/conformance.md` says what it has.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use dacapo_tests::{GO, ZIG, built, built_with, guest, python_guest};
use futures::future::{FutureExt as _, LocalBoxFuture};

/// A language with an SDK.
pub(crate) struct Language {
    /// As the table has it.
    pub(crate) name: &'static str,
    /// Its guest.
    pub(crate) component: fn() -> LocalBoxFuture<'static, Bytes>,
    /// How the files of the guest begin in reports.
    pub(crate) source: &'static str,
}

/// The languages that are played: all, or the first and those that `DACAPO_CONFORMANCE` names,
/// while one works on an SDK.
pub(crate) fn chosen() -> Vec<&'static Language> {
    match std::env::var("DACAPO_CONFORMANCE") {
        Ok(names) => {
            named(&names).unwrap_or_else(|problem| panic!("DACAPO_CONFORMANCE: {problem}"))
        }
        Err(_) => LANGUAGES.iter().collect(),
    }
}

/// The first, and those with these names.
fn named(names: &str) -> Result<Vec<&'static Language>, String> {
    let known = LANGUAGES.iter().map(|language| language.name);
    let names: Vec<_> = names.split(',').map(str::trim).collect();
    if let Some(unknown) = names.iter().find(|name| !known.clone().any(|it| it == **name)) {
        let known: Vec<_> = known.collect();
        return Err(format!("there is no language `{unknown}`; there are {}", known.join(", ")));
    }
    let (first, others) = LANGUAGES.split_first().expect("there are languages");
    let others = others.iter().filter(|language| names.contains(&language.name));
    Ok(std::iter::once(first).chain(others).collect())
}

#[test]
fn a_language_that_is_misspelt_is_refused_and_the_others_named() {
    let names = |languages: Vec<&Language>| -> Vec<_> {
        languages.into_iter().map(|language| language.name).collect()
    };
    assert_eq!(named("C, Go").map(names), Ok(vec!["Rust", "Go", "C"]));
    assert_eq!(named("Rust").map(names), Ok(vec!["Rust"]));
    let refused = named("C,go").map(names).expect_err("refused");
    assert!(refused.contains("`go`") && refused.contains("TypeScript on QuickJS"), "{refused}");
}

/// The first is what the others are compared with.
pub(crate) const LANGUAGES: &[Language] = &[
    Language { name: "Rust", component: rust, source: "conformance/src/" },
    Language { name: "TypeScript", component: typescript, source: "src/" },
    Language { name: "TypeScript on QuickJS", component: quickjs, source: "src/" },
    Language { name: "Python", component: python, source: "conformance/" },
    Language { name: "Go", component: go, source: "conformance/" },
    Language { name: "C", component: c, source: "src/" },
];

fn rust() -> LocalBoxFuture<'static, Bytes> {
    async { guest("conformance") }.boxed_local()
}

fn typescript() -> LocalBoxFuture<'static, Bytes> {
    async {
        let folder = root().join("tests/guests-js");
        locked(&folder, || install_packages(&folder));
        built(&folder).await
    }
    .boxed_local()
}

/// The same sources.
fn quickjs() -> LocalBoxFuture<'static, Bytes> {
    async {
        let folder = root().join("tests/guests-js/quickjs");
        // They are part of the project beside it, and use its packages.
        let beside = root().join("tests/guests-js");
        locked(&beside, || install_packages(&beside));
        locked(&folder, || install_packages(&folder));
        built(&folder).await
    }
    .boxed_local()
}

fn python() -> LocalBoxFuture<'static, Bytes> {
    python_guest().boxed_local()
}

pub(crate) fn go() -> LocalBoxFuture<'static, Bytes> {
    built_with(GO, "tests/guests-go").boxed_local()
}

pub(crate) fn c() -> LocalBoxFuture<'static, Bytes> {
    built_with(ZIG, "tests/guests-c").boxed_local()
}

/// What npm installs for the guest, unless it is there already.
fn install_packages(folder: &Path) {
    let wanted = std::fs::read(folder.join("package.json")).expect("the guest has a package.json");
    let installed = folder.join("node_modules/.installed-for.json");
    if std::fs::read(&installed).is_ok_and(|is| is == wanted) {
        return;
    }
    let done = Command::new("npm")
        // Without a lock file: it would name the registry of whoever made it.
        .args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"])
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "the tests of the TypeScript SDK need node 20 or later and npm ({error}): install \
                 them, for example with `brew install node`, or see https://nodejs.org"
            )
        });
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "npm can't install what {} needs: {said}", folder.display());
    std::fs::write(installed, wanted).expect("it can be noted");
}

/// Only one program at a time.
fn locked(folder: &Path, then: impl FnOnce()) {
    let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
    let target = root().join("target");
    std::fs::create_dir_all(&target).expect("the folder can be made");
    let lock = File::create(target.join(format!("{name}.lock"))).expect("a file can be made");
    lock.lock().expect("it can be locked");
    then();
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the repository")
}
