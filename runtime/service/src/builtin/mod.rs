//! Built-in workflows: their code is a part of the runtime. All else about their runs is
//! as it is for any other: history, replay, residency, recovery, operations.
//!
//! ```text
//!  actor ──launch──▶ BuiltinHost ──▶ a version of a program here: native, on a cursor
//!                        └─────────▶ the host: what was uploaded
//! ```
//!
//! A version of a program has a digest, as an uploaded module has, and runs are pinned to
//! it. It is never changed in a way that a replay could tell: another behaviour is another
//! version, added to [`VERSIONS`]. Old ones stay, since runs may be open that began with
//! them, and closed ones are reset.

pub(crate) mod activity;
pub(crate) mod batch;
mod host;
mod instance;
mod program;
pub(crate) mod schedule;

use std::sync::LazyLock;

use dacapo_model::builtin::BuiltinWorkflow;
use dacapo_model::ids::QueueName;
use dacapo_model::module::ModuleDigest;

pub(crate) use self::host::BuiltinHost;
use self::program::Begin;

/// One version of a built-in workflow.
pub(crate) struct Version {
    pub(crate) workflow: BuiltinWorkflow,
    /// What its runs are pinned to.
    pub(crate) digest: ModuleDigest,
    begin: Begin,
}

/// All versions of all of them; of each the newest last.
static VERSIONS: LazyLock<[Version; 4]> = LazyLock::new(|| {
    [
        version(BuiltinWorkflow::Activity, 1, activity::begin),
        version(BuiltinWorkflow::Batch, 1, batch::begin),
        version(BuiltinWorkflow::Schedule, 1, schedule::begin_1),
        version(BuiltinWorkflow::Schedule, 2, schedule::begin_2),
    ]
});

fn version(workflow: BuiltinWorkflow, number: u32, begin: Begin) -> Version {
    // No component has these bytes.
    let name = format!("{}{number}", workflow.id_prefix());
    Version { workflow, digest: ModuleDigest::of(name.as_bytes()), begin }
}

/// The version with this digest, if it is one.
pub(crate) fn find(digest: ModuleDigest) -> Option<&'static Version> {
    VERSIONS.iter().find(|version| version.digest == digest)
}

/// What new runs are pinned to.
pub(crate) fn newest(workflow: BuiltinWorkflow) -> ModuleDigest {
    let newest = VERSIONS.iter().rev().find(|version| version.workflow == workflow);
    newest.expect("each has a version").digest
}

/// The task queue of the activity that a run is there for; none of all other runs.
pub(crate) fn task_queue(digest: ModuleDigest, arguments: &[String]) -> Option<QueueName> {
    match find(digest)?.workflow {
        BuiltinWorkflow::Activity => Some(activity::options_of(arguments).ok()?.task_queue?.queue),
        BuiltinWorkflow::Batch | BuiltinWorkflow::Schedule => None,
    }
}

#[cfg(test)]
mod tests {
    use dacapo_engine::guest::GuestInstance as _;
    use dacapo_engine::replay::{Budget, has_begun};
    use dacapo_model::command::Command;
    use dacapo_model::event::ExportedHistory;
    use dacapo_model::limits::Limits;

    use super::instance::Instance;
    use super::*;

    /// Recorded when a version was made, of all ways in which its runs go. Never changed;
    /// a new version gets a file of its own.
    const HISTORIES: [&str; 4] = [
        include_str!("histories/activity-1.json"),
        include_str!("histories/batch-1.json"),
        include_str!("histories/schedule-1.json"),
        include_str!("histories/schedule-2.json"),
    ];

    /// Open runs are pinned to them.
    #[test]
    fn the_digest_of_a_version_never_changes() {
        let digests: Vec<_> = VERSIONS.iter().map(|version| version.digest.to_string()).collect();
        let known = [
            "9a99362b788e96910fcb2c751d78cdb226eabbe0d7a205f347a495c71627fd61",
            "8ed3d56275a7943edf969464059b787cbbc069bf20b06a4604f286651de28bbf",
            "9b512ebed97b6163b027096b2e3c347224de63999002b70145b0d1cf599620e9",
            "96c801b7e46c129cfca02eb09176d24cc5d69cd618ba4277dfa48794239ab172",
        ];
        assert_eq!(digests, known);
        assert_eq!(newest(BuiltinWorkflow::Activity).to_string(), digests[0]);
        assert_eq!(newest(BuiltinWorkflow::Batch).to_string(), digests[1]);
        assert_eq!(newest(BuiltinWorkflow::Schedule).to_string(), digests[3]);
    }

    /// However far it had come: the server of before may have gone at any event.
    #[tokio::test]
    async fn what_a_version_did_once_it_does_for_ever() {
        assert_eq!(HISTORIES.len(), VERSIONS.len(), "each version has its histories");
        for (recorded, version) in HISTORIES.into_iter().zip(&*VERSIONS) {
            let histories: Vec<ExportedHistory> = serde_json::from_str(recorded).expect("readable");
            for history in histories {
                let name = &history.workflow_id;
                assert_eq!(history.module_digest(), Some(version.digest), "{name}");
                let events: Vec<_> = history.events.into_iter().map(|it| it.event).collect();
                // Its program does not run before its start is over.
                let begun = |length: &usize| has_begun(&events[..*length]);
                for length in (1..=events.len()).filter(begun) {
                    let budget = Budget::from(&Limits::default());
                    let mut instance = Instance::new(version, budget);
                    let replayed = instance.advance(events[..length].to_vec()).await;
                    let mut commands = replayed.unwrap_or_else(|blocked| {
                        panic!("{name}, {length} events: {}", blocked.message)
                    });
                    // No event says that a value was stored.
                    commands.retain(|command| !matches!(command, Command::Publish { .. }));
                    if length == events.len() {
                        assert_eq!(commands, [], "{name} has nothing left to do");
                    }
                }
            }
        }
    }
}
