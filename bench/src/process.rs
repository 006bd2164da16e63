//! What the kernel tells of processes, from `/proc`.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// `USER_HZ`: 100 for all programs on Linux, whatever the kernel ticks with.
const TICKS_PER_SECOND: u32 = 100;

/// One line of `/proc/PID/stat`.
struct Stat {
    name: String,
    parent: u32,
    /// Of the process, and of its children that have ended.
    cpu: Duration,
}

/// The CPU time, in user and system mode, of a process, of the children that it
/// has, and of those that it had.
pub(crate) fn cpu_of_tree(root: u32) -> Result<Duration> {
    let mut total = stat(root)?.cpu;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that ends while we look is told of by its parent from then on.
        if let Ok(child) = stat(pid)
            && child.parent == root
        {
            total += child.cpu;
        }
    }
    Ok(total)
}

/// The parent of a process, if it has this name.
pub(crate) fn parent_named(pid: u32, name: &str) -> Option<u32> {
    let parent = stat(pid).ok()?.parent;
    (stat(parent).ok()?.name == name).then_some(parent)
}

/// Memory of a process that is in RAM.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse::<u64>().ok())
        .with_context(|| format!("{path} has no VmRSS"))?;
    Ok(kilobytes * 1024)
}

fn stat(pid: u32) -> Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {path}"))?;
    parse(&text).with_context(|| format!("{path} is not what was expected: {text}"))
}

fn parse(text: &str) -> Option<Stat> {
    // The name is in parentheses, and may hold some itself.
    let (head, rest) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let fields: Vec<_> = rest.split_ascii_whitespace().collect();
    let ticks = fields
        .get(11..15)?
        .iter()
        .try_fold(0_u64, |ticks, field| Some(ticks + field.parse::<u64>().ok()?))?;
    Some(Stat {
        name: name.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        cpu: Duration::from_secs(ticks) / TICKS_PER_SECOND,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_move_the_fields() {
        let text = "42 (a (b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 25 25 20 0 1 0 100";
        let stat = parse(text).expect("a line");
        assert_eq!((stat.name.as_str(), stat.parent), ("a (b) c", 7));
        assert_eq!(stat.cpu, Duration::from_millis(2_500));
    }

    #[test]
    fn this_process_has_memory_and_cpu_time() {
        let pid = std::process::id();
        assert!(resident_bytes(pid).expect("it is there") > 100_000);
        assert!(cpu_of_tree(pid).is_ok());
    }
}
