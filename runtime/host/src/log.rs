//! What guests write to stdout and stderr: lines of the server's log.

use std::collections::VecDeque;
use std::sync::Arc;

use dacapo_engine::guest::{ActivityTask, RunContext};
use dacapo_model::ids::{OperationId, TypeName};
use dacapo_model::trace::TraceId;
use tracing::field::DisplayValue;

use crate::activity::secrets::Secrets;

/// Bytes of one line. Longer ones are broken, so that a guest that never ends a
/// line can't make the host keep it.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// What is kept of stderr to explain a trap: the message of a panic is there.
const STDERR_TAIL_BYTES: usize = 1024;

/// Where a guest writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
    /// What is written there is of no use to anybody.
    Nowhere,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Nowhere => "nowhere",
        }
    }
}

/// Which attempt of which activity writes.
#[derive(Debug)]
struct Attempt {
    activity_type: TypeName,
    operation_id: OperationId,
    number: u32,
}

/// The log of one instance, in lines, bounded.
#[derive(Debug)]
pub(crate) struct GuestLog {
    run: Arc<RunContext>,
    /// None if the workflow itself writes.
    attempt: Option<Attempt>,
    /// What a line that is not complete has so far.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    stderr_tail: VecDeque<u8>,
    bytes_max: usize,
    bytes_left: usize,
    /// What its lines must not hold.
    secrets: Option<Arc<Secrets>>,
}

impl GuestLog {
    pub(crate) fn of_workflow(run: Arc<RunContext>, bytes_max: usize) -> Self {
        Self::new(run, None, bytes_max)
    }

    pub(crate) fn of_activity(task: &ActivityTask, bytes_max: usize) -> Self {
        let attempt = Attempt {
            activity_type: task.activity_type.clone(),
            operation_id: task.operation_id,
            number: task.attempt,
        };
        Self::new(Arc::clone(&task.run), Some(attempt), bytes_max)
    }

    fn new(run: Arc<RunContext>, attempt: Option<Attempt>, bytes_max: usize) -> Self {
        Self {
            run,
            attempt,
            stdout: Vec::new(),
            stderr: Vec::new(),
            stderr_tail: VecDeque::new(),
            bytes_max,
            bytes_left: bytes_max,
            secrets: None,
        }
    }

    /// The same log, with the names of secrets in their place.
    #[must_use]
    pub(crate) fn without(mut self, secrets: Arc<Secrets>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// A new activation: the guest has its full share again, and what it wrote
    /// before does not explain a trap to come.
    pub(crate) fn refill(&mut self) {
        self.bytes_left = self.bytes_max;
        self.stderr_tail.clear();
    }

    /// Takes what the guest writes. If it is `silent`, the guest repeats itself,
    /// and its lines are in the log already.
    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8], silent: bool) {
        if stream == Stream::Stderr {
            let tail = &bytes[bytes.len().saturating_sub(STDERR_TAIL_BYTES)..];
            self.stderr_tail.extend(tail);
            let excess = self.stderr_tail.len().saturating_sub(STDERR_TAIL_BYTES);
            self.stderr_tail.drain(..excess);
        }
        if silent || stream == Stream::Nowhere || self.bytes_left == 0 {
            return;
        }
        let kept = &bytes[..bytes.len().min(self.bytes_left)];
        self.bytes_left -= kept.len();
        for piece in kept.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(LINE_BYTES_MAX) {
                self.add_to_line(stream, part);
            }
        }
        if self.bytes_left == 0 {
            let attempt = self.attempt.as_ref();
            tracing::warn!(
                target: "dacapo::guest",
                workflow_id = self.run.workflow_id.as_str(),
                run_id = %self.run.run_id,
                activity = attempt.map(|attempt| attempt.activity_type.as_str()),
                operation_id = attempt.map(|attempt| attempt.operation_id.0),
                attempt = attempt.map(|attempt| attempt.number),
                trace_id = self.trace_id(),
                "the guest wrote more than {} bytes at once: the rest is dropped \
                 (`limits.log_bytes_max`)",
                self.bytes_max
            );
        }
    }

    /// The last of what was written to stderr, if anything was.
    pub(crate) fn stderr_tail(&self) -> Option<String> {
        let bytes: Vec<u8> = self.stderr_tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    fn add_to_line(&mut self, stream: Stream, part: &[u8]) {
        let line = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
            Stream::Nowhere => return,
        };
        line.extend_from_slice(part);
        if part.ends_with(b"\n") || line.len() >= LINE_BYTES_MAX {
            let line = std::mem::take(line);
            self.emit(stream, &line);
        }
    }

    fn trace_id(&self) -> Option<DisplayValue<TraceId>> {
        self.run.trace.as_ref().map(|trace| tracing::field::display(trace.trace_id))
    }

    /// What the guest wrote comes last and in quotes, so that nobody takes it for anything else.
    fn emit(&self, stream: Stream, line: &[u8]) {
        let mut line = String::from_utf8_lossy(line).into_owned();
        if let Some(secrets) = &self.secrets {
            secrets.redaction().text(&mut line);
        }
        let attempt = self.attempt.as_ref();
        tracing::info!(
            target: "dacapo::guest",
            workflow_id = self.run.workflow_id.as_str(),
            run_id = %self.run.run_id,
            activity = attempt.map(|attempt| attempt.activity_type.as_str()),
            operation_id = attempt.map(|attempt| attempt.operation_id.0),
            attempt = attempt.map(|attempt| attempt.number),
            trace_id = self.trace_id(),
            stream = stream.name(),
            line = line.trim_end_matches(['\r', '\n']),
        );
    }
}

/// A line without an end is still a line.
impl Drop for GuestLog {
    fn drop(&mut self) {
        for (stream, line) in [
            (Stream::Stdout, std::mem::take(&mut self.stdout)),
            (Stream::Stderr, std::mem::take(&mut self.stderr)),
        ] {
            if !line.is_empty() {
                self.emit(stream, &line);
            }
        }
    }
}
