//! Who may know whom. The layers are the design; see ARCHITECTURE.md.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::process;

/// What a crate may depend on among the others, and which foreign crates would
/// betray its purpose.
struct Rule {
    name: &'static str,
    may_know: &'static [&'static str],
    never: &'static [&'static str],
}

const RULES: &[Rule] = &[
    Rule {
        name: "dacapo-model",
        may_know: &[],
        never: &["async-trait", "axum", "rand", "sqlx", "tokio", "wasmtime"],
    },
    Rule {
        name: "dacapo-engine",
        may_know: &["dacapo-model"],
        never: &["axum", "rand", "sqlx", "tokio", "wasmtime"],
    },
    Rule {
        name: "dacapo-filter",
        may_know: &["dacapo-model"],
        never: &["async-trait", "axum", "rand", "sqlx", "tokio", "wasmtime"],
    },
    Rule {
        name: "dacapo-store",
        may_know: &["dacapo-model", "dacapo-filter"],
        never: &["axum", "sqlx", "wasmtime"],
    },
    Rule {
        name: "dacapo-store-postgres",
        may_know: &["dacapo-model", "dacapo-filter", "dacapo-store"],
        never: &["axum", "wasmtime"],
    },
    Rule {
        name: "dacapo-store-sqlite",
        may_know: &["dacapo-model", "dacapo-filter", "dacapo-store"],
        never: &["axum", "wasmtime"],
    },
    Rule {
        name: "dacapo-store-encrypted",
        may_know: &["dacapo-model", "dacapo-store"],
        never: &["axum", "sqlx", "wasmtime"],
    },
    Rule {
        name: "dacapo-host",
        may_know: &["dacapo-model", "dacapo-engine"],
        never: &["axum", "sqlx"],
    },
    Rule {
        name: "dacapo-schedule",
        may_know: &["dacapo-model"],
        never: &["axum", "rand", "sqlx", "tokio", "wasmtime"],
    },
    Rule {
        name: "dacapo-service",
        may_know: &[
            "dacapo-model",
            "dacapo-engine",
            "dacapo-filter",
            "dacapo-schedule",
            "dacapo-store",
        ],
        never: &["axum", "sqlx", "wasmtime"],
    },
    Rule {
        name: "dacapo-api",
        may_know: &["dacapo-model", "dacapo-service"],
        never: &["sqlx", "wasmtime"],
    },
    Rule {
        name: "dacapo-cli",
        may_know: &[
            "dacapo-model",
            "dacapo-engine",
            "dacapo-store",
            "dacapo-store-encrypted",
            "dacapo-store-postgres",
            "dacapo-store-sqlite",
            "dacapo-host",
            "dacapo-service",
            "dacapo-api",
            "dacapo-guest-build",
            "dacapo-worker",
        ],
        never: &["sqlx"],
    },
    Rule { name: "dacapo-guest-build", may_know: &[], never: &["axum", "sqlx", "wasmtime"] },
    Rule {
        name: "dacapo-testing",
        may_know: &[
            "dacapo-model",
            "dacapo-engine",
            "dacapo-store",
            "dacapo-host",
            "dacapo-service",
            "dacapo-guest-build",
        ],
        never: &["axum", "sqlx", "wasmtime"],
    },
    // Users take it alone.
    Rule {
        name: "dacapo-worker",
        may_know: &[],
        never: &["anyhow", "axum", "clap", "sqlx", "uuid", "wasmtime"],
    },
];

/// The folders of crates that have a rule.
const RULED: &[&str] = &["runtime", "worker-sdk"];

/// The workspaces that are compiled for guests. They know `wit/` only.
const GUESTS: &[&str] = &["guest-sdk/rust", "tests/guests", "examples/checkout", "bench/guest"];

/// A crate of a workspace and what its manifest names.
#[derive(Clone)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// The folder of its manifest.
    pub(crate) folder: String,
    /// All kinds of dependencies.
    pub(crate) dependencies: Vec<Dependency>,
}

/// One entry of a manifest.
#[derive(Clone)]
pub(crate) struct Dependency {
    /// The crate's name in the registry.
    pub(crate) name: String,
    /// Where it is, if it is one of ours.
    pub(crate) path: Option<String>,
    /// Needed by tests only. Those may use all layers below, not just the next.
    pub(crate) for_tests: bool,
}

/// The crates of the workspace in `folder`, as cargo reads them.
pub(crate) fn packages(folder: &Path) -> Result<Vec<Package>> {
    let text = process::output(
        process::cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(folder),
    )?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    packages.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let manifest = text(&value["manifest_path"]).context("a package without a manifest")?;
    let folder = manifest.trim_end_matches("/Cargo.toml").to_owned();
    let name = text(&value["name"]).context("a package without a name")?;
    let dependencies =
        value["dependencies"].as_array().context("a package without dependencies")?;
    let dependencies = dependencies
        .iter()
        .map(|dependency| {
            Ok(Dependency {
                name: text(&dependency["name"]).context("a dependency without a name")?,
                path: text(&dependency["path"]),
                for_tests: dependency["kind"] == "dev",
            })
        })
        .collect::<Result<_>>()?;
    Ok(Package { name, folder, dependencies })
}

pub(crate) fn check(root: &Path, packages: &[Package]) -> Vec<String> {
    let ruled: Vec<_> = RULED.iter().map(|folder| root.join(folder)).collect();
    let mut problems = Vec::new();
    for package in packages {
        if ruled.iter().any(|folder| Path::new(&package.folder).starts_with(folder)) {
            match RULES.iter().find(|rule| rule.name == package.name) {
                Some(rule) => problems.extend(breaches(package, rule)),
                None => problems.push(format!(
                    "{}: say in xtask/src/tidy/crates.rs what it may depend on",
                    package.name
                )),
            }
        }
    }
    problems
}

