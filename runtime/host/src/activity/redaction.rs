//! Takes secrets out of what comes back: answers, results, failures, log lines.
//!
//! A service may say what it was sent, on purpose or in an error. What an activity
//! reads of it has the name of the secret, or as many asterisks in a body, where the
//! length must stay. So a guest never holds a secret in plain; and what it hands on
//! is looked at once more, in case it was sent packed.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use aho_corasick::{AhoCorasick, MatchKind};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use wasmtime_wasi_http::{Error, WasiBody};

use super::secret_forms::forms;
use super::secrets::PREFIX;
use crate::config::HostError;

/// Shorter ones would be found in every text.
pub(super) const SECRET_BYTES_MIN: usize = 4;

/// What stands in the place of each byte of a secret in a body.
const MASK: u8 = b'*';

/// All secrets, in each form in which they may come back.
#[derive(Clone)]
pub(crate) struct Redaction {
    /// None if there are no secrets.
    finder: Option<AhoCorasick>,
    forms: Arc<Forms>,
}

struct Forms {
    /// What to look for, in order.
    sorted: Vec<Vec<u8>>,
    /// What to put there, for each of them.
    names: Vec<String>,
    /// Bytes of the longest one.
    longest: usize,
}

impl Forms {
    /// Whether a form begins so.
    fn begin_with(&self, beginning: &[u8]) -> bool {
        let at = self.sorted.partition_point(|form| form.as_slice() < beginning);
        self.sorted.get(at).is_some_and(|form| form.starts_with(beginning))
    }
}

impl Redaction {
    /// Secrets by name.
    pub(super) fn new<'a>(
        secrets: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HostError> {
        let mut by_form = BTreeMap::new();
        for (name, value) in secrets {
            for form in forms(value) {
                by_form.entry(form).or_insert_with(|| format!("{PREFIX}{name}"));
            }
        }
        let (sorted, names): (Vec<_>, Vec<_>) = by_form.into_iter().unzip();
        let finder = match sorted.is_empty() {
            true => None,
            false => Some(
                AhoCorasick::builder()
                    .match_kind(MatchKind::LeftmostLongest)
                    .build(&sorted)
                    .map_err(|error| HostError::setting("activities.secrets", error.to_string()))?,
            ),
        };
        let longest = sorted.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Self { finder, forms: Arc::new(Forms { sorted, names, longest }) })
    }

    /// Puts names in the place of secrets. None if there are none in it.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let finder = self.finder.as_ref()?;
        finder.find(bytes)?;
        Some(finder.replace_all_bytes(bytes, &self.forms.names))
    }

    /// The same for a text.
    pub(crate) fn text(&self, text: &mut String) {
        if let Some(finder) = &self.finder
            && finder.is_match(text.as_str())
        {
            *text = finder.replace_all(text, &self.forms.names);
        }
    }

    /// The same for the headers of an answer.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Some(redacted) = self.bytes(value.as_bytes())
                && let Ok(redacted) = HeaderValue::from_bytes(&redacted)
            {
                *value = redacted;
            }
        }
    }

    /// A body in which secrets are masked.
    pub(super) fn body(&self, body: WasiBody) -> Masked {
        Masked { body, redaction: self.clone(), held: BytesMut::new(), trailers: None }
    }

    /// Masks what is whole, and answers how many bytes of the end may be the
    /// beginning of a secret whose rest is still to come.
    fn mask(&self, bytes: &mut [u8]) -> usize {
        let Some(finder) = &self.finder else {
            return 0;
        };
        let found: Vec<_> = finder.find_iter(&*bytes).map(|found| found.range()).collect();
        for range in found {
            bytes[range].fill(MASK);
        }
        let held_max = self.forms.longest.saturating_sub(1).min(bytes.len());
        let may_begin = |held: &usize| self.forms.begin_with(&bytes[bytes.len() - held..]);
        (1..=held_max).rev().find(may_begin).unwrap_or(0)
    }
}

/// A body that passes on what it reads as soon as it can't be part of a secret.
pub(super) struct Masked {
    body: WasiBody,
    redaction: Redaction,
    /// Read, and not passed on yet.
    held: BytesMut,
    /// Read, and passed on after what is held.
    trailers: Option<Frame<Bytes>>,
}

