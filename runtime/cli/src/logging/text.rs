//! How the fields of a line are written for people.
//!
//! Guests and clients choose much of what is logged. Whatever they write, an event stays
//! one line, a terminal shows it as it is, and no value can be taken for further fields.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// `message name=value name="another value"`.
pub(super) struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, outcome: Ok(()) };
        fields.record(&mut line);
        line.outcome
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    outcome: fmt::Result,
}

impl Line<'_> {
    fn add(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        if self.outcome.is_ok() {
            self.outcome = self.try_add(field, text);
        }
    }

    fn try_add(&mut self, field: &Field, text: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.writer.write_char(' ')?;
        }
        if field.name() == "message" {
            return Escaped(&mut self.writer).write_fmt(text);
        }
        if self.writer.has_ansi_escapes() {
            write!(self.writer, "\u{1b}[2m{}=\u{1b}[0m", field.name())?;
        } else {
            write!(self.writer, "{}=", field.name())?;
        }
        self.writer.write_fmt(text)
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.add(field, format_args!("{value}"));
        } else {
            self.add(field, format_args!("{value:?}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            return self.add(field, format_args!("{value:?}"));
        }
        let text = format!("{value:?}");
        if is_plain(&text) {
            self.add(field, format_args!("{text}"));
        } else {
            self.add(field, format_args!("{text:?}"));
        }
    }
}

/// Whether a value ends where it seems to end, without quotes around it.
fn is_plain(text: &str) -> bool {
    let is_plain = |character: char| {
        character.is_alphanumeric()
            || character.is_ascii_punctuation() && !matches!(character, '"' | '\'' | '=' | '\\')
    };
    !text.is_empty() && text.chars().all(is_plain)
}

/// Writes text without what a terminal would act on or what would end the line.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| match character {
            '"' | '\'' | '\\' => self.0.write_char(character),
            other => other.escape_debug().try_for_each(|part| self.0.write_char(part)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a server writes for the events of `log`, without times.
    fn written(log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .fmt_fields(TextFields)
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = written.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    /// What ends a line somewhere, moves the cursor or turns the direction of the text.
    const ACTS: &str = "\r\n\0\u{1b}[2J\u{7}\u{85}\u{9b}\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}";

    #[test]
    fn nothing_that_a_guest_writes_reaches_the_terminal_as_a_command() {
        let text = written(|| {
            tracing::info!(line = ACTS, id = %ACTS, error = ?ACTS, "it said {ACTS}");
            let span = tracing::info_span!("request", route = %ACTS);
            span.in_scope(|| tracing::warn!("in a span"));
        });
        assert_eq!(text.matches('\n').count(), 2, "{text:?}");
        let harmless = |character: char| " \n".contains(character) || character.is_ascii_graphic();
        assert!(text.chars().all(harmless), "{text:?}");
    }

    #[test]
    fn no_value_can_be_taken_for_further_fields() {
        let forged = "x\" status=\"completed";
        let text = written(|| tracing::info!(id = %"a b=c", name = forged, kind = ?forged, "done"));
        let kind = format!("{:?}", format!("{forged:?}"));
        assert_eq!(text, format!(" INFO done id=\"a b=c\" name={forged:?} kind={kind}\n"));
    }

    #[test]
    fn ids_numbers_and_durations_need_no_quotes() {
        let text = written(|| {
            let took = std::time::Duration::from_micros(1_500);
            tracing::info!(id = %"order/17-ä", count = 3_u64, ?took, "done");
        });
        assert_eq!(text, " INFO done id=order/17-ä count=3 took=1.5ms\n");
    }
}
