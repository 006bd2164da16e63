//! Installing the server, where that needs nobody's password.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::binaries::{Binaries, OLDEST};
use super::user;
use crate::process;

/// A package manager and what it has to do.
struct Manager {
    program: &'static str,
    /// Each one is the arguments of one call.
    calls: &'static [&'static [&'static str]],
    needs_root: bool,
}

const MANAGERS: &[Manager] = &[
    Manager {
        program: "apt-get",
        calls: &[&["update", "-q"], &["install", "-qy", "--no-install-recommends", "postgresql"]],
        needs_root: true,
    },
    Manager {
        program: "dnf",
        calls: &[&["install", "-qy", "postgresql-server"]],
        needs_root: true,
    },
    Manager { program: "apk", calls: &[&["add", "--no-cache", "postgresql"]], needs_root: true },
    Manager { program: "brew", calls: &[&["install", "postgresql@17"]], needs_root: false },
];

/// Installs PostgreSQL with the machine's own package manager.
pub(crate) fn install() -> Result<Binaries> {
    let advice = format!(
        "no PostgreSQL server found: install PostgreSQL {OLDEST} or newer, or set DATABASE_URL"
    );
    let Some(manager) = MANAGERS.iter().find(|one| process::on_path(one.program).is_some()) else {
        bail!(advice);
    };
    let Some(prefix) = prefix(manager)? else {
        bail!("{advice} (`sudo {} {}`)", manager.program, last_call(manager));
    };
    process::announce(&format!("installing PostgreSQL with {}", manager.program));
    for arguments in manager.calls {
        let words = [prefix, &[manager.program], *arguments].concat();
        process::must(Command::new(words[0]).args(&words[1..])).with_context(|| advice.clone())?;
    }
    Binaries::find().with_context(|| {
        format!("{} installed no PostgreSQL {OLDEST} or newer: install one", manager.program)
    })
}

/// What to put before the package manager, or None if it may not be run.
fn prefix(manager: &Manager) -> Result<Option<&'static [&'static str]>> {
    const ROOT: &[&str] = &["env", "DEBIAN_FRONTEND=noninteractive"];
    const SUDO: &[&str] = &["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"];
    let prefix = match (user::is_root()?, manager.needs_root) {
        (true, true) => Some(ROOT),
        (false, false) => Some(&[][..]),
        // Homebrew refuses to run as root.
        (true, false) => None,
        (false, true) => {
            process::succeeds(Command::new("sudo").args(["-n", "true"])).then_some(SUDO)
        }
    };
    Ok(prefix)
}

fn last_call(manager: &Manager) -> String {
    manager.calls.last().map(|arguments| arguments.join(" ")).unwrap_or_default()
}
