//! What a function is given besides its input.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::cancellation::CancelReason;
use crate::held::Held;
use crate::in_hand::InHand;
use crate::info::TaskInfo;
use crate::payload::Payload;

/// Bytes of what a heartbeat says.
pub const HEARTBEAT_DETAILS_BYTES_MAX: usize = 64 * 1024;

/// What a function is given besides its input. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ActivityContext {
    info: Arc<TaskInfo>,
    held: Arc<Held>,
    in_hand: Arc<InHand>,
}

/// Why a heartbeat can't be sent. The attempt goes on, and its lease is prolonged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeartbeatError {
    /// What it says can't be written as JSON.
    #[error("the details of the heartbeat can't be written: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It says too much.
    #[error(
        "the details of the heartbeat have {bytes} bytes; at most {HEARTBEAT_DETAILS_BYTES_MAX} are kept"
    )]
    TooLarge {
        /// How much.
        bytes: usize,
    },
}

impl ActivityContext {
    pub(crate) fn new(info: TaskInfo, held: Arc<Held>, in_hand: Arc<InHand>) -> Self {
        Self { info: Arc::new(info), held, in_hand }
    }

    /// Which attempt of which activity this is.
    pub fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// Says how far the attempt has come, for the attempt after this one if this one fails.
    ///
    /// Never waits: what is said is sent at once, and then no more often than every other
    /// second, the last word first. Call it as often as you like. The lease needs no
    /// heartbeats of yours: the worker prolongs it as long as the function runs.
    pub fn heartbeat<T: Serialize + ?Sized>(&self, details: &T) -> Result<(), HeartbeatError> {
        self.heartbeat_json(serde_json::to_string(details).map_err(HeartbeatError::NotJson)?)
    }

    /// The same for what is JSON already.
    pub fn heartbeat_json(&self, details: impl Into<String>) -> Result<(), HeartbeatError> {
        let details: String = details.into();
        if details.len() > HEARTBEAT_DETAILS_BYTES_MAX {
            return Err(HeartbeatError::TooLarge { bytes: details.len() });
        }
        let json: Box<serde_json::value::RawValue> =
            serde_json::from_str(&details).map_err(HeartbeatError::NotJson)?;
        if self.held.note(Payload::from(json)) {
            self.in_hand.change();
        }
        Ok(())
    }

    /// What the last heartbeat of an attempt before this one said; none if there was none.
    pub fn heartbeat_details<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.info.heartbeat_details.as_ref().map(Payload::decode).transpose()
    }

    /// Returns once the function is to end; [`Self::cancel_reason`] says why.
    ///
    /// A function that ends because the workflow asked for it returns
    /// [`Failure::cancelled`](crate::Failure::cancelled). When the lease is lost the
    /// function is dropped where it waits, so that it sees nothing of it.
    pub async fn cancelled(&self) {
        self.held.cancellation().token().cancelled().await;
    }

    /// Whether the function is to end.
    pub fn is_cancelled(&self) -> bool {
        self.held.cancellation().token().is_cancelled()
    }

    /// Why the function is to end; none as long as it may go on.
    pub fn cancel_reason(&self) -> Option<CancelReason> {
        self.held.cancellation().reason()
    }

    /// Is cancelled when the function is to end: for tasks that it has started.
    pub fn cancellation_token(&self) -> CancellationToken {
        self.held.cancellation().token().child_token()
    }

    /// Whether an operator holds the activity: no further attempt begins. This one may go
    /// on.
    pub fn is_paused(&self) -> bool {
        self.held.cancellation().is_paused()
    }
}
