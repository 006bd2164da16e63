//! How much memory a server may take, and what of it is for what.

use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;

use crate::http_server::BUFFER_BYTES_MAX;

const MIB: u64 = 1024 * 1024;

/// Less leaves no room for a module and the runs of it.
const LIMIT_MIN: u64 = 256 * MIB;

/// What is taken unless it is set, if there is so much.
const LIMIT_DEFAULT: u64 = 4 * 1024 * MIB;

/// Connections for which there is room at most, whatever there is of memory.
const CONNECTIONS_MAX: u64 = 8192;

/// What a connection may hold by itself: what was read and not taken, what is to be
/// written, and its state.
const CONNECTION_BYTES: u64 = 2 * BUFFER_BYTES_MAX as u64 + 16 * 1024;

/// What TLS adds: a record that was read, one that is to be written, and the state of the
/// session.
const TLS_BYTES: u64 = 64 * 1024;

/// There is one open run at most for so many bytes. While it sleeps it takes less than
/// 1 KiB: together a sixteenth of the memory.
const OPEN_RUN_BYTES: u64 = 16 * 1024;

/// A number of bytes, written like `512MiB` or `4GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            "kib" | "k" => Some(1024),
            "mib" | "m" => Some(MIB),
            "gib" | "g" => Some(1024 * MIB),
            "tib" | "t" => Some(1024 * 1024 * MIB),
            _ => None,
        };
        let bytes = unit.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| "write it like 512MiB or 4GiB".to_owned())
    }
}

impl TryFrom<String> for ByteSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The parts of a server's memory. What they leave is for the database's client, and
/// what the allocator holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlan {
    /// All of it.
    pub limit: u64,
    /// Requests: bodies, operations, and answers that are being written.
    pub request_bytes: usize,
    /// Connections, by what each may hold by itself.
    pub connections_max: usize,
    /// Instances of workflows.
    pub instance_bytes: usize,
    /// Open runs, by what one takes that sleeps.
    pub open_runs_max: usize,
    /// The code of modules that are kept ready.
    pub module_bytes: usize,
    /// Attempts of activities.
    pub activity_bytes: usize,
}

impl MemoryPlan {
    /// The parts of a limit.
    pub fn of(limit: ByteSize) -> Result<Self, String> {
        let ByteSize(limit) = limit;
        if limit < LIMIT_MIN {
            let least = LIMIT_MIN / MIB;
            return Err(format!(
                "{} MiB of memory are too few; at least {least} are needed",
                limit / MIB
            ));
        }
        Ok(Self {
            limit,
            request_bytes: usize::try_from(limit / 8).unwrap_or(usize::MAX),
            connections_max: connections_max(limit, CONNECTION_BYTES),
            instance_bytes: usize::try_from(limit / 2).unwrap_or(usize::MAX),
            open_runs_max: usize::try_from(limit / OPEN_RUN_BYTES).unwrap_or(usize::MAX),
            module_bytes: usize::try_from(limit / 16).unwrap_or(usize::MAX),
            activity_bytes: usize::try_from(limit / 8).unwrap_or(usize::MAX),
        })
    }

    /// The same for encrypted connections.
    pub(super) fn with_tls(self) -> Self {
        Self { connections_max: connections_max(self.limit, CONNECTION_BYTES + TLS_BYTES), ..self }
    }
}

/// Connections that have an eighth of the memory, with so many bytes each.
fn connections_max(limit: u64, bytes: u64) -> usize {
    usize::try_from((limit / 8 / bytes).min(CONNECTIONS_MAX)).unwrap_or(usize::MAX)
}

/// Three quarters of what there is for this process, but no more than most need: who
/// has a larger machine for it says so.
pub(super) fn default_limit() -> ByteSize {
    let available = available().unwrap_or(u64::MAX);
    ByteSize((available / 4 * 3).clamp(LIMIT_MIN, LIMIT_DEFAULT))
}

/// What the machine and the control group have for this process together with others, if
/// they say so.
pub fn available() -> Option<u64> {
    let machine = read_number("/proc/meminfo", "MemTotal:").map(|kib| kib.saturating_mul(1024));
    [machine, group_limit()].into_iter().flatten().min()
}

/// The limit of the control group, and of those that it is in, if they have one.
fn group_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mut folder = Path::new("/sys/fs/cgroup").join(own.trim());
    let mut limits = Vec::new();
    while folder.starts_with("/sys/fs/cgroup") {
        let limit = std::fs::read_to_string(folder.join("memory.max")).ok();
        limits.extend(limit.and_then(|text| text.trim().parse::<u64>().ok()));
        if !folder.pop() {
            break;
        }
    }
    limits.into_iter().min()
}

/// The number after a word at the beginning of a line.
fn read_number(path: &str, word: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(word))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_units() {
        let read = |text: &str| text.parse::<ByteSize>().ok().map(|ByteSize(bytes)| bytes);
        assert_eq!(read("512MiB"), Some(512 * MIB));
        assert_eq!(read("4 GiB"), Some(4096 * MIB));
        assert_eq!(read("2g"), Some(2048 * MIB));
        assert_eq!(read("1073741824"), Some(1024 * MIB));
        for wrong in ["", "MiB", "-1MiB", "1.5GiB", "4GB", "99999999999TiB"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_parts_follow_from_the_limit() {
        let plan = |text: &str| MemoryPlan::of(text.parse().expect("a size"));
        let small = plan("512MiB").expect("enough");
        assert_eq!(small.request_bytes as u64, 64 * MIB);
        assert_eq!(small.connections_max, 455);
        assert_eq!(small.with_tls().connections_max, 315);
        assert_eq!(small.instance_bytes as u64, 256 * MIB);
        assert_eq!(small.module_bytes as u64, 32 * MIB);
        assert_eq!(small.activity_bytes as u64, 64 * MIB);
        assert_eq!(plan("64GiB").expect("enough").connections_max, 8192);
        assert!(plan("255MiB").expect_err("too little").contains("at least 256"));
    }

    #[test]
    fn a_machine_has_some_memory() {
        assert!(default_limit() >= ByteSize(LIMIT_MIN));
    }
}
