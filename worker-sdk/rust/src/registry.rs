//! Which function runs which type of activity.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::ActivityContext;
use crate::error::WorkerError;
use crate::failure::{Failure, INVALID_INPUT, INVALID_RESULT};
use crate::payload::Payload;

type Returned = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;

/// A function that takes and gives bytes, whatever it is made of.
pub(crate) type Function = Arc<dyn Fn(ActivityContext, Payload) -> Returned + Send + Sync>;

/// Functions by the type of the activity.
#[derive(Default)]
pub(crate) struct Registry {
    functions: BTreeMap<String, Function>,
    /// A name that was given twice.
    twice: Option<String>,
}

impl Registry {
    pub(crate) fn add(&mut self, activity_type: String, function: Function) {
        if let Entry::Vacant(vacant) = self.functions.entry(activity_type.clone()) {
            vacant.insert(function);
        } else {
            self.twice = Some(activity_type);
        }
    }

    pub(crate) fn check(&self) -> Result<(), WorkerError> {
        /// Types that one poll may name.
        const TYPES_MAX: usize = 1_000;
        let problem = match (&self.twice, self.functions.len()) {
            (Some(name), _) => format!("the activity `{name}` is registered twice"),
            (None, 0) => "no activity is registered: add one with `activity`".to_owned(),
            (None, TYPES_MAX..) => format!("more than {TYPES_MAX} activities are registered"),
            _ => return Ok(()),
        };
        Err(WorkerError::Options(problem))
    }

    pub(crate) fn get(&self, activity_type: &str) -> Option<&Function> {
        self.functions.get(activity_type)
    }

    pub(crate) fn types(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.functions.keys()).finish()
    }
}

/// Makes a function of values one of bytes.
pub(crate) fn typed<I, O, F, Fut>(function: F) -> Function
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, Failure>> + Send + 'static,
{
    let function = Arc::new(function);
    Arc::new(move |context, input| {
        let function = Arc::clone(&function);
        Box::pin(async move {
            let input = input.decode::<I>().map_err(|error| invalid_input(&error))?;
            let output = function(context, input).await?;
            Payload::json(&output).map_err(|error| invalid_result(&error))
        })
    })
}

/// A function of bytes as it is.
pub(crate) fn raw<F, Fut>(function: F) -> Function
where
    F: Fn(ActivityContext, Payload) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Payload, Failure>> + Send + 'static,
{
    Arc::new(move |context, input| Box::pin(function(context, input)))
}

fn invalid_input(error: &serde_json::Error) -> Failure {
    let message = format!("the activity can't read its input: {error}");
    Failure::new(INVALID_INPUT, message).non_retryable()
}

fn invalid_result(error: &serde_json::Error) -> Failure {
    Failure::new(INVALID_RESULT, format!("the result can't be written as JSON: {error}"))
}
