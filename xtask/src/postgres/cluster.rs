//! One throw-away database cluster: started, used, stopped, deleted.
//!
//! Each cluster has a *slot*: a folder, and beside it a lock file that is held
//! by whoever uses it. The system releases the lock when the process ends, in
//! whatever way, so a slot whose lock is free holds nothing that anybody needs.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};

use super::binaries::Binaries;
use super::user::{self, ServerUser};
use crate::process;

/// How many commands may have a server at a time.
const SLOTS: u32 = 16;

/// A free port may be taken by another process before the server has it.
const START_ATTEMPTS: u32 = 3;

/// Waits until its input ends, which happens when the process that started it
/// ends, killed or not. Then it stops the server. Signals of the terminal are
/// not for it.
const GUARD: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
"$1" -D "$2" -m immediate -w stop >/dev/null 2>&1
rm -rf "$2"
"#;

/// A running server. Dropping it stops it and deletes its files.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    slot: PathBuf,
    user: ServerUser,
    binaries: Binaries,
    guard: Child,
    _lock: File,
}

impl Cluster {
    /// Makes a cluster and starts its server, on this machine's loopback
    /// address only. `settings` are lines for its configuration file.
    pub fn start(root: &Path, binaries: &Binaries, settings: &str) -> Result<Self> {
        Self::make(root, binaries, settings, |user, slot, data| {
            let mut initdb = user.command(binaries.program("initdb"), slot);
            initdb.arg("-D").arg(data);
            initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
            process::output(&mut initdb).map(drop)
        })
    }

    /// Starts a server on a copy of a base backup of another one. It recovers as `settings`
    /// say.
    pub fn recover(
        root: &Path,
        binaries: &Binaries,
        backup: &Path,
        settings: &str,
    ) -> Result<Self> {
        Self::make(root, binaries, settings, |user, slot, data| {
            let mut copy = user.command("/bin/cp", slot);
            process::output(copy.arg("-a").arg(backup).arg(data))?;
            let mut signal = user.command("/usr/bin/touch", slot);
            process::output(signal.arg(data.join("recovery.signal"))).map(drop)
        })
    }

