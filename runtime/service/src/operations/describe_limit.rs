//! How much a description tells of what activities have said.

use super::{ActivityDescription, RunDescription};

/// Bytes of failures and heartbeats that are shown of all activities of a run: it may
/// have thousands that wait for another attempt, each with what it said last.
const SAID_BYTES_MAX: usize = 4 * 1024 * 1024;

impl RunDescription {
    /// Leaves out what the last activities have said if it is too much together. Returns
    /// the bytes that are left.
    pub fn leave_out_what_is_too_much(&mut self) -> usize {
        leave_out(&mut self.pending_activities)
    }
}

fn leave_out(activities: &mut [ActivityDescription]) -> usize {
    let mut shown = 0;
    for activity in activities {
        let bytes = said(activity);
        if shown + bytes <= SAID_BYTES_MAX {
            shown += bytes;
        } else {
            activity.last_failure = None;
            activity.heartbeat_details = None;
        }
    }
    shown
}

/// Bytes that an activity has said.
fn said(activity: &ActivityDescription) -> usize {
    let failure = activity.last_failure.as_ref().map_or(0, |failure| {
        let infos = std::iter::once(&failure.info).chain(&failure.causes);
        let texts: usize = infos.map(|it| it.message.len() + it.type_name.len()).sum();
        texts + failure.details_len()
    });
    failure + activity.heartbeat_details.as_ref().map_or(0, |details| details.len())
}

#[cfg(test)]
mod tests {
    use dacapo_model::failure::{Failure, FailureKind};
    use dacapo_model::ids::{EventId, OperationId, TypeName};
    use dacapo_model::payload::Payload;
    use dacapo_model::time::Timestamp;

    use super::*;

    fn activity(details: usize) -> ActivityDescription {
        let mut failure = Failure::new(FailureKind::Application, "Declined", "no");
        failure.info.details = Some(Payload::from(vec![b'1'; details]));
        ActivityDescription {
            scheduled_event_id: EventId(1),
            operation_id: OperationId(1),
            activity_type: TypeName::new("charge").expect("valid"),
            scheduled_at: Timestamp::default(),
            attempt: 2,
            next_attempt_at: None,
            last_failure: Some(failure),
            heartbeat_details: Some(Payload::from(vec![b'1'; 100])),
            is_open: false,
            cancel_requested: false,
            paused: false,
        }
    }

    #[test]
    fn what_activities_have_said_is_shown_up_to_a_bound() {
        const MIB: usize = 1024 * 1024;
        let mut activities = [2, 1, 2, 1].map(|mib| activity(mib * MIB - 200));
        let shown = leave_out(&mut activities);
        assert!((3 * MIB..=SAID_BYTES_MAX).contains(&shown), "{shown}");
        let has_said: Vec<bool> = activities.iter().map(|it| it.last_failure.is_some()).collect();
        assert_eq!(has_said, [true, true, false, true]);
        assert!(activities[2].heartbeat_details.is_none());
        assert_eq!(activities[2].attempt, 2);
    }
}
