//! What a guest notes for itself: versions of changes, and values.
//!
//! No answer is remembered for a whole run. Each call decides by the place in
//! history where it stands, so that a loop which began under old code goes on
//! under new code in its next round.

use std::collections::BTreeMap;

use dacapo_model::command::Command;
use dacapo_model::event::{EventAttributes, HistoryEvent, Marker};
use dacapo_model::execution::Nondeterminism;
use dacapo_model::ids::{ChangeId, EventId, ValueName};
use dacapo_model::limits::CHANGES_MAX;
use dacapo_model::payload::Payload;

use super::report::mismatch;
use super::{CallError, Cursor};

/// The markers so far.
#[derive(Debug, Default)]
pub(super) struct Markers {
    /// The last version of each change.
    versions: BTreeMap<ChangeId, u32>,
    /// The last of each value that is recorded when it changes.
    latest: BTreeMap<ValueName, Latest>,
    latest_bytes: usize,
    /// A value that the guest asked for, and that it must record before it does
    /// anything else: replay will look for it here.
    unrecorded: Option<Unrecorded>,
}

#[derive(Debug, Default)]
struct Latest {
    /// How often the guest asked.
    calls: u32,
    value: Option<Payload>,
}

#[derive(Debug)]
enum Unrecorded {
    Once(ValueName),
    Latest(ValueName, u32),
}

impl Unrecorded {
    fn name(&self) -> &ValueName {
        match self {
            Self::Once(name) | Self::Latest(name, _) => name,
        }
    }
}

impl Markers {
    /// Refuses whatever must not come between a question for a value and its
    /// record.
    pub(super) fn nothing_unrecorded(&self) -> Result<(), CallError> {
        match &self.unrecorded {
            None => Ok(()),
            Some(value) => Err(CallError::UnrecordedValue { name: value.name().clone() }),
        }
    }

    fn keep_latest(&mut self, name: ValueName, value: Payload) {
        let latest = self.latest.entry(name).or_default();
        self.latest_bytes += value.len();
        let before = latest.value.replace(value);
        self.latest_bytes -= before.map_or(0, |before| before.len());
    }
}

impl Cursor {
    /// Returns the version of a change that the code must follow from here on; 0 is the
    /// code before the change.
    ///
    /// Where history has a version of the change next, it is that. Where history
    /// goes on with something else, it is the last one before. Past the end of
    /// history it is `max`, which is recorded if it was not the last one.
    pub fn version(&mut self, change_id: ChangeId, min: u32, max: u32) -> Result<u32, CallError> {
        self.begin_note(|| format!("asked for its version of change `{change_id}`"))?;
        let last = self.markers.versions.get(&change_id).copied().unwrap_or(0);
        let at = self.history.front().map(|event| event.id);
        // A later version than `max` was recorded by another call: one that had
        // `max` for its last version recorded nothing.
        let next = self.take_marker(|marker| match marker {
            Marker::Version { change_id: recorded, version } => {
                *recorded == change_id && *version <= max
            }
            _ => false,
        });
        let version = match (next, at) {
            (Some(Marker::Version { version, .. }), _) => version,
            (_, Some(_)) => last,
            (_, None) => last.max(max),
        };
        if !(min..=max).contains(&version) {
            return Err(unsupported(change_id, version, min, max, at));
        }
        if at.is_none() && version != last {
            self.check_count(self.markers.versions.len(), last == 0, "changes of its code")?;
            let marker = Marker::Version { change_id: change_id.clone(), version };
            self.add_command(Command::RecordMarker(marker))?;
        }
        if version != last {
            self.markers.versions.insert(change_id, version);
        }
        Ok(version)
    }

    /// Returns the value that was recorded here; none past the end of history. Then the
    /// guest must record it before it does anything else.
    pub fn recorded_value(&mut self, name: ValueName) -> Result<Option<Payload>, CallError> {
        self.begin_note(|| asked_for(&name))?;
        let taken = self.take_marker(|marker| {
            matches!(marker, Marker::SideEffect { name: recorded, .. } if *recorded == name)
        });
        if let Some(Marker::SideEffect { value, .. }) = taken {
            return Ok(Some(value));
        }
        match self.history.front() {
            Some(event) => Err(unrecorded(event, &name)),
            None => {
                self.markers.unrecorded = Some(Unrecorded::Once(name));
                Ok(None)
            }
        }
    }

