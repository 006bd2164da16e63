//! Builds a project in any of several languages into components, with the user's tools.
//!
//! What a language needs is one folder of `languages`; the table is in `languages/mod.rs`.

mod component;
mod error;
mod languages;
mod lock;
mod new;
mod tool;
mod wit;

use std::path::{Path, PathBuf};

pub use self::error::BuildError;
pub use self::languages::Language;
pub use self::new::{NewError, NewProject, create};

/// A component that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The name of its package.
    pub package: String,
    /// Where it is.
    pub component: PathBuf,
}

/// What becomes of what the compiler says while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Messages {
    /// It goes to standard error as it comes: a person waits for the build.
    Shown,
    /// It is kept, and told if the build fails.
    Kept,
}

/// How to build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How<'a> {
    /// Where a compiler that keeps its files elsewhere by itself puts them instead.
    target_dir: Option<&'a Path>,
    messages: Messages,
}

/// Builds the project in `folder`, in the language that its files tell. `target_dir` is
/// where cargo puts its files, instead of the crate's own place for them. One component
/// for each package that makes one.
pub async fn build(
    folder: &Path,
    target_dir: Option<&Path>,
    messages: Messages,
) -> Result<Vec<Built>, BuildError> {
    let language = Language::required(folder)?;
    let _lock = match language.locks_itself() {
        true => None,
        false => Some(lock::take(folder, messages).await?),
    };
    let built = language.build(folder, How { target_dir, messages }).await?;
    if built.is_empty() {
        return Err(BuildError::NoComponent { folder: folder.to_path_buf() });
    }
    Ok(built)
}

/// The folders on this machine whose files go into the project in `folder`: its own, and
/// those of what it depends on by path.
pub async fn source_folders(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    Language::required(folder)?.source_folders(folder).await
}

/// JSON that the workflow of a project can be started with; `Some("null")` if it takes
/// nothing. None if its source, which is only looked at, does not say. Blocks.
pub fn example_input(folder: &Path, workflow: &str) -> Option<String> {
    Language::of(folder)?.example_input(folder, workflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_without_a_project_is_refused_and_what_is_looked_for_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let error = build(folder.path(), None, Messages::Kept).await.expect_err("refused");
        assert!(matches!(error, BuildError::NoProject { .. }), "{error}");
        for language in Language::ALL {
            assert!(error.to_string().contains(language.manifest()), "{error}");
        }
    }
}
