//! Answering questions about the run, and showing values without being asked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::run::with_run;
use crate::{payload, waits};

/// Answers queries of this name, until the name is used again.
///
/// The handler looks at what the workflow knows, and changes nothing: a query is in
/// no history, so a change would be gone after a crash. It gets the argument of the
/// query, `()` if there is none, and can't wait. A handler that starts something
/// durable fails its query, and nothing else. Queries are answered while the workflow
/// waits in futures of this crate, and after its end, when its history is replayed for
/// them; for those at other times, and cheaper ones, see [`publish`].
///
/// ```no_run
/// # use std::cell::RefCell;
/// # use std::rc::Rc;
/// # use dacapo::{Failure, query, signals};
/// # async fn workflow() -> Result<(), Failure> {
/// let items = Rc::new(RefCell::new(Vec::new()));
/// let seen = Rc::clone(&items);
/// query("count", move |()| seen.borrow().len());
/// let seen = Rc::clone(&items);
/// query("item", move |number: usize| seen.borrow().get(number).cloned());
/// loop {
///     let item = signals::<String>("item").recv().await?;
///     items.borrow_mut().push(item);
/// }
/// # }
/// ```
pub fn query<In, Out>(name: impl Into<Cow<'static, str>>, handler: impl Fn(In) -> Out + 'static)
where
    In: DeserializeOwned,
    Out: Serialize,
{
    let name = name.into();
    let query = format!("query `{name}`");
    let handler = move |input: &[u8]| {
        let answer = handler(payload::decode_input(input, &query)?);
        payload::encode_result(&answer, &query)
    };
    with_run(|run| run.queries().by_name.insert(name.into_owned(), Rc::new(handler)));
}

/// Shows a value to those who query this name, from now on and in place of the one
/// before: at every time and also after the end of the run, without asking the
/// workflow. Stored with what the workflow does until it waits; costs nothing if the
/// value has not changed. At most 100 names in a run.
///
/// ```no_run
/// # use dacapo::{Failure, publish};
/// # async fn pack() -> Result<(), Failure> { Ok(()) }
/// # async fn workflow() -> Result<(), Failure> {
/// publish("status", &"packing")?;
/// pack().await?;
/// publish("status", &"done")?;
/// # Ok(())
/// # }
/// ```
pub fn publish(name: &str, value: &impl Serialize) -> Result<(), Failure> {
    let value = payload::encode_result(value, format_args!("the published value `{name}`"))?;
    let host = with_run(|run| run.host());
    host.publish(name, &value);
    Ok(())
}

type Handler = Rc<dyn Fn(&[u8]) -> Result<Vec<u8>, Failure>>;

/// What a run can be asked.
#[derive(Default)]
pub(crate) struct Queries {
    by_name: BTreeMap<String, Handler>,
}

/// Answers one query. The handler runs outside of `with_run`: it is the workflow's
/// code.
pub(crate) fn answer(id: &str, name: &str, input: &[u8]) {
    let answer = ask(name, input);
    let host = with_run(|run| run.host());
    host.respond_query(id, answer);
}

/// Answers a query of a run that has returned: its handlers are still there.
pub(crate) fn answer_after_end(name: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
    ask(name, input)
}

fn ask(name: &str, input: &[u8]) -> Result<Vec<u8>, Failure> {
    if name == waits::QUERY {
        return waits::answer();
    }
    let handler = with_run(|run| run.queries().by_name.get(name).cloned());
    if let Some(handler) = handler {
        return handler(input);
    }
    let names = with_run(|run| names(run.queries().by_name.keys()));
    let message = format!("the workflow answers no query `{name}`; it answers {names}");
    Err(Failure::application("UnknownQuery", message).non_retryable())
}

/// The names in a sentence.
pub(crate) fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
