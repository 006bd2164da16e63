//! New projects.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::languages::Language;

/// Characters of a name. It is also a file, a package and a module.
const NAME_LENGTH_MAX: usize = 100;

/// A file of a new project.
#[derive(Debug)]
pub(crate) struct TemplateFile {
    /// Where it goes, from the folder of the project.
    pub(crate) path: &'static str,
    /// With `{{name}}`, `{{ident}}` and `{{checkout}}` for what is not the same in each.
    pub(crate) content: &'static str,
}

/// The files of a folder, which names itself as the `include_str` of the caller sees it.
macro_rules! template {
    ($folder:literal; $($path:literal),+ $(,)?) => {
        &[$(TemplateFile { path: $path, content: include_str!(concat!($folder, $path)) }),+]
    };
}
pub(crate) use template;

/// What to make.
#[derive(Debug)]
pub struct NewProject<'a> {
    /// A folder that is not there yet. Its last part names the project.
    pub folder: &'a Path,
    /// What it is written in.
    pub language: Language,
    /// Where the SDKs are: a checkout of Dacapo, for a language that needs one.
    pub checkout: &'a Path,
}

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// The last part of the path can't be the name of a package.
    #[error(
        "`{name}` can't be the name of a project: use lower-case letters, digits and `-`, \
         begin with a letter, and at most {NAME_LENGTH_MAX} of them"
    )]
    Name {
        /// What it would be.
        name: String,
    },
    /// Something is there already.
    #[error("{} is there already; name a folder that is not", folder.display())]
    Exists {
        /// Which one.
        folder: PathBuf,
    },
    /// It can't be written.
    #[error("can't write {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Makes the folder and its files.
pub fn create(project: &NewProject<'_>) -> Result<(), NewError> {
    let NewProject { folder, language, checkout } = project;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if !is_name(&name) {
        return Err(NewError::Name { name: name.into_owned() });
    }
    if folder.exists() {
        return Err(NewError::Exists { folder: folder.to_path_buf() });
    }
    for file in language.template() {
        let path = folder.join(shown_path(file.path));
        let content = filled(file.content, &name, checkout);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&path, content))
            .map_err(|source| NewError::File { path, source })?;
    }
    Ok(())
}

/// What packages of every language may be called.
fn is_name(name: &str) -> bool {
    let is_allowed = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    name.len() <= NAME_LENGTH_MAX
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name.chars().all(is_allowed)
        && !name.ends_with('-')
}

/// Hidden files are kept under visible names.
fn shown_path(path: &str) -> &str {
    if path == "gitignore" { ".gitignore" } else { path }
}

fn filled(content: &str, name: &str, checkout: &Path) -> String {
    content
        .replace("{{name}}", name)
        .replace("{{ident}}", &name.replace('-', "_"))
        .replace("{{checkout}}", &checkout.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(folder: &Path, language: Language) -> Result<(), NewError> {
        create(&NewProject { folder, language, checkout: Path::new("/checkout") })
    }

    #[test]
    fn a_new_project_of_each_language_is_known_by_its_files_and_has_no_gap() {
        for language in Language::ALL {
            let parent = tempfile::tempdir().expect("temporary folder");
            let folder = parent.path().join("my-greeter");
            project(&folder, language).expect("made");
            assert_eq!(Language::of(&folder), Some(language));
            assert!(folder.join("README.md").is_file() && folder.join(".gitignore").is_file());
            for file in language.template() {
                let text = fs::read_to_string(folder.join(shown_path(file.path))).expect("text");
                assert!(!text.contains("{{"), "{language:?}: {}", file.path);
            }
            let manifest = fs::read_to_string(folder.join(language.manifest())).expect("text");
            assert!(manifest.contains("my-greeter"), "{manifest}");
            assert_eq!(manifest.contains("/checkout/guest-sdk/"), language.needs_checkout());
        }
    }

    #[test]
    fn nothing_is_written_over_and_names_fit_every_language() {
        let parent = tempfile::tempdir().expect("temporary folder");
        let made = project(parent.path(), Language::Rust).expect_err("it is there");
        assert!(matches!(made, NewError::Exists { .. } | NewError::Name { .. }), "{made}");
        for name in ["Greeter", "1st", "a b", "a_b", "-a", "a-", "ä"] {
            let refused = project(&parent.path().join(name), Language::Rust);
            assert!(matches!(refused, Err(NewError::Name { .. })), "{name}");
        }
    }
}
