//! Who may know whom inside the service. A request goes down through its modules; see
//! "The way of a request" in ARCHITECTURE.md.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

const SOURCES: &str = "runtime/service/src";

/// What a module of the service must not import.
struct Rule {
    module: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

/// What is some modules' own, and would lose its meaning if others did it, too.
struct Kept {
    code: &'static str,
    by: &'static [&'static str],
    instead: &'static str,
}

const KEPT: &[Kept] = &[
    // That a run is not in memory says nothing about whether it is open.
    Kept { code: ".by_run(", by: &["delivery"], instead: "ask `delivery` where the run is" },
    Kept { code: ".by_workflow(", by: &["delivery"], instead: "ask `delivery` where the run is" },
    // What a namespace may do can differ from others, and change.
    Kept {
        code: "config.limits",
        by: &["runtime", "tenancy"],
        instead: "ask the `Tenant`, or `tenancy` for the policy of the run's namespace",
    },
    Kept {
        code: "check_namespace",
        by: &["tenancy"],
        instead: "take a `Tenant`, whose namespace is there",
    },
];

const RULES: &[Rule] = &[
    Rule {
        module: "delivery",
        never: &[
            "activities",
            "catalog",
            "committer",
            "loader",
            "operations",
            "relations",
            "timers",
        ],
        why: "where a run is does not depend on what it is told",
    },
    Rule {
        module: "types",
        never: &["catalog", "delivery", "operations", "relations", "run", "runtime"],
        why: "data describes, and all may use it",
    },
    Rule {
        module: "operations",
        never: &["activities", "committer", "loader", "ownership", "residency", "timers"],
        why: "an operation changes a run by telling its actor, and in no other way",
    },
    Rule {
        module: "relations",
        never: &["activities", "committer", "loader", "ownership", "residency", "timers"],
        why: "runs reach each other as clients do",
    },
    Rule {
        module: "run",
        never: &["operations", "ownership", "recovery", "timers"],
        why: "an actor knows its run, and not how the node came by it",
    },
    Rule {
        module: "activities",
        never: &["catalog", "committer", "loader", "operations", "ownership", "relations"],
        why: "an attempt tells its run what came of it, and in no other way",
    },
    Rule {
        module: "builtin",
        never: &[
            "activities",
            "catalog",
            "committer",
            "delivery",
            "loader",
            "operations",
            "ownership",
            "relations",
            "run",
            "runtime",
            "timers",
        ],
        why: "a built-in workflow knows what its history says, as any guest",
    },
    Rule {
        module: "timers",
        never: &["committer", "loader", "operations", "ownership", "relations"],
        why: "a timer wakes a run, and the run decides",
    },
    Rule {
        module: "recovery",
        never: &["activities", "committer", "operations", "timers"],
        why: "recovery hands runs to the actors, which know what is to be done",
    },
    Rule {
        module: "committer",
        never: &["activities", "catalog", "delivery", "operations", "relations", "run", "runtime"],
        why: "the committer writes what it is given, and knows no run",
    },
    Rule {
        module: "loader",
        never: &["activities", "catalog", "delivery", "operations", "relations", "run", "runtime"],
        why: "the loader reads what it is asked for, and knows no run",
    },
    Rule {
        module: "ownership",
        never: &[
            "activities",
            "catalog",
            "delivery",
            "operations",
            "relations",
            "run",
            "runtime",
            "timers",
        ],
        why: "who owns the runs does not depend on which there are",
    },
    Rule {
        module: "life",
        never: &["delivery", "operations", "ownership", "relations", "run", "runtime"],
        why: "a task ends with the node, whatever it does",
    },
    Rule {
        module: "hold",
        never: &["delivery", "operations", "relations", "run", "runtime"],
        why: "whether a node may write does not depend on what it writes",
    },
    Rule {
        module: "health",
        never: &["delivery", "operations", "relations", "run", "runtime"],
        why: "whether the store works does not depend on what it is used for",
    },
    Rule {
        module: "capacity",
        never: &["delivery", "operations", "relations", "run", "runtime"],
        why: "there is only so much, whoever uses it",
    },
    Rule {
        module: "tenancy",
        never: &["catalog", "committer", "delivery", "operations", "relations", "run"],
        why: "who calls, and where, is known before anything is asked for",
    },
    Rule {
        module: "catalog",
        never: &["delivery", "operations", "relations", "run", "runtime"],
        why: "which code there is does not depend on who runs it",
    },
];

pub(crate) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for path in files.iter().filter(|path| path.extension() == Some(OsStr::new("rs"))) {
        let Ok(inside) = path.strip_prefix(SOURCES) else { continue };
        let text = fs::read_to_string(root.join(path))
            .with_context(|| format!("can't read {}", path.display()))?;
        problems.extend(problems_of(path, inside, &text));
    }
    Ok(problems)
}

