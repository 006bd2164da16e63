//! Why there is no component.

use std::path::PathBuf;

use crate::languages::Language;

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Nothing to build.
    #[error("{} holds no {}; name the folder of a project", folder.display(), manifests())]
    NoProject {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A program is missing.
    #[error("can't run `{program}`; {advice}")]
    Program {
        /// Which one.
        program: String,
        /// How to get it.
        advice: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Something that the build needs is missing, or too old.
    #[error("{what}: {advice}")]
    Missing {
        /// What is wrong.
        what: String,
        /// What to do.
        advice: String,
    },
    /// The compiler can't compile for WebAssembly, and could not be made to.
    #[error("the Rust toolchain has no standard library for {target}: {advice}")]
    NoTarget {
        /// What it should compile for.
        target: &'static str,
        /// What to do.
        advice: String,
    },
    /// The code does not compile.
    #[error("the build failed{}", after_colon(.messages))]
    Failed {
        /// What the compiler said; nothing if it was shown already.
        messages: String,
    },
    /// Files of the build can't be written or read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The project compiles, but not into a component.
    #[error("{} builds no component{}", folder.display(), no_component_advice(folder))]
    NoComponent {
        /// Its folder.
        folder: PathBuf,
    },
}

/// `Cargo.toml or package.json`.
fn manifests() -> String {
    let names = Language::ALL.map(Language::manifest);
    let (last, others) = names.split_last().expect("there are languages");
    if others.is_empty() { (*last).to_owned() } else { format!("{} or {last}", others.join(", ")) }
}

fn no_component_advice(folder: &std::path::Path) -> String {
    match Language::of(folder).and_then(Language::no_component_advice) {
        Some(advice) => format!("; {advice}"),
        None => String::new(),
    }
}

fn after_colon(messages: &str) -> String {
    if messages.is_empty() { String::new() } else { format!(":\n{messages}") }
}
