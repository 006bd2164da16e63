//! What a run noted for itself.

use dacapo_model::event;
use dacapo_model::ids::{ChangeId, ValueName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::payload::{self, RawJson};

/// One note of a run, by what it is about.
#[derive(Serialize, ToSchema)]
#[serde(tag = "marker_name")]
pub(crate) enum MarkerRecorded {
    /// From here on the run does what this version of a change says.
    Version {
        /// Which change.
        #[schema(value_type = String)]
        change_id: ChangeId,
        /// Which version of it.
        version: u32,
    },
    /// A value that replay takes from here.
    SideEffect {
        /// The workflow's name for it.
        #[schema(value_type = String)]
        name: ValueName,
        /// The value.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<RawJson>,
        /// The same, if it is not JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        value_base64: Option<String>,
    },
    /// A value that has changed since it was recorded last.
    MutableSideEffect {
        /// The workflow's name for it.
        #[schema(value_type = String)]
        name: ValueName,
        /// Which of the workflow's calls with this name recorded it, from 1.
        call: u32,
        /// The value.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<RawJson>,
        /// The same, if it is not JSON.
        #[serde(skip_serializing_if = "Option::is_none")]
        value_base64: Option<String>,
    },
}

impl From<event::Marker> for MarkerRecorded {
    fn from(marker: event::Marker) -> Self {
        match marker {
            event::Marker::Version { change_id, version } => Self::Version { change_id, version },
            event::Marker::SideEffect { name, value } => {
                let (value, value_base64) = payload::embed(&value);
                Self::SideEffect { name, value, value_base64 }
            }
            event::Marker::MutableSideEffect { name, call, value } => {
                let (value, value_base64) = payload::embed(&value);
                Self::MutableSideEffect { name, call, value, value_base64 }
            }
        }
    }
}
