//! The contract that components are built against, carried in the program, so that a
//! project needs no copy of it.

use std::path::Path;
use std::{fs, io};

macro_rules! wit {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../wit/", $file)))),+]
    };
}

/// The files of the folder `wit`.
pub(crate) const FILES: &[(&str, &str)] = wit![
    "activities.wit",
    "after-end.wit",
    "attributes.wit",
    "children.wit",
    "context.wit",
    "diagnostics.wit",
    "external.wit",
    "module-activities.wit",
    "operations.wit",
    "queries.wit",
    "side-effects.wit",
    "task-queues.wit",
    "types.wit",
    "updates.wit",
    "versions.wit",
    "world.wit",
];

/// What SDKs use of WASI's HTTP, as dependencies of a world of their own.
const HTTP: &[(&str, &str)] = &[
    ("clocks.wit", include_str!("../../../guest-sdk/python/component/wit/deps/clocks.wit")),
    ("http.wit", include_str!("../../../guest-sdk/python/component/wit/deps/http.wit")),
    ("io.wit", include_str!("../../../guest-sdk/python/component/wit/deps/io.wit")),
];

/// Writes a world that adds HTTP to the contract, and both of them beside it.
pub(crate) fn write_with_http(folder: &Path, world: &str) -> io::Result<()> {
    let dependencies = folder.join("deps");
    empty(folder)?;
    fs::write(folder.join("world.wit"), world)?;
    write(&dependencies.join("dacapo"))?;
    HTTP.iter().try_for_each(|(name, text)| fs::write(dependencies.join(name), text))
}

/// Writes the contract into a folder, and nothing else stays there.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    empty(folder)?;
    FILES.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}

fn empty(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(folder),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_of_the_contract_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let there: BTreeSet<_> = folder
            .read_dir()
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".wit"))
            .collect();
        let carried: BTreeSet<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(carried, there);
    }
}
