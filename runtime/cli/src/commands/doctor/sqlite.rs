//! A SQLite file, and the place for it.

use std::path::Path;

use super::configuration::nearest;
use super::report::Report;
use super::tables;
use crate::store::reason;

const DATABASE: &str = "database";
const FOLDER: &str = "folder";
const FILE_SYSTEM: &str = "file system";
const DISK: &str = "disk";

/// Less is soon full: the write-ahead log alone takes some megabytes.
const ROOM_MIN: u64 = 64 * MIB;
const ROOM_WARN: u64 = 1024 * MIB;
const MIB: u64 = 1024 * 1024;

/// Numbers by which Linux knows file systems that lie on other machines: two of them may have
/// the file open without knowing of each other's locks.
const ON_A_NETWORK: [(u64, &str); 10] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x7461_636f, "OCFS2"),
];
const FUSE: u64 = 0x6573_5546;
const TMPFS: u64 = 0x0102_1994;

pub(super) async fn check(path: &Path, report: &mut Report) {
    check_file(path, report).await;
    let folder = path.parent().map_or(Path::new("."), nearest);
    check_folder(folder, report).await;
    match rustix::fs::statfs(folder) {
        Ok(found) => {
            judge_file_system(u64::try_from(found.f_type).unwrap_or(0), report);
            let block = u64::try_from(found.f_bsize).unwrap_or(0);
            judge_room(found.f_bavail.saturating_mul(block), report);
        }
        Err(error) => report.warn(
            FILE_SYSTEM,
            format!("nothing is known of that of {}: {error}", folder.display()),
            "See that it is no network file system",
        ),
    }
}

async fn check_file(path: &Path, report: &mut Report) {
    if !path.exists() {
        report.ok(DATABASE, format!("{} is not there; a server makes it", path.display()));
        return;
    }
    match dacapo_store_sqlite::examine(path).await {
        Ok(found) => {
            report.ok(DATABASE, format!("{} can be read", path.display()));
            tables::judge(&found.migrations, true, true, report);
        }
        Err(error) => report.fail(
            DATABASE,
            format!("{} can't be read: {:#}", path.display(), reason(error)),
            "See that it is a file of Dacapo, and the server's user may read and write it",
        ),
    }
}

/// Tries it with a database beside the one that is meant.
async fn check_folder(folder: &Path, report: &mut Report) {
    let change = "Give it to the user of the server, on a local file system";
    let tried = match tempfile::Builder::new().prefix(".dacapo-doctor-").tempdir_in(folder) {
        Ok(beside) => dacapo_store_sqlite::try_place(&beside.path().join("trial.db"))
            .await
            .map_err(|error| format!("{:#}", reason(error))),
        Err(error) => Err(error.to_string()),
    };
    match tried {
        Ok(()) => report.ok(FOLDER, "it can be written, and allows a write-ahead log"),
        Err(error) => {
            report.fail(FOLDER, format!("{} will not do: {error}", folder.display()), change);
        }
    }
}

fn judge_file_system(kind: u64, report: &mut Report) {
    if let Some((_, name)) = ON_A_NETWORK.iter().find(|(number, _)| *number == kind) {
        report.fail(
            FILE_SYSTEM,
            format!("{name} lies on a network, where locks and flushes can't be relied on"),
            "Keep the file on a disk of this machine, or use PostgreSQL",
        );
    } else if kind == FUSE {
        report.warn(
            FILE_SYSTEM,
            "it is made by a program (FUSE), and may lie on a network",
            "See that locks and fsync work there, or keep the file elsewhere",
        );
    } else if kind == TMPFS {
        report.warn(
            FILE_SYSTEM,
            "it is in memory (tmpfs), and gone after a restart of the machine",
            "Keep the file on a disk",
        );
    } else {
        report.ok(FILE_SYSTEM, "it is a local one");
    }
}

fn judge_room(free: u64, report: &mut Report) {
    let found = format!("{} MiB are free", free / MIB);
    let change = "Make room, or keep the file on another disk";
    if free < ROOM_MIN {
        report.fail(DISK, found, change);
    } else if free < ROOM_WARN {
        report.warn(DISK, found, change);
    } else {
        report.ok(DISK, found);
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
    fn a_file_system_on_a_network_is_refused() {
        let judged = |kind| verdicts(|report| judge_file_system(kind, report));
        const EXT4: u64 = 0xef53;
        assert_eq!(judged(EXT4), ["ok"]);
        assert_eq!(judged(TMPFS), ["warn"]);
        assert_eq!(judged(FUSE), ["warn"]);
        assert_eq!(judged(0x6969), ["fail"]);
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_told() {
        let judged = |free| verdicts(|report| judge_room(free, report));
        assert_eq!(
            [judged(MIB), judged(ROOM_MIN), judged(ROOM_WARN)],
            [["fail"], ["warn"], ["ok"]]
        );
    }

    #[tokio::test]
    async fn a_place_where_a_file_can_not_be_is_told_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut report = Report::default();
        check_folder(folder.path(), &mut report).await;
        check_folder(&folder.path().join("gone"), &mut report).await;
        assert_eq!(report.verdicts(), ["ok", "fail"]);
        assert_eq!(folder.path().read_dir().expect("it is there").count(), 0);
    }
}