fn problems_of(path: &Path, inside: &Path, text: &str) -> Vec<String> {
    // `timers.rs` and `timers/due.rs` are one module.
    let Some(module) = inside.iter().next().and_then(OsStr::to_str) else { return Vec::new() };
    let module = module.strip_suffix(".rs").unwrap_or(module);
    let rule = RULES.iter().find(|rule| rule.module == module);
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        // Tests are at the end of a file, and may use everything.
        if line == "#[cfg(test)]" {
            break;
        }
        let shown = path.display();
        if let Some(rule) = rule {
            for known in imported(line).into_iter().filter(|it| rule.never.contains(it)) {
                problems.push(format!(
                    "{shown}:{number}: `{module}` must not know `{known}`: {}",
                    rule.why
                ));
            }
        }
        let code = code_of(line);
        for kept in KEPT.iter().filter(|it| !it.by.contains(&module) && code.contains(it.code)) {
            problems.push(format!("{shown}:{number}: {}, not `{}`", kept.instead, kept.code));
        }
    }
    problems
}

/// The modules that a line names from the root of the crate.
fn imported(line: &str) -> Vec<&str> {
    let code = code_of(line);
    let paths = code.match_indices("crate::").map(|(at, root)| &code[at + root.len()..]);
    paths
        .flat_map(|path| match path.strip_prefix('{') {
            // Nothing is nested in the groups that the formatter leaves on one line, but
            // what comes after the first `::` is no module of the crate.
            Some(group) => group.split(", ").map(first_name).collect(),
            None => vec![first_name(path)],
        })
        .collect()
}

/// The line without its comment.
fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn first_name(path: &str) -> &str {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let end = path.find(|character| !is_part(character)).unwrap_or(path.len());
    &path[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(inside: &str, text: &str) -> Vec<String> {
        problems_of(&Path::new(SOURCES).join(inside), Path::new(inside), text)
    }

    #[test]
    fn a_module_is_told_whom_it_must_not_know_and_why() {
        let text = "use crate::error::Result;\nuse crate::committer::Committer;\n";
        let found = problems("operations/signal.rs", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("runtime/service/src/operations/signal.rs:2:"), "{found:?}");
        assert!(found[0].contains("`committer`"), "{found:?}");
        assert_eq!(problems("timers.rs", "crate::operations::started();").len(), 1);
        assert_eq!(problems("timers/due.rs", "crate::operations::started();").len(), 1);
    }

    #[test]
    fn what_has_no_rule_may_know_everything() {
        assert_eq!(
            problems("runtime.rs", "use crate::committer::Committer;"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn only_one_module_looks_for_runs_in_memory() {
        let text = "let run = shared.directory.by_run(run_id);";
        assert_eq!(problems("operations/signal.rs", text).len(), 1);
        assert_eq!(problems("runtime.rs", text).len(), 1);
        assert_eq!(problems("delivery/find.rs", text), Vec::<String>::new());
    }

    #[test]
    fn only_the_door_looks_at_namespaces_and_reads_their_limits() {
        let text = "let bytes_max = shared.config.limits.payload_bytes_max;";
        assert_eq!(problems("run/settle.rs", text).len(), 1);
        assert_eq!(problems("tenancy/namespaces.rs", text), Vec::<String>::new());
        assert_eq!(problems("runtime.rs", text), Vec::<String>::new());
        let text = "shared.catalog.check_namespace(&run.namespace)?;";
        assert_eq!(problems("operations/signal.rs", text).len(), 1);
        assert_eq!(problems("tenancy/tenant.rs", text), Vec::<String>::new());
    }

    #[test]
    fn tests_and_comments_are_free() {
        let text = "// crate::committer\n#[cfg(test)]\nuse crate::committer::Committer;\n";
        assert_eq!(problems("operations/signal.rs", text), Vec::<String>::new());
    }

    #[test]
    fn groups_and_paths_in_code_are_seen() {
        assert_eq!(imported("use crate::{ownership, recovery};"), ["ownership", "recovery"]);
        assert_eq!(imported("    crate::run::spawn(crate::log::of(run));"), ["run", "log"]);
        assert_eq!(imported("use super::run;"), Vec::<&str>::new());
    }

    #[test]
    fn every_rule_is_about_a_module_that_is_there() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(SOURCES);
        let is_there = |module: &str| {
            sources.join(module).is_dir() || sources.join(format!("{module}.rs")).is_file()
        };
        for rule in RULES {
            assert!(is_there(rule.module), "{}", rule.module);
        }
    }
}
