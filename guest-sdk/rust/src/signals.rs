//! Signals: messages to a run, by name, kept until somebody takes them.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::wait::{Place, Wait, WaitList};
use crate::waits::Report;
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
    /// Takes the next signal that says a `T`, once there is one. Fails only if the run
    /// is asked to cancel while there is none. Nothing is lost if the future is
    /// dropped.
    ///
    /// A sender's mistake does not end the run: what says anything else is set aside,
    /// with a line in the log of the run, and shown by `dacapo run show` until the run
    /// has ended. A run that [continues as new](crate::continue_as_new) does not pass it
    /// on. [`recv_raw`](Self::recv_raw) gives it to the workflow.
    #[track_caller]
    pub fn recv(&self) -> Recv<T> {
        Recv { raw: self.recv_raw() }
    }

    /// Takes the next signal, whatever it says. Fails as [`recv`](Self::recv) does.
    ///
    /// ```no_run
    /// # use dacapo::{Failure, signals};
    /// # async fn reject(why: String) -> Result<(), Failure> { Ok(()) }
    /// # async fn workflow() -> Result<(), Failure> {
    /// let price: u64 = loop {
    ///     match signals("price").recv_raw().await?.decode() {
    ///         Ok(price) => break price,
    ///         Err(invalid) => reject(invalid.to_string()).await?,
    ///     }
    /// };
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn recv_raw(&self) -> RecvRaw<T> {
        let place = Location::caller();
        RecvRaw { name: self.name.clone(), place, ticket: None, input: PhantomData }
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
    raw: RecvRaw<T>,
}

impl<T: DeserializeOwned> Future for Recv<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let signal = ready!(Pin::new(&mut self.raw).poll(cx))?;
            match signal.decode() {
                Ok(value) => return Poll::Ready(Ok(value)),
                Err(invalid) => set_aside(invalid),
            }
        }
    }
}

/// A signal that nobody wants, and a sender who should know.
fn set_aside(invalid: InvalidSignal) {
    #[expect(clippy::print_stderr, reason = "it is the log of the run, and silent on replay")]
    {
        eprintln!("a signal was set aside: {invalid}");
    }
    let InvalidSignal { name, problem, .. } = invalid;
    run::with_run(|run| run.signals().set_aside(name, problem));
}

/// Waits for one signal; made by [`Signals::recv_raw`].
#[must_use = "a signal is not taken until it is awaited"]
pub struct RecvRaw<T> {
    name: Cow<'static, str>,
    place: Place,
    /// By which its waker is found again, once it waits.
    ticket: Option<u64>,
    input: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Future for RecvRaw<T> {
    type Output = Result<RawSignal<T>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { name, place, ticket, .. } = &mut *self;
        let message = ready!(run::with_run(|run| run.poll_signal(name, ticket, place, cx)));
        let name = name.clone();
        Poll::Ready(message.map(|bytes| RawSignal { name, bytes, input: PhantomData }))
    }
}

/// A signal as it was sent, taken by [`Signals::recv_raw`].
pub struct RawSignal<T> {
    name: Cow<'static, str>,
    bytes: Vec<u8>,
    input: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> RawSignal<T> {
    /// What it says, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says, if that is a `T`.
    pub fn decode(self) -> Result<T, InvalidSignal> {
        let Self { name, bytes, .. } = self;
        payload::decode_signal(&bytes, format_args!("signal `{name}`"))
            .map_err(|problem| InvalidSignal { name, bytes, problem })
    }
}

impl<T> fmt::Debug for RawSignal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = String::from_utf8_lossy(&self.bytes);
        f.debug_struct("RawSignal").field("name", &self.name).field("says", &says).finish()
    }
}

/// A signal that says something else than was expected. As a [`Failure`], its type is
/// `InvalidSignal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSignal {
    name: Cow<'static, str>,
    bytes: Vec<u8>,
    problem: String,
}

impl InvalidSignal {
    /// The signal's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for InvalidSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for InvalidSignal {}

impl<T> Drop for RecvRaw<T> {
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
}

#[derive(Default)]
struct Inbox {
    messages: VecDeque<Message>,
    waiting: WaitList,
    /// How many said something else than was expected.
    set_aside: u64,
    /// What was wrong with the last of those.
    problem: String,
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
        inbox.waiting.wake_all();
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Vec<u8>> {
        Some(self.by_name.get_mut(name)?.messages.pop_front()?.input)
    }

    pub(crate) fn wait(
        &mut self,
        name: &str,
        ticket: &mut Option<u64>,
        place: Place,
        waker: &Waker,
    ) -> Rc<Wait> {
        let waiting = match self.by_name.get_mut(name) {
            Some(inbox) => &mut inbox.waiting,
            None => &mut self.by_name.entry(name.to_owned()).or_default().waiting,
        };
        waiting.wait(ticket, "signal", place, waker)
    }

    pub(crate) fn stop_waiting(&mut self, name: &str, ticket: u64) {
        if let Some(inbox) = self.by_name.get_mut(name) {
            inbox.waiting.stop_waiting(ticket);
        }
    }

    /// One was taken, and says nothing that anybody wants.
    fn set_aside(&mut self, name: Cow<'static, str>, problem: String) {
        let inbox = self.by_name.entry(name.into_owned()).or_default();
        inbox.set_aside += 1;
        inbox.problem = problem;
    }

    /// Says who waits, and what nobody has taken.
    pub(crate) fn report(&self, report: &mut Report) {
        for (name, inbox) in &self.by_name {
            for wait in inbox.waiting.iter() {
                report.waits(wait.what(), None, Some(name), wait.place());
            }
            report.untaken(name, inbox.messages.len() as u64);
            report.invalid(name, inbox.set_aside, &inbox.problem);
        }
    }

    /// Wakes all who wait, since the run is to cancel.
    pub(crate) fn wake_all(&self) {
        self.by_name.values().for_each(|inbox| inbox.waiting.wake_all());
    }

    /// The numbers of those that nobody took.
    pub(crate) fn untaken(&self) -> impl Iterator<Item = u32> {
        self.by_name.values().flat_map(|inbox| &inbox.messages).map(|message| message.nth)
    }
}
