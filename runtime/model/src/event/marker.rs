//! What a run noted for itself.

use serde::{Deserialize, Serialize};

use crate::ids::{ChangeId, ValueName};
use crate::payload::Payload;

/// One note of a run, by what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "marker_name")]
pub enum Marker {
    /// From here on the run does what this version of a change says. Versions of
    /// one change only rise.
    Version {
        /// Which change.
        change_id: ChangeId,
        /// Which version of it.
        version: u32,
    },
    /// A value that replay takes from here.
    SideEffect {
        /// The guest's name for it.
        name: ValueName,
        /// The value.
        #[serde(skip)]
        value: Payload,
    },
    /// A value that has changed since it was recorded last, or was not recorded
    /// before.
    MutableSideEffect {
        /// The guest's name for it.
        name: ValueName,
        /// Which of the guest's calls with this name recorded it, from 1.
        call: u32,
        /// The value.
        #[serde(skip)]
        value: Payload,
    },
}

impl Marker {
    pub(super) fn payload(&self) -> Option<(&'static str, &Payload)> {
        match self {
            Self::Version { .. } => None,
            Self::SideEffect { value, .. } | Self::MutableSideEffect { value, .. } => {
                Some(("value", value))
            }
        }
    }

    pub(super) fn set_payload(&mut self, payload: Payload) {
        match self {
            Self::Version { .. } => {}
            Self::SideEffect { value, .. } | Self::MutableSideEffect { value, .. } => {
                *value = payload;
            }
        }
    }
}
