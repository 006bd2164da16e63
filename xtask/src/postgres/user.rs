//! Who runs the server: PostgreSQL refuses to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Users that exist to have few rights, the better one first.
const UNPRIVILEGED: &[&str] = &["postgres", "nobody"];

/// The user that owns the server's files and runs its programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerUser {
    /// Whoever runs this.
    Current,
    /// Somebody else, because we are root.
    Other { uid: u32, gid: u32 },
}

impl ServerUser {
    /// Chooses one.
    pub(crate) fn choose() -> Result<Self> {
        if !is_root()? {
            return Ok(Self::Current);
        }
        for name in UNPRIVILEGED {
            if let (Ok(uid), Ok(gid)) = (id(&["-u", name]), id(&["-g", name])) {
                return Ok(Self::Other { uid, gid });
            }
        }
        bail!("PostgreSQL does not run as root: add a user named `postgres`, or set DATABASE_URL")
    }

    /// A command that runs as this user, in a folder that it may enter.
    pub(crate) fn command(self, program: impl AsRef<Path>, folder: &Path) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(folder);
        if let Self::Other { uid, gid } = self {
            // The groups of root go as well: the standard library sees to it.
            command.uid(uid).gid(gid).env("HOME", folder);
        }
        command
    }

    /// Hands a folder over to this user.
    pub(crate) fn give(self, folder: &Path) -> Result<()> {
        match self {
            Self::Current => Ok(()),
            Self::Other { uid, gid } => chown(folder, Some(uid), Some(gid))
                .with_context(|| format!("can't hand {} to user {uid}", folder.display())),
        }
    }

    /// Whether this user gets into a folder of its own and may write there. A
    /// checkout below `/root` is not reachable for others.
    pub(crate) fn can_use(self, folder: &Path) -> bool {
        let mut test = self.command("/bin/sh", Path::new("/"));
        process::succeeds(test.args(["-c", "cd \"$1\" && test -w .", "sh"]).arg(folder))
    }
}

/// Who we are.
pub(crate) fn current() -> Result<u32> {
    id(&["-u"])
}

/// Whether we are root.
pub(crate) fn is_root() -> Result<bool> {
    Ok(current()? == 0)
}

fn id(arguments: &[&str]) -> Result<u32> {
    let text = process::output(Command::new("id").args(arguments))?;
    text.trim().parse().with_context(|| format!("`id` printed {text:?}, which is no number"))
}
