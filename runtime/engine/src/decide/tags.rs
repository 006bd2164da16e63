//! Someone changes the tags of a run.

use dacapo_model::event::EventAttributes;
use dacapo_model::limits::{Limits, TAGS_MAX};
use dacapo_model::tag::TagChanges;
use dacapo_model::time::Timestamp;

use super::{Refusal, has_room};
use crate::state::RunState;
use crate::transition::Transition;

/// Records what changes. The guest is not told: it sees no tags.
pub(super) fn change(
    state: &mut RunState,
    changes: &TagChanges,
    now: Timestamp,
    limits: &Limits,
) -> Result<Transition, Refusal> {
    let had = &state.options.attributes.tags;
    let mut has = had.clone();
    changes.apply(&mut has);
    if has == *had {
        return Err(Refusal::Stale);
    }
    if has.len() > TAGS_MAX {
        return Err(Refusal::TooManyTags { count: has.len() });
    }
    has_room(state, limits.history_events_max)?;
    let changes = TagChanges {
        added: has.difference(had).cloned().collect(),
        removed: had.difference(&has).cloned().collect(),
    };
    let mut transition = Transition::default();
    transition.record(state, now, EventAttributes::WorkflowExecutionTagsUpdated(changes.into()));
    transition.attributes = Some(state.options.attributes.clone());
    Ok(transition)
}

#[cfg(test)]
mod tests {
    use dacapo_model::attributes::AttributeChanges;
    use dacapo_model::command::Command;
    use dacapo_model::event::TagsChanged;
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::tag::Tags;

    use super::*;
    use crate::decide::Input;
    use crate::decide::fixtures::*;

    fn tags(texts: &[&str]) -> Tags {
        texts.iter().map(|text| text.parse().expect("a tag")).collect()
    }

    fn changes(added: &[&str], removed: &[&str]) -> TagChanges {
        TagChanges { added: tags(added), removed: tags(removed) }
    }

    #[test]
    fn only_what_changes_is_recorded_and_a_repeat_changes_nothing() {
        let mut state = begun();
        let first = Input::ChangeTags(changes(&["a", "b"], &["c"]));
        let transition = input(&mut state, 11, first.clone()).expect("the run is open");
        let recorded = TagsChanged { added: tags(&["a", "b"]), removed: tags(&[]) };
        assert_eq!(
            *only_event(&transition),
            EventAttributes::WorkflowExecutionTagsUpdated(recorded)
        );
        let shown = transition.attributes.expect("they are shown");
        assert_eq!(shown.tags, tags(&["a", "b"]));
        assert_eq!(input(&mut state, 12, first), Err(Refusal::Stale));
        let second = Input::ChangeTags(changes(&["b", "d"], &["a"]));
        let transition = input(&mut state, 13, second).expect("the run is open");
        let recorded = TagsChanged { added: tags(&["d"]), removed: tags(&["a"]) };
        assert_eq!(
            *only_event(&transition),
            EventAttributes::WorkflowExecutionTagsUpdated(recorded)
        );
    }

    #[test]
    fn operators_and_the_workflow_share_the_room_for_tags() {
        let mut state = begun();
        let many: Vec<_> = (0..TAGS_MAX).map(|number| format!("t{number:02}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        input(&mut state, 11, Input::ChangeTags(changes(&many, &[]))).expect("as many as may be");
        let more = Input::ChangeTags(changes(&["x"], &[]));
        let refused = input(&mut state, 12, more.clone());
        assert_eq!(refused, Err(Refusal::TooManyTags { count: TAGS_MAX + 1 }));
        let by_guest = |tags| {
            Command::UpsertAttributes(AttributeChanges { tags, ..AttributeChanges::default() })
        };
        let exchanged = take_turn(&mut state, 12, [by_guest(changes(&["y"], &["t00"]))]);
        assert!(matches!(*only_event(&exchanged), EventAttributes::WorkflowTagsModified(_)));
        take_turn(&mut state, 13, [by_guest(changes(&["z"], &[]))]);
        assert_eq!(state.status, ExecutionStatus::Blocked);
        // A blocked run takes them as well, and stays blocked.
        let fewer = Input::ChangeTags(changes(&[], &["t01"]));
        input(&mut state, 14, fewer).expect("the run is open");
        assert_eq!(state.status, ExecutionStatus::Blocked);
        let terminate = Input::Terminate { reason: String::new() };
        input(&mut state, 15, terminate).expect("the run is open");
        assert_eq!(input(&mut state, 16, more), Err(Refusal::Closed));
    }
}
