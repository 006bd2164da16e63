//! Reads a stream of server-sent events, piece by piece.

/// Bytes of one message. More than any history event has.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Message {
    /// Its `id`, if it has one.
    pub(super) id: Option<String>,
    /// Its `event`, if it has one.
    pub(super) event: Option<String>,
    /// Its `data`: all lines of it.
    pub(super) data: String,
}

/// The stream is not one of server-sent events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SseError {
    #[error("a message is longer than {MESSAGE_BYTES_MAX} bytes")]
    TooLong,
    #[error("a line is not UTF-8")]
    NotText,
}

/// Collects bytes and gives whole messages back.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// Bytes of lines that were not taken apart yet.
    buffer: Vec<u8>,
    /// Bytes at the front of `buffer` that are known to hold no end of a line.
    scanned: usize,
    message: Message,
    has_data: bool,
}

impl Parser {
    /// Adds bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() + self.message.data.len() > MESSAGE_BYTES_MAX {
            return Err(SseError::TooLong);
        }
        Ok(())
    }

    /// The next whole message, if there is one.
    pub(super) fn next(&mut self) -> Result<Option<Message>, SseError> {
        while let Some(line) = self.next_line()? {
            if !line.is_empty() {
                self.field(&line);
            } else if std::mem::take(&mut self.has_data) {
                return Ok(Some(std::mem::take(&mut self.message)));
            } else {
                // A message without data is none.
                self.message = Message::default();
            }
        }
        Ok(None)
    }

    /// Lines end in LF or CR LF. (A CR alone may end one as well, but would have
    /// to wait for the byte after it; no server writes that.)
    fn next_line(&mut self) -> Result<Option<String>, SseError> {
        let Some(end) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') else {
            self.scanned = self.buffer.len();
            return Ok(None);
        };
        let end = self.scanned + end;
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        self.scanned = 0;
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map(Some).map_err(|_| SseError::NotText)
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => self.message.event = Some(value.to_owned()),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
            }
            // Comments have an empty name; they keep the connection alive.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<Message> {
        let mut parser = Parser::default();
        let mut messages = Vec::new();
        for piece in pieces {
            parser.push(piece).expect("short");
            while let Some(message) = parser.next().expect("valid") {
                messages.push(message);
            }
        }
        messages
    }

    fn message(id: &str, event: &str, data: &str) -> Message {
        Message { id: Some(id.into()), event: Some(event.into()), data: data.into() }
    }

    const STREAM: &[u8] = b": hello\n\nid: 1\nevent: A\ndata: {\"x\":1}\n\nid:2\r\nevent:B\r\n\
        data: one\r\ndata: two\r\n\r\n";

    #[test]
    fn messages_come_out_whole_however_the_bytes_arrive() {
        let expected = vec![message("1", "A", "{\"x\":1}"), message("2", "B", "one\ntwo")];
        assert_eq!(all(&[STREAM]), expected);
        for cut in 0..STREAM.len() {
            assert_eq!(all(&[&STREAM[..cut], &STREAM[cut..]]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(all(&bytes), expected);
    }

    #[test]
    fn comments_and_messages_without_data_are_skipped() {
        assert_eq!(all(&[b":\n\n: keep-alive\n\nid: 7\n\nretry: 5\n\n"]), []);
    }

    #[test]
    fn an_unfinished_message_is_not_given_out() {
        assert_eq!(all(&[b"id: 1\ndata: half"]), []);
    }

    #[test]
    fn only_one_space_after_the_colon_is_taken_away() {
        assert_eq!(all(&[b"data:  x\n\n"])[0].data, " x");
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let mut parser = Parser::default();
        parser.push(b"data: \xff\n").expect("short");
        assert_eq!(parser.next(), Err(SseError::NotText));
    }

    #[test]
    fn a_message_without_end_is_an_error() {
        let mut parser = Parser::default();
        parser.push(&vec![b'x'; MESSAGE_BYTES_MAX]).expect("just fits");
        assert_eq!(parser.next(), Ok(None));
        assert_eq!(parser.push(b"x"), Err(SseError::TooLong));
    }
}
