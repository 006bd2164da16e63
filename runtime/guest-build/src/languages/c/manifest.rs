//! `dacapo.toml`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{MANIFEST, files_in};
use crate::component::file;
use crate::error::BuildError;

/// Where the sources are.
const SOURCES: &str = "src";

/// What a project says about itself.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// What its module is called.
    pub(super) name: String,
    /// More arguments of the compiler.
    #[serde(default)]
    pub(super) flags: Vec<String>,
    /// Whether the SDK is compiled with it, which exports what a module has to.
    #[serde(default = "with_sdk")]
    pub(super) sdk: bool,
}

fn with_sdk() -> bool {
    true
}

impl Manifest {
    pub(super) fn read(folder: &Path) -> Result<Self, BuildError> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(|source| file(&path, source))?;
        let unfit = |what: String| BuildError::Missing {
            what: format!("{}: {what}", path.display()),
            advice: "it has `name = \"...\"`, and perhaps `flags = [\"...\"]` and `sdk = false`"
                .to_owned(),
        };
        let manifest: Self = toml::from_str(&text).map_err(|error| unfit(error.to_string()))?;
        let is_allowed = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        let is_name = manifest.name.starts_with(|it: char| it.is_ascii_alphanumeric())
            && manifest.name.chars().all(is_allowed);
        if is_name {
            Ok(manifest)
        } else {
            Err(unfit(format!("no module can be called `{}`", manifest.name)))
        }
    }

    /// The files that are compiled, as the compiler is to name them.
    pub(super) fn sources(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
        let sources = files_in(&folder.join(SOURCES), "c")?;
        if sources.is_empty() {
            return Err(BuildError::Missing {
                what: format!("{} has no file that ends in .c", folder.join(SOURCES).display()),
                advice: "put the workflows there".to_owned(),
            });
        }
        let inside =
            |path: PathBuf| path.strip_prefix(folder).map(Path::to_path_buf).unwrap_or(path);
        Ok(sources.into_iter().map(inside).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Manifest, BuildError> {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::write(folder.path().join(MANIFEST), text).expect("written");
        Manifest::read(folder.path())
    }

    #[test]
    fn a_manifest_that_can_not_be_read_says_what_is_wrong_with_it() {
        let fits = read("name = \"a-b\"\nflags = [\"-DX=1\"]").expect("it fits");
        let flags = vec!["-DX=1".to_owned()];
        assert_eq!(fits, Manifest { name: "a-b".to_owned(), flags, sdk: true });
        for (text, words) in [
            ("", "missing field `name`"),
            ("name = \"x\"\nflag = 1", "unknown field `flag`"),
            ("name = \"../x\"", "no module can be called `../x`"),
        ] {
            let refused = read(text).expect_err("refused").to_string();
            assert!(refused.contains(words) && refused.contains("dacapo.toml"), "{refused}");
        }
    }

    #[test]
    fn all_sources_are_compiled_in_the_same_order_and_named_from_the_project() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::create_dir_all(folder.path().join("src/b")).expect("made");
        assert!(matches!(Manifest::sources(folder.path()), Err(BuildError::Missing { .. })));
        for file in ["src/c.c", "src/a.c", "src/b/x.c", "src/a.h"] {
            fs::write(folder.path().join(file), "").expect("written");
        }
        let sources = Manifest::sources(folder.path()).expect("there are some");
        assert_eq!(sources, ["src/a.c", "src/b/x.c", "src/c.c"].map(PathBuf::from));
    }
}
