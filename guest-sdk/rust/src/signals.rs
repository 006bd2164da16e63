//! Signals: messages to a run, by name, kept until somebody takes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::{payload, run};

/// The signals of this name, in the order in which they were sent. What came
/// before anybody asked for it is kept. All who ask for the same name share its
/// signals: each signal is taken once.
///
/// ```no_run
/// # use dacapo::{Either, Failure, race, signals, sleep};
/// # use std::time::Duration;
/// #[dacapo::workflow]
/// async fn approval() -> Result<Option<String>, Failure> {
///     let approvals = signals::<String>("approved");
///     match race(approvals.recv(), sleep(Duration::from_secs(86_400))).await {
///         Either::Left(approved_by) => Ok(Some(approved_by?)),
///         Either::Right(slept) => slept.map(|()| None),
///     }
/// }
/// ```
///
/// A run that [continues as new](crate::continue_as_new) passes on what nobody
/// has taken: the new run begins with it.
pub fn signals<T: DeserializeOwned>(name: impl Into<Cow<'static, str>>) -> Signals<T> {
    Signals { name: name.into(), input: PhantomData }
}

/// Signals of one name, made by [`signals`].
pub struct Signals<T> {
    name: Cow<'static, str>,
    input: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Signals<T> {
    /// Takes the next signal, once there is one. Fails if it does not say a `T`,
    /// or if the run is asked to cancel while there is none. Nothing is lost if
    /// the future is dropped.
    pub fn recv(&self) -> Recv<T> {
        Recv { name: self.name.clone(), ticket: None, input: PhantomData }
    }
}

impl<T> fmt::Debug for Signals<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(&self.name).finish()
    }
}

/// Waits for one signal; made by [`Signals::recv`].
#[must_use = "a signal is not taken until it is awaited"]
pub struct Recv<T> {
    name: Cow<'static, str>,
    /// By which its waker is found again, once it waits.
    ticket: Option<u64>,
    input: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for Recv<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { name, ticket, .. } = &mut *self;
        run::with_run(|run| run.poll_signal(name, ticket, cx))
            .map(|message| payload::decode_signal(&message?, format_args!("signal `{name}`")))
    }
}

impl<T> Drop for Recv<T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            run::stop_waiting(&self.name, ticket);
        }
    }
}

/// The signals of a run that were delivered and not taken, and who waits.
#[derive(Default)]
pub(crate) struct Inboxes {
    by_name: BTreeMap<String, Inbox>,
    delivered: u32,
    tickets: u64,
}

#[derive(Default)]
struct Inbox {
    messages: VecDeque<Message>,
    waiting: BTreeMap<u64, Waker>,
}

struct Message {
    /// Its number among all that were delivered to this run, from 1.
    nth: u32,
    input: Vec<u8>,
}

impl Inboxes {
    pub(crate) fn deliver(&mut self, name: String, input: Vec<u8>) {
        self.delivered += 1;
        let inbox = self.by_name.entry(name).or_default();
        inbox.messages.push_back(Message { nth: self.delivered, input });
        inbox.waiting.values().for_each(Waker::wake_by_ref);
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        Some(self.by_name.get_mut(name)?.messages.pop_front()?.input)
    }

    pub(crate) fn wait(&mut self, name: &str, ticket: &mut Option<u64>, waker: &Waker) {
        let ticket = *ticket.get_or_insert_with(|| {
            self.tickets += 1;
            self.tickets
        });
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.to_owned(), Inbox::default());
        }
        if let Some(inbox) = self.by_name.get_mut(name) {
            inbox.waiting.insert(ticket, waker.clone());
        }
    }

    pub(crate) fn stop_waiting(&mut self, name: &str, ticket: u64) {
        if let Some(inbox) = self.by_name.get_mut(name) {
            inbox.waiting.remove(&ticket);
        }
    }

    /// Wakes all who wait, since the run is to cancel.
    pub(crate) fn wake_all(&self) {
        self.by_name.values().flat_map(|inbox| inbox.waiting.values()).for_each(Waker::wake_by_ref);
    }

    /// The numbers of those that nobody took.
    pub(crate) fn untaken(&self) -> impl Iterator<Item = u32> {
        self.by_name.values().flat_map(|inbox| &inbox.messages).map(|message| message.nth)
    }
}
