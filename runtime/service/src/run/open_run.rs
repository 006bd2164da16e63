//! What others hold of a run: its mailbox, and how far it has come.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use dacapo_engine::state::RunState;
use dacapo_model::execution::{Execution, ExecutionStatus};
use dacapo_model::ids::{NamespaceName, RunKey, WorkflowId};
use dacapo_model::trace::TraceContext;
use parking_lot::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

use super::{Envelope, Message};
use crate::traces::Traces;
use crate::types::Closing;
use crate::update_watch::UpdateWatch;
use crate::workload::Workload;

/// Messages that wait for one run. Enough for a burst; senders wait beyond it.
const MAILBOX: usize = 256;

/// An open run. A few hundred bytes, so that all of them fit in memory; state
/// and instance exist only while the run is awake.
pub(crate) struct OpenRun {
    pub(crate) key: RunKey,
    pub(crate) namespace: NamespaceName,
    pub(crate) workflow_id: WorkflowId,
    mailbox: Mutex<Mailbox>,
    progress: watch::Sender<Progress>,
    /// Who waits for its updates.
    pub(crate) updates: UpdateWatch,
    /// Whether the store may have updates that its guest has not decided about.
    /// Those of a run without are not looked for.
    admitted: AtomicBool,
    /// Nothing can go on with its history: its timers need not wake it.
    faulted: AtomicBool,
    /// What goes with what it asks others for, if it belongs to a trace.
    trace: OnceLock<Box<TraceContext>>,
    workload: Workload,
}

/// How far a run has come, for those who watch it: what is committed, and all that
/// anybody was told of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The last committed event; 0 while it was not read here, and nothing of it
    /// committed.
    pub(crate) last_event: u64,
    /// It has been blocked: it won't close by itself.
    pub(crate) blocked: bool,
    /// Set once it has closed.
    pub(crate) closing: Option<Arc<Closing>>,
}

enum Mailbox {
    /// Nobody reads it: wake an actor first.
    Asleep,
    /// An actor reads it.
    Awake(mpsc::Sender<Envelope>),
    /// The run has closed.
    Closed,
}

/// What became of a message.
pub(crate) enum Posted {
    /// An actor will read it.
    Sent,
    /// It is in the mailbox; the caller must wake an actor to read it.
    Wake(mpsc::Receiver<Envelope>),
    /// The mailbox is full; the sender tells when there is room again.
    Full(Message, mpsc::Sender<Envelope>),
    /// The run has closed.
    Closed(Message),
}

impl OpenRun {
    /// A run that is stored and open.
    pub(crate) fn asleep(execution: &Execution, workload: Workload) -> Self {
        let (namespace, workflow_id) = (&execution.namespace, &execution.workflow_id);
        let (namespace, workflow_id) = (namespace.clone(), workflow_id.clone());
        let run = Self::new(execution.key, namespace, workflow_id, Mailbox::Asleep, workload);
        run.publish_progress(0, execution.status == ExecutionStatus::Blocked);
        run
    }

    /// A run that is about to start, with the mailbox for its actor.
    pub(crate) fn awake(
        key: RunKey,
        namespace: NamespaceName,
        workflow_id: WorkflowId,
        workload: Workload,
    ) -> (Self, mpsc::Receiver<Envelope>) {
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let run = Self::new(key, namespace, workflow_id, Mailbox::Awake(sender), workload);
        (run, mailbox)
    }

    fn new(
        key: RunKey,
        namespace: NamespaceName,
        workflow_id: WorkflowId,
        mailbox: Mailbox,
        workload: Workload,
    ) -> Self {
        Self {
            key,
            namespace,
            workflow_id,
            mailbox: Mutex::new(mailbox),
            progress: watch::Sender::new(Progress::default()),
            updates: UpdateWatch::default(),
            admitted: AtomicBool::new(false),
            faulted: AtomicBool::new(false),
            trace: OnceLock::new(),
            workload,
        }
    }

    /// Whether the store may have updates that its guest has not decided about.
    pub(crate) fn may_have_admitted(&self) -> bool {
        self.admitted.load(Ordering::SeqCst)
    }

    /// Takes note of that. To be told *before* such an update is stored.
    pub(crate) fn set_admitted(&self, admitted: bool) {
        self.admitted.store(admitted, Ordering::SeqCst);
    }

    /// Whether nothing can go on with its history, as far as is known.
    pub(crate) fn is_faulted(&self) -> bool {
        self.faulted.load(Ordering::SeqCst)
    }

