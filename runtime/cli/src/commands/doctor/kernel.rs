//! What the kernel allows this process.

use dacapo_host::Machine;

use super::report::Report;
use crate::config::ServerConfig;
use crate::open_files;

const MAPPINGS: &str = "memory mappings";
const PAGEMAP: &str = "pagemap scan";
const FILES: &str = "open files";

pub(super) fn check(config: &ServerConfig, report: &mut Report) {
    let machine = Machine::look(config.instances_max, &config.service.limits);
    judge_mappings(&machine, config.instances_max, report);
    match machine.has_pagemap_scan {
        true => report.ok(PAGEMAP, "the kernel tells which pages were written"),
        false => report.warn(
            PAGEMAP,
            "the kernel does not tell which pages were written (PAGEMAP_SCAN)",
            "A step of a run costs more CPU than it has to: use Linux 6.7 or later",
        ),
    }
    judge_files(config.connections.connections_max, open_files::raise_limit(), report);
}

fn judge_mappings(machine: &Machine, instances_max: usize, report: &mut Report) {
    let needed = machine.mappings_needed;
    let Some(allowed) = machine.mappings_allowed else {
        report.ok(MAPPINGS, "the system has no limit");
        return;
    };
    if needed <= allowed {
        report.ok(MAPPINGS, format!("{needed} at most, and {allowed} are allowed"));
    } else {
        report.fail(
            MAPPINGS,
            format!("{instances_max} instances may need {needed}, and {allowed} are allowed"),
            format!("Set `sysctl vm.max_map_count={needed}`, or a lower --instances-max"),
        );
    }
}

fn judge_files(connections_max: usize, room: usize, report: &mut Report) {
    if connections_max <= room {
        report.ok(FILES, format!("there is room for {connections_max} connections of clients"));
    } else {
        report.warn(
            FILES,
            format!(
                "there is room for {room} connections of clients, and not for {connections_max}"
            ),
            "Raise the limit (`ulimit -Hn`, LimitNOFILE), or lower --connections-max",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(judge: impl FnOnce(&mut Report)) -> Vec<&'static str> {
        let mut report = Report::default();
        judge(&mut report);
        report.verdicts()
    }

    #[test]
    fn more_mappings_than_the_kernel_allows_are_a_failure() {
        let judged = |allowed| {
            let machine = Machine {
                mappings_needed: 70_000,
                mappings_allowed: allowed,
                has_pagemap_scan: true,
            };
            verdicts(|report| judge_mappings(&machine, 9_000, report))
        };
        assert_eq!(judged(Some(65_530)), ["fail"]);
        assert_eq!(judged(Some(70_000)), ["ok"]);
        assert_eq!(judged(None), ["ok"]);
    }

    #[test]
    fn fewer_files_than_connections_are_a_warning() {
        assert_eq!(verdicts(|report| judge_files(100, 99, report)), ["warn"]);
        assert_eq!(verdicts(|report| judge_files(100, 100, report)), ["ok"]);
    }
}
