//! Why a guest stopped, told in the terms of the people who read about it.

use dacapo_engine::guest::ModuleRejected;
use dacapo_engine::replay::CallError;
use dacapo_model::code::ErrorCode;
use dacapo_model::execution::{Blocked, Nondeterminism};
use dacapo_model::limits::REPORT_MESSAGE_BYTES_MAX;
use dacapo_model::text::cut;
use wasmtime::{Trap, WasmBacktrace};

use crate::limits::Limiter;
use crate::log::GuestLog;
use crate::overflow::overflowed_stack;

/// Bytes of one line of a backtrace. Rust's names of generic functions are long.
const FRAME_BYTES_MAX: usize = 512;

/// A host function's reason to stop the guest that called it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The call does not fit the history, or asks for too much.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The function exists, but not for this kind of instance.
    #[error("`{function}` was called, which {reason}")]
    Forbidden { function: String, reason: &'static str },
    /// A payload over the limit.
    #[error("{what} has {bytes} bytes; at most {max} are allowed (`limits.payload_bytes_max`)")]
    PayloadTooLarge { what: &'static str, bytes: usize, max: usize },
    /// What a heartbeat says is over the limit.
    #[error("what the heartbeat says has {bytes} bytes; at most {max} are allowed")]
    DetailsTooLarge { bytes: usize, max: usize },
    /// An argument that breaks a rule of the interface.
    #[error("{0}")]
    Misuse(String),
    /// The guest ended itself.
    #[error(
        "the workflow exited with {status}, which ends a process, not a run: return from `run`"
    )]
    Exited { status: String },
}

/// What became of a guest that did not return.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) backtrace: Option<String>,
    pub(crate) nondeterminism: Option<Box<Nondeterminism>>,
}

impl Fault {
    /// Reads an error that ended a guest, and what is known of the instance.
    pub(crate) fn new(error: &wasmtime::Error, limiter: &Limiter, log: &GuestLog) -> Self {
        let backtrace = error.downcast_ref::<WasmBacktrace>().and_then(frames);
        if let Some(stop) = error.downcast_ref::<Stop>() {
            let fault = Self { backtrace, ..Self::stopped(stop) };
            return match stop {
                Stop::Exited { .. } => fault.with_last_words(log),
                _ => fault,
            };
        }
        let (code, message) = match (error.downcast_ref::<Trap>(), limiter.refusal()) {
            (Some(Trap::OutOfFuel), _) => (
                ErrorCode::GuestCpuLimit,
                "the guest computed for too long without waiting: look for a loop that does not \
                 end, or move the work to an activity"
                    .to_owned(),
            ),
            (Some(trap), _) if overflowed_stack(error, *trap) => (
                ErrorCode::GuestStackOverflow,
                "the guest overflowed its stack: look for a recursion that does not end, or for \
                 large arrays in variables"
                    .to_owned(),
            ),
            (_, Some(refused)) => {
                (ErrorCode::GuestMemoryLimit, format!("the guest needed {refused}"))
            }
            (Some(trap), None) => (ErrorCode::GuestTrap, format!("the guest trapped: {trap}")),
            (None, None) if copies_too_much(error) => (
                ErrorCode::PayloadTooLarge,
                "the guest passed more data in one call than `limits.payload_bytes_max` allows"
                    .to_owned(),
            ),
            (None, None) => {
                (ErrorCode::GuestTrap, format!("the guest was stopped: {}", error.root_cause()))
            }
        };
        let fault = Self { code, message, backtrace, nondeterminism: None };
        match code {
            ErrorCode::GuestTrap | ErrorCode::GuestMemoryLimit => fault.with_last_words(log),
            _ => fault,
        }
    }

    /// The same with the last that the guest wrote to stderr, where its language says
    /// what was wrong.
    pub(crate) fn with_last_words(mut self, log: &GuestLog) -> Self {
        if let Some(written) = log.stderr_tail()
            && !self.message.ends_with(&written)
        {
            self.message.push_str("; the last it wrote to stderr: ");
            self.message.push_str(&written);
        }
        self
    }

    fn stopped(stop: &Stop) -> Self {
        let code = match stop {
            Stop::Call(CallError::Nondeterminism(_) | CallError::UnsupportedVersion { .. }) => {
                ErrorCode::Nondeterminism
            }
            Stop::Call(
                CallError::UnknownOperation(_)
                | CallError::NotAnActivity(_)
                | CallError::UnknownSignal { .. }
                | CallError::UnknownQuery { .. }
                | CallError::UnknownUpdate(_)
                | CallError::DuringQuery { .. }
                | CallError::BeforeDecision { .. }
                | CallError::AfterRejection { .. }
                | CallError::UnrecordedValue { .. }
                | CallError::UnaskedValue { .. },
            )
            | Stop::Misuse(_)
            | Stop::Exited { .. } => ErrorCode::GuestTrap,
            Stop::Call(
                CallError::TooManyCommands { .. }
                | CallError::TooManyCommandBytes { .. }
                | CallError::TooManyPublished { .. }
                | CallError::TooManyPublishedBytes { .. }
                | CallError::TooManyNotes { .. }
                | CallError::TooManyLatestBytes { .. },
            ) => ErrorCode::RunLimitExceeded,
            Stop::Forbidden { .. } => ErrorCode::GuestForbiddenCall,
            Stop::PayloadTooLarge { .. } | Stop::DetailsTooLarge { .. } => {
                ErrorCode::PayloadTooLarge
            }
        };
        let nondeterminism = match stop {
            Stop::Call(CallError::Nondeterminism(report)) => Some(report.clone()),
            Stop::Call(CallError::UnsupportedVersion { report, .. }) => report.clone(),
            _ => None,
        };
        Self { code, message: stop.to_string(), backtrace: None, nondeterminism }
    }
}

impl From<Fault> for Blocked {
    fn from(fault: Fault) -> Self {
        Self {
            code: fault.code.as_str().to_owned(),
            message: fault.message,
            backtrace: fault.backtrace,
            nondeterminism: fault.nondeterminism,
        }
        .bounded()
    }
}

/// A report without a backtrace.
pub(crate) fn blocked(code: ErrorCode, message: impl Into<String>) -> Blocked {
    Blocked {
        code: code.as_str().to_owned(),
        message: message.into(),
        backtrace: None,
        nondeterminism: None,
    }
    .bounded()
}

/// A refusal of an upload without details.
pub(crate) fn rejected(code: ErrorCode, message: impl Into<String>) -> ModuleRejected {
    let mut message = message.into();
    cut(&mut message, REPORT_MESSAGE_BYTES_MAX);
    ModuleRejected { code, message, details: std::collections::BTreeMap::new() }
}

/// Wasmtime's own error for it is private, so its text has to do; a test holds it.
fn copies_too_much(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls")
}

/// One frame per line, the innermost first, as `module!function`. The names are the
/// guest's, and may be of any length.
pub(crate) fn frames(backtrace: &WasmBacktrace) -> Option<String> {
    let text = backtrace.to_string();
    let lines: Vec<String> = text
        .lines()
        .skip(1)
        .map(|line| {
            let mut frame =
                line.split_once(" - ").map_or(line, |(_, frame)| frame).trim().to_owned();
            cut(&mut frame, FRAME_BYTES_MAX);
            frame
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