fn breaches(package: &Package, rule: &Rule) -> Vec<String> {
    let mut problems = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let ours = dependency.path.is_some();
        // A crate that names itself turns on its own features for tests.
        let allowed = !ours
            || name == rule.name
            || rule.may_know.contains(&name)
            || (dependency.for_tests && (is_below(name, rule) || is_beside(name, rule)));
        if !allowed {
            problems.push(format!("{} must not depend on {name}: see the layers", rule.name));
        }
        if rule.never.contains(&name) && !dependency.for_tests {
            problems.push(format!("{} must not depend on {name}", rule.name));
        }
    }
    problems
}

/// Whether a crate is in any layer below, not just one that may be known.
fn is_below(name: &str, rule: &Rule) -> bool {
    RULES
        .iter()
        .filter(|lower| rule.may_know.contains(&lower.name))
        .any(|lower| lower.name == name || is_below(name, lower))
}

/// Whether a crate knows the same layers. Tests may hold two back ends against
/// each other.
fn is_beside(name: &str, rule: &Rule) -> bool {
    RULES.iter().any(|other| other.name == name && other.may_know == rule.may_know)
}

/// The crates of all workspaces of guests.
pub(crate) fn guest_packages(root: &Path) -> Result<Vec<Package>> {
    let mut all = Vec::new();
    for workspace in GUESTS {
        all.extend(packages(&root.join(workspace))?);
    }
    Ok(all)
}

/// A guest that knew a crate of the runtime would be no guest.
pub(crate) fn check_guests(root: &Path, packages: &[Package]) -> Vec<String> {
    let runtime = root.join("runtime");
    let mut problems = Vec::new();
    for package in packages {
        for dependency in &package.dependencies {
            if dependency.path.as_ref().is_some_and(|path| Path::new(path).starts_with(&runtime)) {
                problems.push(format!(
                    "{} must not depend on {}: guests know wit/ only",
                    package.name, dependency.name
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> &'static Rule {
        RULES.iter().find(|rule| rule.name == name).expect("a rule")
    }

    fn package_with(name: &str, dependency: Dependency) -> Package {
        Package { name: name.to_owned(), folder: String::new(), dependencies: vec![dependency] }
    }

    fn ours(name: &str) -> Dependency {
        Dependency { name: name.to_owned(), path: Some(format!("/x/{name}")), for_tests: false }
    }

    #[test]
    fn a_lower_layer_may_be_known_and_a_higher_one_may_not() {
        let name = "dacapo-engine";
        assert!(breaches(&package_with(name, ours("dacapo-model")), rule(name)).is_empty());
        assert_eq!(breaches(&package_with(name, ours("dacapo-service")), rule(name)).len(), 1);
    }

    #[test]
    fn tests_may_hold_two_back_ends_against_each_other() {
        let name = "dacapo-store-postgres";
        let sqlite = |for_tests| Dependency { for_tests, ..ours("dacapo-store-sqlite") };
        assert_eq!(breaches(&package_with(name, sqlite(false)), rule(name)).len(), 1);
        assert!(breaches(&package_with(name, sqlite(true)), rule(name)).is_empty());
    }

    #[test]
    fn a_library_for_workers_knows_no_crate_of_the_runtime() {
        let name = "dacapo-worker";
        assert_eq!(breaches(&package_with(name, ours("dacapo-model")), rule(name)).len(), 1);
        assert!(breaches(&package_with("dacapo-cli", ours(name)), rule("dacapo-cli")).is_empty());
        let nameless = Package {
            name: "another".to_owned(),
            folder: "/x/worker-sdk/another".to_owned(),
            dependencies: Vec::new(),
        };
        assert_eq!(check(Path::new("/x"), &[nameless]).len(), 1, "it has to have a rule");
    }

    #[test]
    fn tests_may_know_all_layers_below() {
        let name = "dacapo-api";
        let engine = |for_tests| Dependency { for_tests, ..ours("dacapo-engine") };
        assert_eq!(breaches(&package_with(name, engine(false)), rule(name)).len(), 1);
        assert!(breaches(&package_with(name, engine(true)), rule(name)).is_empty());
        let host = Dependency { for_tests: true, ..ours("dacapo-host") };
        assert_eq!(breaches(&package_with(name, host), rule(name)).len(), 1);
    }

    #[test]
    fn a_guest_must_not_know_the_runtime() {
        let root = Path::new("/x");
        let model = Dependency { path: Some("/x/runtime/model".to_owned()), ..ours("model") };
        assert_eq!(check_guests(root, &[package_with("guest", model)]).len(), 1);
        let sdk = Dependency { path: Some("/x/guest-sdk/rust".to_owned()), ..ours("dacapo") };
        assert!(check_guests(root, &[package_with("guest", sdk)]).is_empty());
    }

    #[test]
    fn a_foreign_crate_is_refused_where_it_does_not_belong() {
        let tokio = |for_tests| Dependency { name: "tokio".to_owned(), path: None, for_tests };
        let name = "dacapo-engine";
        assert_eq!(breaches(&package_with(name, tokio(false)), rule(name)).len(), 1);
        assert!(breaches(&package_with(name, tokio(true)), rule(name)).is_empty());
    }

    #[test]
    fn the_layers_have_no_cycle() {
        for rule in RULES {
            for lower in rule.may_know {
                assert!(!self::rule(lower).may_know.contains(&rule.name), "{} {lower}", rule.name);
            }
        }
    }
}
