//! The commands of a README, run as its reader would: in the order in which they stand
//! there, by a shell in the root of the repository.
//!
//! The info string of a block of commands says how:
//!
//! | block | is run | and what the block after it shows |
//! |---|---|---|
//! | `sh` | to its end, which must be a success | is all that it writes |
//! | `sh terminal` | in a terminal of its own, to the end of the README | is waited for |
//! | `sh eventually` | again and again, by a reader who looks at something | is waited for |
//! | `sh skip` | not here | |
//!
//! Servers take any free port here. Where a README shows the address of a terminal's
//! server, the commands after it get the real one instead.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, copy, sink};
use tokio::process::{Child, Command};

use crate::guests::root;
use crate::processes::{clean, program_path};
use crate::shown::{Address, Shown};
use crate::wait::{eventually, within};

/// Where the command line looks for a server that nobody has named.
const USUAL_SERVER: &str = "127.0.0.1:7233";

/// A README of this repository.
#[derive(Debug)]
pub struct Readme {
    path: PathBuf,
    blocks: Vec<Block>,
}

/// What stands between two fences.
#[derive(Debug)]
struct Block {
    line: usize,
    info: String,
    text: String,
    /// Nothing stands between it and the block before.
    follows: bool,
}

impl Readme {
    /// The one at this path in the repository.
    pub fn open(path: &str) -> Self {
        let path = root().join(path);
        let text = std::fs::read_to_string(&path).expect("the README can be read");
        Self { path, blocks: blocks(&text) }
    }

    /// Runs all commands, and fails where one does not do what is shown.
    pub async fn run(&self) {
        let mut reader = Reader::new();
        let mut blocks = self.blocks.iter().peekable();
        while let Some(block) = blocks.next() {
            let shown = blocks.peek().filter(|next| next.follows && !next.info.starts_with("sh"));
            let shown = shown.map(|next| next.text.as_str());
            let place = format!("{}:{}", self.path.display(), block.line);
            match block.info.as_str() {
                "sh" => reader.run(&place, &block.text, shown).await,
                "sh terminal" => reader.leave_running(&place, &block.text, shown).await,
                "sh eventually" => reader.look(&place, &block.text, shown).await,
                info => assert!(
                    info == "sh skip" || !info.starts_with("sh"),
                    "{place}: nobody knows what `{info}` means"
                ),
            }
        }
    }

    /// Runs a command that is not in a block of its own, and fails if it does not write
    /// the block that begins so.
    pub async fn run_command(&self, command: &str, beginning: &str) {
        let block = self.blocks.iter().find(|block| block.text.starts_with(beginning));
        let block = block.expect("the README shows what the command writes");
        let place = format!("{}:{}", self.path.display(), block.line);
        Reader::new().run(&place, command, Some(&block.text)).await;
    }
}

/// The blocks of a text, in order.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    let mut follows = false;
    while let Some((line, text)) = lines.next() {
        match text.strip_prefix("```") {
            Some(info) => {
                let inside = lines.by_ref().map(|(_, text)| text).take_while(|text| *text != "```");
                let text = inside.collect::<Vec<_>>().join("\n");
                blocks.push(Block { line, info: info.to_owned(), text, follows });
                follows = true;
            }
            None => follows &= text.is_empty(),
        }
    }
    blocks
}

/// Somebody who has the program and tries everything out.
#[derive(Debug)]
struct Reader {
    /// Database and temporary files, and the program under its usual name.
    folder: TempDir,
    terminals: Vec<Terminal>,
    /// Shown ones, and the real ones.
    addresses: BTreeMap<String, String>,
}

/// Commands that go on. Ended, with all that they have started, when it is dropped; a
/// test that fails shows what they wrote while they were waited for.
#[derive(Debug)]
struct Terminal {
    process: Child,
    written: Vec<u8>,
}

