//! Output as a README shows it: `…` stands for any text, a time of day for any time,
//! and an address of this machine for the one that was really taken. How wide columns
//! are does not matter.

/// What an output is compared with.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Texts that must be there, in this order; between two of them there may be
    /// anything.
    pieces: Vec<String>,
    /// What stands between them, if it is an address.
    gaps: Vec<Option<String>>,
}

/// An address that is shown, and the one that was printed in its place.
pub(crate) type Address = (String, String);

impl Shown {
    pub(crate) fn new(text: &str) -> Self {
        let text = narrow(text);
        let (mut pieces, mut gaps) = (vec![String::new()], Vec::new());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let (length, gap) = if first == '…' {
                (first.len_utf8(), Some(None))
            } else if is_time_of_day(rest) {
                (TIME_OF_DAY.len(), Some(None))
            } else if let Some(address) = address(rest) {
                (address.len(), Some(Some(address.to_owned())))
            } else {
                (first.len_utf8(), None)
            };
            match gap {
                Some(gap) => {
                    gaps.push(gap);
                    pieces.push(String::new());
                }
                None => pieces.last_mut().expect("one is there").push(first),
            }
            rest = &rest[length..];
        }
        Self { pieces, gaps }
    }

    /// Whether all of an output is as it is shown, and its addresses if so.
    pub(crate) fn is_all_of(&self, output: &str) -> Option<Vec<Address>> {
        let output = narrow(output);
        let (last, before) = self.pieces.split_last().expect("one is there");
        if before.is_empty() {
            return (output == *last).then(Vec::new);
        }
        let mut rest = output.strip_prefix(before[0].as_str())?;
        let mut addresses = Vec::new();
        for (gap, piece) in self.gaps.iter().zip(&before[1..]) {
            let (between, after) = rest.split_once(piece.as_str())?;
            note(gap, between, &mut addresses);
            rest = after;
        }
        let between = rest.strip_suffix(last.as_str())?;
        note(self.gaps.last().expect("one before each piece"), between, &mut addresses);
        Some(addresses)
    }

    /// The same for the beginning of an output that goes on.
    pub(crate) fn is_beginning_of(&self, output: &str) -> Option<Vec<Address>> {
        // A line that is not complete may have an address that is not.
        output.match_indices('\n').find_map(|(end, _)| self.is_all_of(&output[..end]))
    }
}

fn note(gap: &Option<String>, between: &str, addresses: &mut Vec<Address>) {
    if let Some(shown) = gap {
        addresses.push((shown.clone(), between.to_owned()));
    }
}

/// One blank where there are several, and none at the ends of lines, nor empty lines at
/// the end.
fn narrow(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

const TIME_OF_DAY: &str = "00:00:00.000";

fn is_time_of_day(text: &str) -> bool {
    let same =
        |(shape, letter): (u8, u8)| shape == letter || (shape == b'0' && letter.is_ascii_digit());
    text.len() >= TIME_OF_DAY.len() && TIME_OF_DAY.bytes().zip(text.bytes()).all(same)
}

/// `127.0.0.1:` and a port, at the beginning of a text.
fn address(text: &str) -> Option<&str> {
    let port = text.strip_prefix("127.0.0.1:")?;
    let digits = port.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| &text[..text.len() - port.len() + digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(shown: &str, output: &str) -> bool {
        Shown::new(shown).is_all_of(output).is_some()
    }

    #[test]
    fn all_that_is_shown_must_be_there_and_nothing_else() {
        assert!(fits("a\nb  c", "a\nb c\n"));
        assert!(!fits("a\nb", "a\nb\nc"));
        assert!(!fits("a\nb", "x\na\nb"));
        assert!(!fits("1 charge", "2 charge"));
        assert!(!fits("a\n\nb", "a\nb"));
    }

    #[test]
    fn an_ellipsis_is_any_text() {
        assert!(fits("run … of …\n…\nend", "run 1 of x\nmore\nand more\nend"));
        assert!(!fits("run … of …\n…\nend", "run 1\nend"));
        assert!(!fits("a … a", "a a"), "what is before it is not also after it");
    }

    #[test]
    fn a_time_of_day_is_any_time() {
        assert!(fits("1  14:22:32.091  Started", "1 09:00:00.000 Started"));
        assert!(!fits("1  14:22:32  Started", "1 09:00:00 Started"));
    }

    #[test]
    fn an_address_is_the_one_that_was_taken() {
        let shown = Shown::new("ready at http://127.0.0.1:7233\n…\nbuilt");
        let pairs = shown.is_all_of("ready at http://127.0.0.1:4711\nx\nbuilt");
        assert_eq!(pairs, Some(vec![("127.0.0.1:7233".to_owned(), "127.0.0.1:4711".to_owned())]));
    }

    #[test]
    fn an_output_that_goes_on_is_compared_once_a_line_is_complete() {
        let shown = Shown::new("ready at http://127.0.0.1:7233");
        assert!(shown.is_beginning_of("ready at http://127.0.0.1:47").is_none());
        assert!(shown.is_beginning_of("ready at http://127.0.0.1:4711\nmore").is_some());
    }
}
