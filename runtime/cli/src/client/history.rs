//! Follows a history, across restarts of the server.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderName};
use serde_json::value::RawValue;

use super::sse::Parser;
use super::wire::Event;
use super::{Client, ClientError, Patience, RunAddress};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The server sends a comment more often than this; without any sign of it the
/// connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// An event of a history, in the server's words and read.
#[derive(Debug)]
pub struct FollowedEvent {
    /// The server's JSON.
    pub text: Box<RawValue>,
    /// What it says.
    pub event: Event,
}

/// A history as it grows. A lost connection is made again, from the event after
/// the last one that was seen.
#[derive(Debug)]
pub struct HistoryStream {
    client: Client,
    run: RunAddress,
    last_seen: u64,
    is_closed: bool,
    connection: Option<(reqwest::Response, Parser)>,
    reconnects: u32,
}

impl HistoryStream {
    pub(super) fn new(client: Client, run: RunAddress) -> Self {
        Self { client, run, last_seen: 0, is_closed: false, connection: None, reconnects: 0 }
    }

    /// How often the connection was lost and made again.
    pub fn reconnects(&self) -> u32 {
        self.reconnects
    }

    /// The next event; none after the one that closed the run.
    pub async fn next(&mut self) -> Result<Option<FollowedEvent>, ClientError> {
        if self.is_closed {
            return Ok(None);
        }
        let mut patience = Patience::default();
        loop {
            match self.try_next().await {
                Ok(event) => {
                    self.last_seen = event.event.event_id;
                    self.is_closed = event.event.is_closing();
                    return Ok(Some(event));
                }
                Err(error) => {
                    if self.connection.take().is_some() {
                        self.reconnects += 1;
                    }
                    patience.bear(error).await?;
                }
            }
        }
    }

    async fn try_next(&mut self) -> Result<FollowedEvent, ClientError> {
        let unreadable = |problem: String| ClientError::Answer { problem };
        let (response, parser) = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert((
                connect(&self.client, &self.run, self.last_seen).await?,
                Parser::default(),
            )),
        };
        loop {
            let message = parser.next().map_err(|error| unreadable(error.to_string()))?;
            if let Some(message) = message {
                let text: Box<RawValue> = serde_json::from_str(&message.data)
                    .map_err(|error| unreadable(error.to_string()))?;
                let event: Event = serde_json::from_str(text.get())
                    .map_err(|error| unreadable(error.to_string()))?;
                // What was seen may come again, but nothing may be left out.
                if event.event_id <= self.last_seen {
                    continue;
                }
                if event.event_id != self.last_seen + 1 {
                    let (seen, next) = (self.last_seen, event.event_id);
                    return Err(unreadable(format!("event {next} came after event {seen}")));
                }
                return Ok(FollowedEvent { text, event });
            }
            let chunk = tokio::time::timeout(SILENCE_MAX, response.chunk()).await;
            let client = &self.client;
            let chunk = chunk
                .map_err(|_| client.lost("it went silent"))?
                .map_err(|error| ClientError::unreachable(&client.server, error))?
                .ok_or_else(|| client.lost("it ended the stream before the run closed"))?;
            parser.push(&chunk).map_err(|error| unreadable(error.to_string()))?;
        }
    }
}

async fn connect(
    client: &Client,
    run: &RunAddress,
    last_seen: u64,
) -> Result<reqwest::Response, ClientError> {
    let mut request =
        client.http.get(client.run_url(run, &["history"])?).header(ACCEPT, "text/event-stream");
    if last_seen > 0 {
        request = request.header(LAST_EVENT_ID, last_seen);
    }
    let response = tokio::time::timeout(SILENCE_MAX, request.send())
        .await
        .map_err(|_| client.lost("it does not answer"))?
        .map_err(|error| ClientError::unreachable(&client.server, error))?;
    if response.status().is_success() {
        return Ok(response);
    }
    match client.read(response).await {
        Ok(_) => Err(ClientError::Answer { problem: "it is not a stream of events".to_owned() }),
        Err(error) => Err(error),
    }
}
