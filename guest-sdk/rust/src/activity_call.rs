//! Calling an activity from a workflow.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::options::ActivityOptions;
use crate::payload;
use crate::run::{self, Command, OnCancel, Progress};
use crate::wait::Place;

/// An activity that is to be run, made by calling a function marked
/// `#[dacapo::activity]` in a workflow. Nothing happens before it is awaited.
#[must_use = "an activity does nothing until it is awaited"]
#[derive(Debug)]
pub struct ActivityCall<T> {
    activity_type: Cow<'static, str>,
    input: Result<Vec<u8>, Failure>,
    options: ActivityOptions,
    /// It was made by the function that `#[dacapo::activity]` marks.
    is_function: bool,
    place: Place,
    output: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> ActivityCall<T> {
    /// Calls an activity by its type name only, such as one that workers in another
    /// language run, one that another [module](Self::module) defines, or one whose name is
    /// in the input of the workflow. Without a [task queue](Self::task_queue) it fails if
    /// the module does not define it. Activities
    /// of this crate are better called through the functions that `#[dacapo::activity]`
    /// makes.
    ///
    /// ```
    /// use dacapo::{ActivityCall, Failure};
    ///
    /// #[derive(serde::Serialize)]
    /// struct Mail<'a> {
    ///     to: &'a str,
    ///     text: &'a str,
    /// }
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Sent {
    ///     message_id: String,
    /// }
    ///
    /// # async fn welcome(to: &str) -> Result<String, Failure> {
    /// let mail = Mail { to, text: "Welcome!" };
    /// let sent: Sent = ActivityCall::named("send_mail", &mail).task_queue("emails").await?;
    /// # Ok(sent.message_id)
    /// # }
    /// ```
    #[track_caller]
    pub fn named(activity_type: impl Into<Cow<'static, str>>, input: &impl Serialize) -> Self {
        let activity_type = activity_type.into();
        let input = payload::encode_input(input, format_args!("activity `{activity_type}`"));
        Self::new(activity_type, input, Location::caller())
    }

    /// A call through the activity's function; the macro writes it.
    #[doc(hidden)]
    #[track_caller]
    pub fn with_input(activity_type: &'static str, input: &impl Serialize) -> Self {
        let call = Self::named(activity_type, input);
        Self { is_function: true, ..call }
    }

    /// The same without an argument.
    #[doc(hidden)]
    #[track_caller]
    pub fn without_input(activity_type: &'static str) -> Self {
        let call = Self::new(Cow::Borrowed(activity_type), Ok(Vec::new()), Location::caller());
        Self { is_function: true, ..call }
    }

    fn new(
        activity_type: Cow<'static, str>,
        input: Result<Vec<u8>, Failure>,
        place: Place,
    ) -> Self {
        let options = ActivityOptions::new();
        Self { activity_type, input, options, is_function: false, place, output: PhantomData }
    }

    /// Sets timeouts, retries and the task queue: all of the options.
    pub fn options(mut self, options: ActivityOptions) -> Self {
        self.options = options;
        self
    }

    /// See [`ActivityOptions::task_queue`].
    pub fn task_queue(mut self, name: impl Into<String>) -> Self {
        self.options = self.options.task_queue(name);
        self
    }

    /// See [`ActivityOptions::module`].
    pub fn module(mut self, name: impl Into<String>) -> Self {
        self.options = self.options.module(name);
        self
    }

    /// See [`ActivityOptions::module_version`].
    pub fn module_version(mut self, name: impl Into<String>, version: u32) -> Self {
        self.options = self.options.module_version(name, version);
        self
    }

    /// See [`ActivityOptions::priority`].
    pub fn priority(mut self, priority: u8) -> Self {
        self.options = self.options.priority(priority);
        self
    }

    /// See [`ActivityOptions::fairness_key`].
    pub fn fairness_key(mut self, key: impl Into<String>) -> Self {
        self.options = self.options.fairness_key(key);
        self
    }

    /// See [`ActivityOptions::fairness_weight`].
    pub fn fairness_weight(mut self, weight: f64) -> Self {
        self.options = self.options.fairness_weight(weight);
        self
    }
}

impl<T: DeserializeOwned> IntoFuture for ActivityCall<T> {
    type Output = Result<T, Failure>;
    type IntoFuture = ActivityFuture<T>;

    fn into_future(self) -> ActivityFuture<T> {
        let Self { activity_type, input, options, is_function, place, .. } = self;
        let on_cancel = options.on_cancel();
        let state = match input {
            Ok(input) => State::Running(Progress::Planned(Box::new(Command::Activity {
                activity_type: activity_type.clone(),
                input,
                options,
                is_function,
            }))),
            Err(failure) => State::Refused(Some(failure)),
        };
        ActivityFuture { activity_type, state, on_cancel, place, output: PhantomData }
    }
}

/// Waits for the outcome of an activity. The first poll starts the activity;
/// dropping the future before its end cancels it, unless its
/// [`CancellationType`](crate::CancellationType) says otherwise.
#[must_use = "an activity does nothing until it is awaited"]
pub struct ActivityFuture<T> {
    activity_type: Cow<'static, str>,
    state: State,
    on_cancel: OnCancel,
    place: Place,
    output: PhantomData<fn() -> T>,
}

enum State {
    Running(Progress),
    /// The argument could not be encoded.
    Refused(Option<Failure>),
}

impl<T: DeserializeOwned> Future for ActivityFuture<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { activity_type, state, on_cancel, place, .. } = &mut *self;
        match state {
            State::Refused(failure) => {
                let failure = failure.take();
                Poll::Ready(Err(failure.expect("an activity was awaited again after its end")))
            }
            State::Running(progress) => {
                run::with_run(|run| run.poll(progress, on_cancel, place, cx)).map(|outcome| {
                    payload::decode_result(&outcome?, format_args!("activity `{activity_type}`"))
                })
            }
        }
    }
}

impl<T> Drop for ActivityFuture<T> {
    fn drop(&mut self) {
        if let State::Running(progress) = &self.state {
            run::abandon(progress, self.on_cancel);
        }
    }
}