    /// Takes note of that.
    pub(crate) fn set_faulted(&self, faulted: bool) {
        self.faulted.store(faulted, Ordering::SeqCst);
    }

    /// Takes note of the trace that it belongs to, if it does. To be told once its state is
    /// known.
    pub(crate) fn note_trace(&self, traces: &Traces, state: &RunState) {
        if self.trace.get().is_none() {
            let (parent, asked) = (state.parent.as_deref(), state.options.trace.as_deref());
            if let Some(trace) = traces.of_run(self.key.run_id, parent, asked) {
                let _ = self.trace.set(Box::new(trace));
            }
        }
    }

    /// What goes with what it asks others for, if it belongs to a trace.
    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        self.trace.get().map(Box::as_ref)
    }

    /// A message counts as work in hand until a run has dealt with it.
    fn envelope(&self, message: Message) -> Envelope {
        Envelope { message, work: self.workload.begin() }
    }

    /// Puts a message into the mailbox. Under the lock, so that no message can
    /// fall between an actor's last look and its sleep.
    pub(crate) fn post(&self, message: Message) -> Posted {
        let mut mailbox = self.mailbox.lock();
        let message = match &*mailbox {
            Mailbox::Closed => return Posted::Closed(message),
            Mailbox::Asleep => message,
            Mailbox::Awake(sender) => match sender.try_send(self.envelope(message)) {
                Ok(()) => return Posted::Sent,
                Err(TrySendError::Full(envelope)) => {
                    return Posted::Full(envelope.message, sender.clone());
                }
                // An actor that died left its end closed: a new one takes over.
                Err(TrySendError::Closed(envelope)) => envelope.message,
            },
        };
        let (sender, receiver) = mpsc::channel(MAILBOX);
        let sent = sender.try_send(self.envelope(message));
        debug_assert!(sent.is_ok(), "a new mailbox has room");
        *mailbox = Mailbox::Awake(sender);
        Posted::Wake(receiver)
    }

    /// Like [`Self::post`], for a message that has waited for room in the mailbox
    /// of `sender`. Gives it back if that mailbox is not read any more.
    pub(crate) fn post_reserved(
        &self,
        message: Message,
        sender: &mpsc::Sender<Envelope>,
        room: mpsc::Permit<'_, Envelope>,
    ) -> Option<Message> {
        let mailbox = self.mailbox.lock();
        match &*mailbox {
            Mailbox::Awake(current) if current.same_channel(sender) && !sender.is_closed() => {
                room.send(self.envelope(message));
                None
            }
            Mailbox::Awake(_) | Mailbox::Asleep | Mailbox::Closed => Some(message),
        }
    }

    /// Makes a mailbox for an actor that starts without a message. None if there
    /// is one already.
    pub(crate) fn wake(&self) -> Option<mpsc::Receiver<Envelope>> {
        let mut mailbox = self.mailbox.lock();
        if !matches!(*mailbox, Mailbox::Asleep) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(MAILBOX);
        *mailbox = Mailbox::Awake(sender);
        Some(receiver)
    }

    /// Puts the actor to sleep, unless a message has come meanwhile.
    pub(crate) fn fall_asleep(&self, receiver: &mpsc::Receiver<Envelope>) -> bool {
        let mut mailbox = self.mailbox.lock();
        let idle = receiver.is_empty();
        if idle {
            *mailbox = Mailbox::Asleep;
        }
        idle
    }

    /// From now on the run takes no message.
    pub(crate) fn close(&self) {
        *self.mailbox.lock() = Mailbox::Closed;
        self.updates.close();
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Watches the run from its present state on.
    pub(crate) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Tells those who watch that there are events up to this one, and whether the
    /// run can go on.
    pub(crate) fn publish_progress(&self, last_event: u64, blocked: bool) {
        self.progress.send_if_modified(|progress| {
            let changed = (progress.last_event, progress.blocked) != (last_event, blocked);
            progress.last_event = last_event;
            progress.blocked = blocked;
            changed
        });
    }

    /// Tells those who watch how it ended; true if nobody was told before. After this,
    /// the directory and the store both say that the workflow id is free.
    pub(crate) fn publish_closing(&self, closing: Closing) -> bool {
        let mut is_first = false;
        self.progress.send_modify(|progress| {
            is_first = progress.closing.is_none();
            progress.closing = Some(Arc::new(closing));
        });
        is_first
    }
}