impl Body for Masked {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            if let Some(trailers) = this.trailers.take() {
                return Poll::Ready(Some(Ok(trailers)));
            }
            match ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        this.held.extend_from_slice(&data);
                        let kept = this.redaction.mask(&mut this.held);
                        let passed = this.held.split_to(this.held.len() - kept);
                        if !passed.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(passed.freeze()))));
                        }
                    }
                    Err(mut other) => {
                        if let Some(trailers) = other.trailers_mut() {
                            this.redaction.headers(trailers);
                        }
                        this.trailers = Some(other);
                        if !this.held.is_empty() {
                            return Poll::Ready(Some(Ok(Frame::data(this.held.split().freeze()))));
                        }
                    }
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None if this.held.is_empty() => return Poll::Ready(None),
                None => return Poll::Ready(Some(Ok(Frame::data(this.held.split().freeze())))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use http_body_util::BodyExt as _;

    use super::*;

    fn redaction() -> Redaction {
        let secrets = [("KEY", "s3cr3t"), ("LONG", "s3cr3t-and-more"), ("ODD", "a\"b\\c")];
        Redaction::new(secrets.into_iter()).expect("valid")
    }

    fn text(text: &str) -> String {
        let mut redacted = text.to_owned();
        redaction().text(&mut redacted);
        redacted
    }

    #[test]
    fn the_longest_secret_is_named_in_each_form() {
        assert_eq!(text("it was s3cr3t!"), "it was dacapo-secret:KEY!");
        assert_eq!(text("s3cr3t-and-more"), "dacapo-secret:LONG");
        assert_eq!(text(r#"{"odd": "a\"b\\c"}"#), r#"{"odd": "dacapo-secret:ODD"}"#);
        assert_eq!(text("nothing here"), "nothing here");
        assert_eq!(
            redaction().bytes(b"\xffs3cr3t").as_deref(),
            Some(&b"\xffdacapo-secret:KEY"[..])
        );
        assert_eq!(redaction().bytes(b"nothing"), None);
    }

    #[test]
    fn a_secret_in_base64_is_named_with_whatever_stands_around_it() {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let secrets = [("KEY", "correct-horse-battery")];
        let redaction = Redaction::new(secrets.into_iter()).expect("valid");
        for user in ["", "u:", "me:", "you:", "anybody:"] {
            let encoded = STANDARD.encode(format!("{user}correct-horse-battery"));
            let mut text = format!(r#"{{"authorization": "Basic {encoded}"}}"#);
            redaction.text(&mut text);
            assert!(text.contains("dacapo-secret:KEY"), "{text}");
            // What is left of it is the user, and a few bits.
            let left = text.replace("dacapo-secret:KEY", "");
            assert!(left.len() <= 32 + STANDARD.encode(user).len(), "{text}");
        }
    }

    /// A body of frames, one for each poll.
    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    async fn masked(chunks: &[&'static str]) -> Vec<String> {
        let frames = chunks.iter().map(|chunk| Frame::data(Bytes::from_static(chunk.as_bytes())));
        let body = Frames(frames.collect()).map_err(|never| match never {}).boxed_unsync();
        let mut masked = redaction().body(body);
        let mut seen = Vec::new();
        while let Some(frame) = masked.frame().await {
            let data = frame.expect("no error").into_data().expect("data");
            seen.push(String::from_utf8(data.to_vec()).expect("text"));
        }
        seen
    }

    #[tokio::test]
    async fn a_secret_is_masked_wherever_the_body_is_cut() {
        let whole = "before s3cr3t after";
        for at in 0..whole.len() {
            let (one, other) = whole.split_at(at);
            assert_eq!(masked(&[one, other]).await.concat(), "before ****** after", "at {at}");
        }
        assert_eq!(masked(&["s", "3", "c", "r", "3", "t"]).await.concat(), "******");
        assert_eq!(masked(&["ends with s3cr3"]).await.concat(), "ends with s3cr3");
    }

    #[tokio::test]
    async fn what_can_not_be_a_secret_is_passed_on_at_once() {
        let chunks = ["data: one\n\n", "data: two\n\n"];
        assert_eq!(masked(&chunks).await, chunks);
    }
}
