//! Doing what callers ask for, and answering them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::condition::wait_for;
use crate::failure::Failure;
use crate::payload;
use crate::queries::names;
use crate::run::with_run;

/// Updates of this name: requests whose callers wait for the answer. What is to be
/// done about them is said with [`handle`](Updates::handle).
///
/// ```no_run
/// # use std::cell::RefCell;
/// # use std::rc::Rc;
/// # use dacapo::{Failure, updates, wait_until};
/// # async fn reserve(item: String) -> Result<(), Failure> { Ok(()) }
/// # async fn workflow() -> Result<(), Failure> {
/// let items = Rc::new(RefCell::new(Vec::new()));
/// let cart = Rc::clone(&items);
/// updates("add")
///     .validate(|item: &String| match item.as_str() {
///         "" => Err(Failure::application("NoItem", "an item has a name")),
///         _ => Ok(()),
///     })
///     .handle(move |item: String| {
///         let cart = Rc::clone(&cart);
///         async move {
///             reserve(item.clone()).await?;
///             cart.borrow_mut().push(item);
///             Ok::<_, Failure>(cart.borrow().len())
///         }
///     });
/// wait_until(|| items.borrow().len() == 3).await
/// # }
/// ```
pub fn updates<In: DeserializeOwned + 'static>(name: impl Into<Cow<'static, str>>) -> Updates<In> {
    Updates { name: name.into(), validator: None, input: PhantomData }
}

/// Updates of one name, made by [`updates`].
#[must_use = "updates are taken once they have a handler"]
pub struct Updates<In> {
    name: Cow<'static, str>,
    validator: Option<Validator<In>>,
    input: PhantomData<fn(In)>,
}

type Validator<In> = Box<dyn Fn(&In) -> Result<(), Failure>>;

impl<In: DeserializeOwned + 'static> Updates<In> {
    /// Decides whether an update is accepted. One that is not leaves no trace, so the
    /// validator changes nothing, and can't wait. An argument of another type is
    /// rejected without asking it.
    pub fn validate(mut self, validator: impl Fn(&In) -> Result<(), Failure> + 'static) -> Self {
        self.validator = Some(Box::new(validator));
        self
    }

    /// Handles the updates that are accepted, each in a task of its own, from now on
    /// and until the run ends or the name is used again. What the future comes to is
    /// the answer. A handler that has not ended when the workflow returns is dropped,
    /// and its caller is told that the run has closed: see [`updates_finished`].
    pub fn handle<Out, E, F>(self, handler: impl Fn(In) -> F + 'static)
    where
        Out: Serialize,
        E: Into<Failure>,
        F: Future<Output = Result<Out, E>> + 'static,
    {
        let Self { name, validator, .. } = self;
        let update = format!("update `{name}`");
        let accept = move |input: &[u8]| -> Result<Answering, Failure> {
            let input: In = payload::decode_input(input, &update)?;
            if let Some(validator) = &validator {
                validator(&input)?;
            }
            // Handlers are made, not polled: what they do is done once it is accepted.
            let answering = handler(input);
            let update = update.clone();
            Ok(Box::pin(async move {
                let output = answering.await.map_err(Into::into)?;
                payload::encode_result(&output, &update)
            }))
        };
        with_run(|run| run.updates().by_name.insert(name.into_owned(), Rc::new(accept)));
    }
}

/// Waits until all updates that were accepted have been answered. A workflow that
/// does so before it returns, or continues as new, leaves no caller without an answer.
#[track_caller]
pub fn updates_finished() -> impl Future<Output = Result<(), Failure>> {
    let finished = || with_run(|run| run.updates().open == 0);
    wait_for("updates", Location::caller(), finished)
}

type Answering = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>>>>;
type Accept = Rc<dyn Fn(&[u8]) -> Result<Answering, Failure>>;

/// What a run can be asked to do.
#[derive(Default)]
pub(crate) struct AllUpdates {
    by_name: BTreeMap<String, Accept>,
    /// Accepted, and not answered.
    open: usize,
}

/// Decides about one update. Its code runs outside of `with_run`.
pub(crate) fn decide(id: String, name: &str, input: &[u8]) {
    let accept = with_run(|run| run.updates().by_name.get(name).cloned());
    let decision = match accept {
        Some(accept) => accept(input),
        None => {
            let names = with_run(|run| names(run.updates().by_name.keys()));
            let message = format!("the workflow takes no update `{name}`; it takes {names}");
            Err(Failure::application("UnknownUpdate", message).non_retryable())
        }
    };
    let host = with_run(|run| run.host());
    let answering = match decision {
        Ok(answering) => answering,
        Err(failure) => return host.reject_update(&id, failure),
    };
    host.accept_update(&id);
    let task = async move {
        let outcome = answering.await;
        let host = with_run(|run| {
            run.updates().open -= 1;
            run.host()
        });
        host.complete_update(&id, outcome);
    };
    with_run(|run| {
        run.updates().open += 1;
        run.conditions().stale = true;
        run.tasks().add(Box::pin(task));
    });
}