impl Terminal {
    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.written)
    }

    /// Waits until all is written that is shown.
    async fn writes(&mut self, shown: &Shown) -> Vec<Address> {
        let mut stdout = self.process.stdout.take().expect("it is piped");
        let addresses = loop {
            if let Some(addresses) = shown.is_beginning_of(&self.text()) {
                break addresses;
            }
            let count = stdout.read_buf(&mut self.written).await.expect("it can be read");
            assert!(count > 0, "the commands have ended");
        };
        // What is written later is nobody's business, but must find room.
        tokio::spawn(async move { copy(&mut stdout, &mut sink()).await });
        addresses
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(group) = self.process.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "--- a terminal shows:\n{}\n---", self.text());
        }
    }
}

impl Reader {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder for what a reader makes");
        symlink(program_path("dacapo-under-test"), folder.path().join("dacapo"))
            .expect("the program can get its usual name");
        Self { folder, terminals: Vec::new(), addresses: BTreeMap::new() }
    }

    /// A shell that runs these commands, and writes everything to one place.
    fn shell(&self, commands: &str) -> Command {
        let folder = self.folder.path();
        let mut path = std::ffi::OsString::from(folder);
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut shell = clean(Command::new("/bin/sh"));
        shell
            .arg("-ec")
            .arg(format!("exec 2>&1\n{}", self.with_real_addresses(commands)))
            .current_dir(root())
            .env("PATH", path)
            .env("TMPDIR", folder)
            .env("NO_COLOR", "1")
            .env("DACAPO_LISTEN", "127.0.0.1:0")
            .env("WORLD_LISTEN", "127.0.0.1:0")
            .env("DACAPO_DATABASE", format!("sqlite://{}/dacapo.db", folder.display()))
            .env("DACAPO_CACHE_DIR", root().join("target/test-cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0);
        if let Some(server) = self.addresses.get(USUAL_SERVER) {
            shell.env("DACAPO_SERVER", format!("http://{server}"));
        }
        shell
    }

    fn with_real_addresses(&self, text: &str) -> String {
        let replace = |text: String, (shown, real): (&String, &String)| text.replace(shown, real);
        self.addresses.iter().fold(text.to_owned(), replace)
    }

    async fn run(&self, place: &str, commands: &str, shown: Option<&str>) {
        let output = within(place, self.shell(commands).output()).await;
        let output = output.expect("a shell can be run");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{place}: {}\n{commands}\n\n{text}", output.status);
        if let Some(shown) = shown {
            let fits = Shown::new(shown).is_all_of(&text).is_some();
            assert!(fits, "{place}: this is shown:\n{shown}\n\nand this was written:\n{text}");
        }
    }

    async fn look(&self, place: &str, commands: &str, shown: Option<&str>) {
        let shown = shown.expect("it is shown what to look for");
        let expected = Shown::new(shown);
        let what = format!("{place}: `{commands}` writes\n{shown}\n");
        eventually(&what, async || {
            let output = self.shell(commands).output().await.expect("a shell can be run");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            output.status.success().then(|| expected.is_all_of(&text))?
        })
        .await;
    }

    async fn leave_running(&mut self, place: &str, commands: &str, shown: Option<&str>) {
        let shown = shown.expect("it is shown when to go on");
        let process = self.shell(commands).spawn().expect("a shell can be run");
        self.terminals.push(Terminal { process, written: Vec::new() });
        let terminal = self.terminals.last_mut().expect("it is there");
        let what = format!("{place}: this:\n{shown}\n");
        let addresses = within(&what, terminal.writes(&Shown::new(shown))).await;
        self.addresses.extend(addresses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_knows_whether_it_follows_another() {
        let text = "# A\n```sh\na\nb\n```\n\n```text\nc\n```\nAnd\n```sh skip\n\n```\n";
        let blocks = blocks(text);
        let seen: Vec<_> = blocks
            .iter()
            .map(|it| (it.line, it.info.as_str(), it.text.as_str(), it.follows))
            .collect();
        assert_eq!(
            seen,
            [(2, "sh", "a\nb", false), (7, "text", "c", true), (11, "sh skip", "", false)]
        );
    }
}