    /// Returns the value as it was last recorded up to here; none past the end of
    /// history. Then the guest must record what it is now before it does anything
    /// else.
    pub fn latest_value(&mut self, name: ValueName) -> Result<Option<Payload>, CallError> {
        self.begin_note(|| asked_for(&name))?;
        let call = self.markers.latest.get(&name).map_or(0, |latest| latest.calls) + 1;
        let taken = self.take_marker(|marker| {
            matches!(
                marker,
                Marker::MutableSideEffect { name: recorded, call: recorded_call, .. }
                    if *recorded == name && *recorded_call == call
            )
        });
        if let Some(Marker::MutableSideEffect { value, .. }) = taken {
            self.markers.keep_latest(name.clone(), value);
        } else if self.history.is_empty() {
            let names = self.markers.latest.len();
            self.check_count(names, call == 1, "values that are recorded when they change")?;
            self.markers.latest.entry(name.clone()).or_default().calls = call;
            self.markers.unrecorded = Some(Unrecorded::Latest(name, call));
            return Ok(None);
        }
        match (self.markers.latest.get_mut(&name), self.history.front()) {
            (Some(latest), _) if latest.value.is_some() => {
                latest.calls = call;
                Ok(latest.value.clone())
            }
            (_, Some(event)) => Err(unrecorded(event, &name)),
            // The marker was the last event, so there is a value.
            (_, None) => Err(CallError::UnaskedValue { name }),
        }
    }

    /// Records the value that the guest was just told it has to record.
    pub fn record_value(&mut self, name: ValueName, value: Payload) -> Result<(), CallError> {
        let marker = match self.markers.unrecorded.take() {
            Some(Unrecorded::Once(asked)) if asked == name => Marker::SideEffect { name, value },
            Some(Unrecorded::Latest(asked, call)) if asked == name => {
                let latest = self.markers.latest.get(&name).and_then(|it| it.value.as_ref());
                if latest == Some(&value) {
                    return Ok(());
                }
                let max = self.budget.command_bytes_max;
                let bytes = self.markers.latest_bytes - latest.map_or(0, Payload::len);
                if bytes.saturating_add(value.len()) > max {
                    return Err(CallError::TooManyLatestBytes { max });
                }
                self.markers.keep_latest(name.clone(), value.clone());
                Marker::MutableSideEffect { name, call, value }
            }
            _ => return Err(CallError::UnaskedValue { name }),
        };
        self.add_command(Command::RecordMarker(marker))
    }

    /// Brings the next recorded command to the front of history.
    fn begin_note(&mut self, attempted: impl FnOnce() -> String) -> Result<(), CallError> {
        self.check_undisturbed(attempted)?;
        self.markers.nothing_unrecorded()?;
        self.overtake();
        Ok(())
    }

    /// Takes the marker that stands next in history, if it is the one that is
    /// looked for.
    fn take_marker(&mut self, is_it: impl Fn(&Marker) -> bool) -> Option<Marker> {
        let taken = self.history.pop_front_if(
            |event| matches!(&event.attributes, EventAttributes::MarkerRecorded(it) if is_it(it)),
        )?;
        self.overtaking = false;
        match taken.attributes {
            EventAttributes::MarkerRecorded(marker) => Some(marker),
            _ => None,
        }
    }

    fn check_count(&self, known: usize, is_new: bool, what: &'static str) -> Result<(), CallError> {
        if is_new && known >= CHANGES_MAX {
            return Err(CallError::TooManyNotes { what, max: CHANGES_MAX });
        }
        Ok(())
    }
}

fn unrecorded(event: &HistoryEvent, name: &ValueName) -> CallError {
    mismatch(event, asked_for(name))
}

fn asked_for(name: &ValueName) -> String {
    format!("asked for the recorded value `{name}`")
}

fn unsupported(
    change_id: ChangeId,
    version: u32,
    min: u32,
    max: u32,
    at: Option<EventId>,
) -> CallError {
    let recorded = match version {
        0 => format!("no version of change `{change_id}`"),
        version => format!("version {version} of change `{change_id}`"),
    };
    let problem = if version < min {
        "is no longer supported by this code"
    } else {
        "is not known by this code"
    };
    let supports = format!("supports versions {min} to {max}");
    let report = at.map(|at| Box::new(Nondeterminism::at(at, recorded, supports)));
    CallError::UnsupportedVersion { change_id, version, problem, min, max, report }
}