    fn make(
        root: &Path,
        binaries: &Binaries,
        settings: &str,
        fill: impl FnOnce(ServerUser, &Path, &Path) -> Result<()>,
    ) -> Result<Self> {
        let user = ServerUser::choose()?;
        let base = base(root, user)?;
        let (slot, lock) = take_slot(&base, binaries, user)?;
        let data = slot.join("data");

        make_folder(&slot, 0o700)?;
        user.give(&slot)?;
        fill(user, &slot, &data)?;

        let mut guard = user.command("/bin/sh", &slot);
        guard.args(["-c", GUARD, "postgres-guard"]).arg(binaries.program("pg_ctl")).arg(&data);
        // A group of its own: Ctrl-C goes to ours.
        guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guard = guard.spawn().context("can't start the process that stops the server")?;

        // From here on, giving up stops and deletes what there is.
        let binaries = binaries.clone();
        let mut cluster = Self { url: String::new(), slot, user, binaries, guard, _lock: lock };
        let port = launch(&data, &cluster.slot.join("log"), &cluster.binaries, user, settings)?;
        cluster.url = format!("postgres://postgres@{}:{port}/postgres", Ipv4Addr::LOCALHOST);
        Ok(cluster)
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder of the server's user, with all that belongs to the server in it: its data are
    /// in `data`. Gone with the server.
    pub fn folder(&self) -> &Path {
        &self.slot
    }

    /// One of PostgreSQL's programs, to be run as the server's user.
    pub fn command(&self, program: &str) -> Command {
        self.user.command(self.binaries.program(program), &self.slot)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let stopped = self.guard.wait();
        if let Err(error) = stopped.and_then(|_| fs::remove_dir_all(&self.slot)) {
            process::complain(&format!("can't remove {}: {error}", self.slot.display()));
        }
    }
}

/// A folder for the slots that the server's user can reach.
fn base(root: &Path, user: ServerUser) -> Result<PathBuf> {
    let inside = root.join("target/postgres");
    if is_usable(&inside, user)? {
        return Ok(inside);
    }
    let me = user::current()?;
    let outside = std::env::temp_dir().join(format!("dacapo-postgres-{me}"));
    make_folder(&outside, 0o755)?;
    // Everybody may write in its parent, so it counts only if it is ours.
    let found = fs::symlink_metadata(&outside)?;
    if !found.is_dir() || found.uid() != me || !is_usable(&outside, user)? {
        bail!(
            "neither {} nor {} can be used for a database: set DATABASE_URL to a server's address",
            inside.display(),
            outside.display()
        );
    }
    Ok(outside)
}

/// Whether the server's user can work in folders that we make in `base`.
fn is_usable(base: &Path, user: ServerUser) -> Result<bool> {
    static PROBES: AtomicU32 = AtomicU32::new(0);
    make_folder(base, 0o755)?;
    let number = PROBES.fetch_add(1, Ordering::Relaxed);
    let probe = base.join(format!("probe-{}-{number}", std::process::id()));
    make_folder(&probe, 0o700)?;
    let usable = user.give(&probe).is_ok() && user.can_use(&probe);
    fs::remove_dir(&probe).with_context(|| format!("can't remove {}", probe.display()))?;
    Ok(usable)
}

/// Finds a free slot, and clears every slot that a killed process left behind.
fn take_slot(base: &Path, binaries: &Binaries, user: ServerUser) -> Result<(PathBuf, File)> {
    let mut mine = None;
    for number in 0..SLOTS {
        let slot = base.join(number.to_string());
        let path = base.join(format!("{number}.lock"));
        if mine.is_some() && !slot.exists() {
            continue;
        }
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.with_context(|| format!("can't open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => continue,
            Err(fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("can't lock {}", path.display()));
            }
        }
        if slot.exists() {
            clear(&slot, binaries, user)?;
        }
        mine.get_or_insert((slot, lock));
    }
    mine.with_context(|| format!("all {SLOTS} servers in {} are in use", base.display()))
}

/// Stops what runs in a slot and deletes the slot.
fn clear(slot: &Path, binaries: &Binaries, user: ServerUser) -> Result<()> {
    let data = slot.join("data");
    if let Some(pid) = server_of(&data) {
        process::announce(&format!("stopping PostgreSQL (process {pid}) of a run that was killed"));
        let mut stop = user.command(binaries.program("pg_ctl"), slot);
        process::output(stop.arg("-D").arg(&data).args(["-m", "immediate", "-w", "stop"]))?;
    }
    fs::remove_dir_all(slot).with_context(|| format!("can't remove {}", slot.display()))
}

/// The process that serves `data`. The number in its file may belong to a
/// stranger by now, who must not be stopped: so its command line is read too.
fn server_of(data: &Path) -> Option<u32> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid: u32 = file.lines().next()?.trim().parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline"))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .or_else(|_| {
            process::output(Command::new("ps").args(["-o", "command=", "-p", &pid.to_string()]))
        })
        .ok()?;
    command_line.contains(data.to_str()?).then_some(pid)
}

/// Starts the server and returns its port.
fn launch(
    data: &Path,
    log: &Path,
    binaries: &Binaries,
    user: ServerUser,
    settings: &str,
) -> Result<u16> {
    let folder = data.parent().context("the data folder lies in a slot")?;
    let mut failure = None;
    for _ in 0..START_ATTEMPTS {
        let port = free_port()?;
        configure(data, port, settings)?;
        let mut start = user.command(binaries.program("pg_ctl"), folder);
        start.arg("-D").arg(data).arg("-l").arg(log).args(["-w", "-s", "start"]);
        start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match process::must(&mut start) {
            Ok(()) => return Ok(port),
            Err(error) => failure = Some(error),
        }
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    let error = failure.context("no attempt was made")?;
    Err(error.context(format!("PostgreSQL does not start; its log says:\n{}", said.trim())))
}

/// Added to the defaults. Durability is as in production: the tests kill what
/// writes, and count how long a commit takes.
fn configure(data: &Path, port: u16, more: &str) -> Result<()> {
    let path = data.join("postgresql.conf");
    let settings = format!(
        "\nlisten_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\n\
         max_connections = 200\nfsync = on\nsynchronous_commit = on\n{more}\n"
    );
    let mut file = File::options().append(true).open(&path)?;
    file.write_all(settings.as_bytes()).with_context(|| format!("can't write {}", path.display()))
}

fn free_port() -> Result<u16> {
    let socket =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(socket.local_addr()?.port())
}

fn make_folder(path: &Path, mode: u32) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("can't make {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_got_the_number_of_a_dead_server_is_left_alone() {
        let data = std::env::temp_dir().join(format!("xtask-stranger-{}", std::process::id()));
        make_folder(&data, 0o700).expect("a folder for the test");
        let us = format!("{}\n{}\n", std::process::id(), data.display());
        fs::write(data.join("postmaster.pid"), us).expect("its file");
        let server = server_of(&data);
        fs::remove_dir_all(&data).expect("removing it again");
        assert_eq!(server, None);
    }
}
