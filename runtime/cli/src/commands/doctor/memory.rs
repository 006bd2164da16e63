//! Whether the machine, or the container, has the memory that the server may take.

use super::report::Report;
use crate::config::{ServerConfig, available_memory};

const MEMORY: &str = "memory";

const MIB: u64 = 1024 * 1024;

pub(super) fn check(config: &ServerConfig, report: &mut Report) {
    judge(config.memory.limit, available_memory(), report);
}

fn judge(limit: u64, available: Option<u64>, report: &mut Report) {
    let Some(available) = available else {
        report.ok(MEMORY, format!("{} MiB; the system does not say how much it has", limit / MIB));
        return;
    };
    let found = format!("{} of the {} MiB that there are", limit / MIB, available / MIB);
    if limit > available {
        report.fail(
            MEMORY,
            found,
            "The system would end the server. Set --memory-limit to three quarters, or give it \
             more (`memory.max` of the control group)",
        );
    } else if limit > available / 10 * 9 {
        report.warn(
            MEMORY,
            found,
            "That leaves too little for compiling modules and for the system: set --memory-limit \
             to three quarters",
        );
    } else {
        report.ok(MEMORY, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_to_leave_something() {
        let judged = |limit, available| {
            let mut report = Report::default();
            judge(limit * MIB, available, &mut report);
            report.verdicts()
        };
        assert_eq!(judged(768, Some(1024 * MIB)), ["ok"]);
        assert_eq!(judged(1000, Some(1024 * MIB)), ["warn"]);
        assert_eq!(judged(1025, Some(1024 * MIB)), ["fail"]);
        assert_eq!(judged(1025, None), ["ok"]);
    }
}
