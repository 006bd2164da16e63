//! The languages that projects may be written in: a folder for each, and a row here.

mod c;
pub(crate) mod go;
mod javascript;
mod python;
mod rust;

use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::new::TemplateFile;
use crate::{Built, How};

/// A language that projects are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Rust, with cargo.
    Rust,
    /// JavaScript and TypeScript, with node and npm.
    JavaScript,
    /// Python, with componentize-py.
    Python,
    /// Go, with its own toolchain.
    Go,
    /// C, with any clang that knows WASI.
    C,
}

impl Language {
    /// All of them, in the order in which a folder is looked at.
    pub const ALL: [Self; 5] = [Self::Rust, Self::JavaScript, Self::Python, Self::Go, Self::C];

    /// The language of the project in `folder`.
    pub fn of(folder: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|language| folder.join(language.manifest()).is_file())
    }

    pub(crate) fn required(folder: &Path) -> Result<Self, BuildError> {
        Self::of(folder).ok_or_else(|| BuildError::NoProject { folder: folder.to_path_buf() })
    }

    /// As people write it on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "typescript",
            Self::Python => "python",
            Self::Go => "go",
            Self::C => "c",
        }
    }

    /// The file by which a project is known.
    pub fn manifest(self) -> &'static str {
        match self {
            Self::Rust => rust::MANIFEST,
            Self::JavaScript => javascript::MANIFEST,
            Self::Python => python::MANIFEST,
            Self::Go => go::MANIFEST,
            Self::C => c::MANIFEST,
        }
    }

    pub(crate) async fn build(self, folder: &Path, how: How<'_>) -> Result<Vec<Built>, BuildError> {
        match self {
            Self::Rust => rust::build(folder, how).await,
            Self::JavaScript => javascript::build(folder, how).await,
            Self::Python => python::build(folder, how).await,
            Self::Go => go::build(folder, how).await,
            Self::C => c::build(folder, how).await,
        }
    }

    /// Whether two builds of a project at the same time do not disturb each other.
    pub(crate) fn locks_itself(self) -> bool {
        matches!(self, Self::Rust)
    }

    pub(crate) async fn source_folders(self, folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
        match self {
            Self::Rust => rust::source_folders(folder).await,
            Self::JavaScript => javascript::source_folders(folder),
            Self::Python => Ok(python::source_folders(folder)),
            Self::Go => Ok(go::source_folders(folder)),
            Self::C => Ok(c::source_folders(folder)),
        }
    }

    pub(crate) fn example_input(self, folder: &Path, workflow: &str) -> Option<String> {
        match self {
            Self::Rust => rust::example_input(folder, workflow),
            Self::JavaScript | Self::Python | Self::Go | Self::C => None,
        }
    }

    /// What a project lacks that compiles into no component.
    pub(crate) fn no_component_advice(self) -> Option<&'static str> {
        match self {
            Self::Rust => Some(rust::NO_COMPONENT_ADVICE),
            Self::JavaScript | Self::Python | Self::Go | Self::C => None,
        }
    }

    /// The files of a new project.
    pub(crate) fn template(self) -> &'static [TemplateFile] {
        match self {
            Self::Rust => rust::TEMPLATE,
            Self::JavaScript => javascript::TEMPLATE,
            Self::Python => python::TEMPLATE,
            Self::Go => go::TEMPLATE,
            Self::C => c::TEMPLATE,
        }
    }

    /// Whether a new project uses the SDK where it is in a checkout of Dacapo. If not, the SDK
    /// comes with the program.
    pub fn needs_checkout(self) -> bool {
        !matches!(self, Self::C)
    }

    /// What to type in the folder of a new project before anything else.
    pub fn first_step(self) -> Option<&'static str> {
        match self {
            Self::Rust | Self::Go => None,
            Self::JavaScript => Some("npm install"),
            Self::Python => Some(python::FIRST_STEP),
            Self::C => Some(c::FIRST_STEP),
        }
    }
}
