//! What a run knows about itself, and says about itself.

use std::time::{Duration, SystemTime};

use dacapo::{
    Failure, SearchValue, continue_as_new, continue_as_new_suggested, continued_failure,
    history_bytes, history_length, memo, remove_memo, remove_search_attributes, search_attributes,
    upsert_memo, upsert_search_attributes, workflow_info,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::activities::noop;

/// All of it, as JSON.
fn about() -> Result<Value, Failure> {
    let info = workflow_info();
    let deadline = info.execution_deadline;
    let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
    Ok(json!({
        "run_id": info.run_id,
        "attempt": info.attempt,
        "first_run_id": info.first_run_id,
        "continued_from_run_id": info.continued_from_run_id,
        "run_timeout": info.run_timeout.map(|it| it.as_secs()),
        "execution_timeout": info.execution_timeout.map(|it| it.as_secs()),
        "execution_deadline": deadline.and_then(since_1970).map(|it| it.as_secs()),
        "continued_failure": continued_failure().map(|it| it.info.type_name),
        "history_length": history_length(),
        "history_has_bytes": history_bytes() > 0,
        "suggested": continue_as_new_suggested(),
        "note": memo::<Value>("note")?,
        "chapter": memo::<Value>("chapter")?,
        "search_attributes": search_attributes().keys().collect::<Vec<_>>(),
    }))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Chapters {
    remaining: u32,
}

/// `{"remaining": n}`: says what chapter it is in, and continues as new n times with
/// another run timeout, memo and search attributes. Returns what the last run knows.
#[dacapo::workflow]
pub(crate) async fn chapters(chapters: Chapters) -> Result<Value, Failure> {
    let Chapters { remaining } = chapters;
    upsert_memo("chapter", &remaining)?;
    remove_memo("draft");
    upsert_search_attributes([
        ("chapter", SearchValue::from(remaining)),
        ("title", SearchValue::text("a new life")),
    ]);
    noop().await?;
    if remaining == 0 {
        remove_search_attributes(["title"]);
        return about();
    }
    continue_as_new(&Chapters { remaining: remaining - 1 })
        .run_timeout(Duration::from_secs(3_600))
        .memo("note", &"continued")
        .search_attribute("labels", SearchValue::keywords(["a", "b"]))
        .without_search_attribute("chapter")
        .await
}

/// A number: fails before that attempt. Returns what the attempt that does not
/// knows.
#[dacapo::workflow]
pub(crate) async fn tries(succeed_at: u32) -> Result<Value, Failure> {
    if workflow_info().attempt < succeed_at {
        return Err(Failure::application("NotYet", "fails as asked"));
    }
    about()
}
