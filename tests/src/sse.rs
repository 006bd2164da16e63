//! A live history, as a client sees it.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use serde_json::Value;

/// Events as they come.
pub struct EventStream {
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    buffer: String,
}

impl EventStream {
    pub(crate) fn new(response: reqwest::Response) -> Self {
        Self { chunks: response.bytes_stream().boxed(), buffer: String::new() }
    }

    /// The next event; none at the end of the stream, in order or not.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((message, rest)) = self.buffer.split_once("\n\n") {
                let event = read(message);
                self.buffer = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let chunk = self.chunks.next().await?.ok()?;
            self.buffer.push_str(std::str::from_utf8(&chunk).expect("the stream is text"));
        }
    }

    /// The rest of the stream.
    pub async fn rest(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// Waits for an event of this type.
    pub async fn until(&mut self, event_type: &str) -> Value {
        loop {
            match self.next().await {
                Some(event) if event["event_type"] == event_type => return event,
                Some(_) => {}
                None => panic!("the stream ended before `{event_type}`"),
            }
        }
    }
}

/// The data of a message, if it is no comment. Its id and type must be those of
/// the event in it.
fn read(message: &str) -> Option<Value> {
    let field = |name: &str| {
        let mut lines = message.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim_start))
    };
    let event: Value = serde_json::from_str(field("data")?).expect("the data is JSON");
    assert_eq!(field("id"), Some(event["event_id"].to_string().as_str()), "{message}");
    assert_eq!(field("event"), event["event_type"].as_str(), "{message}");
    Some(event)
}
