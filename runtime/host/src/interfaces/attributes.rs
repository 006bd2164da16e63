//! `dacapo:workflow/attributes`.

use std::collections::BTreeMap;

use dacapo_model::attributes::{AttributeChanges, RunAttributes, SearchAttribute};
use dacapo_model::json::Json;
use dacapo_model::text::shown;
use dacapo_model::time::Timestamp;
use serde_json::Value;
use wasmtime::StoreContextMut;
use wasmtime::component::LinkerInstance;

use crate::bindings::dacapo::workflow::attributes as guest;
use crate::trap::Stop;
use crate::workflow::state::WorkflowState;

type Store<'a> = StoreContextMut<'a, WorkflowState>;

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "upsert-search-attributes" => instance.func_wrap(
            function,
            |store: Store<'_>, (changes,): (Vec<guest::SearchAttribute>,)| {
                upsert(&store, attribute_changes(Vec::new(), changes)?)
            },
        )?,
        "upsert-memo" => instance.func_wrap(
            function,
            |store: Store<'_>, (changes,): (Vec<guest::MemoEntry>,)| {
                upsert(&store, attribute_changes(changes, Vec::new())?)
            },
        )?,
        "search-attributes" => instance.func_wrap(function, |store: Store<'_>, (): ()| {
            let state: &WorkflowState = store.data();
            let cursor = state.conversation.cursor();
            let searched = cursor.attributes().search_attributes.iter();
            state.debt.values(searched.clone().flat_map(attribute_values));
            Ok((searched.map(to_guest).collect::<Vec<_>>(),))
        })?,
        "memo" => instance.func_wrap(function, |store: Store<'_>, (): ()| {
            let state: &WorkflowState = store.data();
            let cursor = state.conversation.cursor();
            let memo = cursor.attributes().memo.iter();
            state.debt.values(memo.clone().flat_map(|(name, it)| [name.len(), it.as_str().len()]));
            let entry = |(name, value): (&String, &Json)| guest::MemoEntry {
                name: name.clone(),
                value: Some(value.as_str().to_owned()),
            };
            Ok((memo.map(entry).collect::<Vec<_>>(),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn upsert(store: &Store<'_>, changes: AttributeChanges) -> wasmtime::Result<()> {
    let mut cursor = store.data().conversation.cursor();
    cursor.upsert_attributes(changes).map_err(Stop::Call)?;
    Ok(())
}

/// Changes that a guest asks for, if each of them alone may be. Whether the run
/// may have all of them together is for the engine to say.
pub(crate) fn attribute_changes(
    memo: Vec<guest::MemoEntry>,
    search_attributes: Vec<guest::SearchAttribute>,
) -> Result<AttributeChanges, Stop> {
    let mut changes = AttributeChanges::default();
    for guest::MemoEntry { name, value } in memo {
        let value = value.map(|text| Json::parse(&text)).transpose();
        let value =
            value.map_err(|error| Stop::Misuse(format!("memo `{}`: {error}", shown(&name))))?;
        changes.memo.insert(name, value);
    }
    for guest::SearchAttribute { name, value } in search_attributes {
        changes.search_attributes.insert(name, value.map(from_guest));
    }
    // Names of what is removed are recorded as well.
    let names = changes.memo.keys().chain(changes.search_attributes.keys());
    let named: BTreeMap<_, _> = names.map(|name| (name.clone(), Json::from(Value::Null))).collect();
    let mut each = RunAttributes { memo: named, ..RunAttributes::default() };
    each.apply(&changes);
    each.check().map_err(|error| Stop::Misuse(error.to_string()))?;
    Ok(changes)
}

fn from_guest(value: guest::SearchValue) -> SearchAttribute {
    match value {
        guest::SearchValue::Boolean(value) => SearchAttribute::Bool(value),
        guest::SearchValue::Datetime(nanos) => {
            let micros = i64::try_from(nanos / 1_000).unwrap_or(i64::MAX);
            SearchAttribute::Datetime(Timestamp::from_micros(micros))
        }
        guest::SearchValue::Double(value) => SearchAttribute::Double(value),
        guest::SearchValue::Integer(value) => SearchAttribute::Int(value),
        guest::SearchValue::Keyword(text) => SearchAttribute::Keyword(text),
        guest::SearchValue::Text(text) => SearchAttribute::Text(text),
        guest::SearchValue::KeywordList(texts) => SearchAttribute::KeywordList(texts),
    }
}

/// What is copied of an attribute.
fn attribute_values((name, value): (&String, &SearchAttribute)) -> Vec<usize> {
    let mut bytes = vec![name.len()];
    match value {
        SearchAttribute::Keyword(text) | SearchAttribute::Text(text) => bytes.push(text.len()),
        SearchAttribute::KeywordList(texts) => bytes.extend(texts.iter().map(String::len)),
        SearchAttribute::Bool(_)
        | SearchAttribute::Datetime(_)
        | SearchAttribute::Double(_)
        | SearchAttribute::Int(_) => {}
    }
    bytes
}

fn to_guest((name, value): (&String, &SearchAttribute)) -> guest::SearchAttribute {
    let value = match value.clone() {
        SearchAttribute::Bool(value) => guest::SearchValue::Boolean(value),
        SearchAttribute::Datetime(time) => guest::SearchValue::Datetime(time.as_nanos()),
        SearchAttribute::Double(value) => guest::SearchValue::Double(value),
        SearchAttribute::Int(value) => guest::SearchValue::Integer(value),
        SearchAttribute::Keyword(text) => guest::SearchValue::Keyword(text),
        SearchAttribute::Text(text) => guest::SearchValue::Text(text),
        SearchAttribute::KeywordList(texts) => guest::SearchValue::KeywordList(texts),
    };
    guest::SearchAttribute { name: name.clone(), value: Some(value) }
}
