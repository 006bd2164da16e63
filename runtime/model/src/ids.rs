//! Typed ids. Validated once, where they enter; trusted afterwards.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::limits::ID_BYTES_MAX;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing was given.
    #[error("{what} must not be empty")]
    Empty {
        /// Which id.
        what: &'static str,
    },
    /// Longer than the limit.
    #[error("{what} has {length} bytes; at most {ID_BYTES_MAX} are allowed")]
    TooLong {
        /// Which id.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A character that may not occur.
    #[error("{what} contains {character:?} at byte {at}; {allowed}")]
    Character {
        /// Which id.
        what: &'static str,
        /// The offending character.
        character: char,
        /// Its position in bytes.
        at: usize,
        /// What is allowed, as a sentence.
        allowed: &'static str,
    },
    /// `.` or `..`.
    #[error(
        "{what} must not be `.` or `..`: clients take them for steps in a path and could not \
         address it"
    )]
    Dots {
        /// Which id.
        what: &'static str,
    },
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps a text.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                if text.is_empty() {
                    return Err(InvalidId::Empty { what: $what });
                }
                if text.len() > ID_BYTES_MAX {
                    return Err(InvalidId::TooLong { what: $what, length: text.len() });
                }
                let ok: fn(char) -> bool = $ok;
                if let Some((at, character)) = text.char_indices().find(|(_, c)| !ok(*c)) {
                    return Err(InvalidId::Character { what: $what, character, at, allowed: $allowed });
                }
                Ok(Self(text.into()))
            }

            /// Checks and wraps a text that is to become part of a path. Histories may
            /// hold older ids that are not, so only the door is this strict.
            pub fn addressable(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                match text.as_ref() {
                    "." | ".." => Err(InvalidId::Dots { what: $what }),
                    text => Self::new(text),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

fn is_slug(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

text_id!(
    /// The name of a namespace.
    NamespaceName,
    "the namespace",
    "letters, digits, '-', '_' and '.' are allowed",
    is_slug
);
text_id!(
    /// The name under which versions of a module are uploaded.
    ModuleName,
    "the module name",
    "letters, digits, '-', '_' and '.' are allowed",
    is_slug
);
text_id!(
    /// The caller's name for a workflow; at most one run of it is open.
    WorkflowId,
    "the workflow id",
    "control characters are not allowed",
    |c| !c.is_control()
);
text_id!(
    /// The caller's name for a request, by which a repeat is recognised.
    RequestId,
    "the request id",
    "control characters are not allowed",
    |c| !c.is_control()
);
text_id!(
    /// The name of a workflow or activity as its module defines it.
    TypeName,
    "the type name",
    "control characters are not allowed",
    |c| !c.is_control()
);

text_id!(
    /// The name of a signal, by which a workflow chooses what to wait for.
    SignalName,
    "the signal name",
    "control characters are not allowed",
    |c| !c.is_control()
);
text_id!(
    /// The name of a query, or of a value that a workflow publishes.
    QueryName,
    "the query name",
    "control characters are not allowed",
    |c| !c.is_control()
);
text_id!(
    /// The name of an update, by which a workflow chooses what to do.
    UpdateName,
    "the update name",
    "control characters are not allowed",
    |c| !c.is_control()
);
text_id!(
    /// The caller's name for one update of a run, by which a repeat is recognised.
    UpdateId,
    "the update id",
    "control characters are not allowed",
    |c| !c.is_control()
);

text_id!(
    /// The name of a task queue, where activities wait for a worker.
    QueueName,
    "the task queue",
    "control characters are not allowed",
    |c| !c.is_control()
);
text_id!(
    /// The name that a worker gives itself, for people.
    WorkerIdentity,
    "the worker's identity",
    "control characters are not allowed",
    |c| !c.is_control()
);

text_id!(
    /// The caller's name for an activity that no workflow asked for.
    ActivityId,
    "the activity id",
    "control characters are not allowed",
    |c| !c.is_control()
);

text_id!(
    /// The caller's name for a schedule.
    ScheduleId,
    "the schedule id",
    "control characters are not allowed",
    |c| !c.is_control()
);

text_id!(
    /// The caller's name for an operation on many runs.
    BatchId,
    "the batch id",
    "control characters are not allowed",
    |c| !c.is_control()
);

text_id!(
    /// The name of a change of a workflow's code, which has versions.
    ChangeId,
    "the change id",
    "control characters are not allowed",
    |c| !c.is_control()
);

text_id!(
    /// The name of a value that a run records for itself.
    ValueName,
    "the name of a recorded value",
    "control characters are not allowed",
    |c| !c.is_control()
);

/// One execution of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::parse_str(text).map(Self)
    }
}

/// The position of an event in its run's history, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub u64);

impl EventId {
    /// The first event of every history.
    pub const FIRST: Self = Self(1);

    /// The id after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An operation of a run, counted from 1 in the order the guest asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub u32);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a workflow id lies in the hash space: the first four bytes of
/// `SHA-256(namespace 0x00 workflow_id)`, shifted so that the order of the signed
/// number is the order of the bytes. The SQL function `calculate_shard_id`
/// computes the same; a test holds the two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkflowHash(pub i32);

impl WorkflowHash {
    /// Hashes a workflow id within its namespace.
    pub fn of(namespace: &NamespaceName, workflow_id: &WorkflowId) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(namespace.as_str());
        hasher.update([0]);
        hasher.update(workflow_id.as_str());
        let digest = hasher.finalize();
        let head = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        Self((head ^ 0x8000_0000).cast_signed())
    }
}

/// What every row of a run is found by. Leads with the hash, so that the large
/// tables can be partitioned by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunKey {
    /// The hash of the workflow id.
    pub hash: WorkflowHash,
    /// The run.
    pub run_id: RunId,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.run_id.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_the_limits_forbid() {
        assert_eq!(WorkflowId::new(""), Err(InvalidId::Empty { what: "the workflow id" }));
        assert!(matches!(
            WorkflowId::new("x".repeat(256)),
            Err(InvalidId::TooLong { length: 256, .. })
        ));
        assert!(WorkflowId::new("x".repeat(255)).is_ok());
        assert!(matches!(
            NamespaceName::new("a/b"),
            Err(InvalidId::Character { character: '/', at: 1, .. })
        ));
        assert!(WorkflowId::new("order/17 ü").is_ok());
    }

    #[test]
    fn only_the_door_refuses_ids_that_paths_can_t_hold() {
        for id in [".", ".."] {
            assert_eq!(
                WorkflowId::addressable(id),
                Err(InvalidId::Dots { what: "the workflow id" })
            );
            assert!(WorkflowId::new(id).is_ok(), "histories may hold it");
        }
        assert!(WorkflowId::addressable("...").is_ok());
    }

    #[test]
    fn hash_is_stable() {
        // Rows in databases carry these numbers: they can never change.
        let namespace = NamespaceName::new("default").expect("valid");
        let hash = |id: &str| WorkflowHash::of(&namespace, &WorkflowId::new(id).expect("valid")).0;
        assert_eq!(hash("order-1"), -1_439_883_934);
        assert_eq!(hash("order-2"), -526_329_674);
    }
}
