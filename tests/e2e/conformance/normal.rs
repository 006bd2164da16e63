//! Histories of different runs, languages and servers, made comparable.

use std::collections::BTreeMap;

use dacapo_tests::{comparable, event_types};
use serde_json::Value;
use uuid::Uuid;

use crate::behaviours::Behaviour;

/// A history without what differs between two runs of one thing: times, and ids that are made up,
/// which are numbered in the order in which they occur. `differs` are attributes that languages may
/// fill in each in its own way, and events that may be missing.
pub(crate) fn history(events: &[Value], differs: &[&str]) -> Vec<Value> {
    let mut ids = BTreeMap::new();
    let mut events = comparable(events);
    events.retain(|event| !differs.iter().any(|missing| event["event_type"] == *missing));
    for event in &mut events {
        clean(event, differs, &mut ids);
    }
    events
}

/// Fields that hold a time, or the code that ran.
const TIMES: [&str; 5] =
    ["delayed_until", "first_execution_at", "deadline", "module_digest", "lease_expires_at"];

fn clean(value: &mut Value, differs: &[&str], ids: &mut BTreeMap<String, usize>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let is_time = TIMES.contains(&name.as_str()) || name.ends_with("_at");
                !is_time && !differs.contains(&name.as_str())
            });
            fields.values_mut().for_each(|field| clean(field, differs, ids));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| clean(item, differs, ids)),
        Value::String(text) => *text = without_ids(text, ids),
        _ => {}
    }
}

/// What was made up, by number.
fn without_ids(text: &str, ids: &mut BTreeMap<String, usize>) -> String {
    let is_part = |letter: char| letter.is_ascii_hexdigit() || letter == '-';
    let mut cleaned = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|letter| !is_part(letter)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        cleaned.push_str(before);
        if word.len() == 36 && word.parse::<Uuid>().is_ok() {
            let next = ids.len() + 1;
            let number = *ids.entry(word.to_owned()).or_insert(next);
            cleaned.push_str(&format!("<id {number}>"));
        } else {
            cleaned.push_str(word);
        }
        rest = after;
    }
    cleaned + rest
}

/// The events have the types that the list says.
pub(crate) fn check(behaviour: &Behaviour, events: &[Value]) {
    if behaviour.history.is_empty() {
        return;
    }
    let types: Vec<_> = event_types(events).into_iter().map(short).collect();
    let mut expected: Vec<_> = behaviour.history.split_whitespace().collect();
    let mut found = types.clone();
    if behaviour.in_any_order {
        expected.sort_unstable();
        found.sort_unstable();
    }
    assert_eq!(found, expected, "behaviour {}: {types:?}", behaviour.number);
}

/// As the list writes them.
fn short(event_type: &str) -> &str {
    event_type.strip_prefix("WorkflowExecution").unwrap_or(event_type)
}
