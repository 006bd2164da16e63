//! Texts that guests and clients choose, and that people read.

use std::borrow::Cow;

/// Bytes of a text that a message repeats: enough to know it again.
const SHOWN_BYTES: usize = 80;

/// Cuts a text at a character, and marks that it was cut.
pub fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
}

/// A text as a message repeats it: whole if it is short, otherwise its beginning
/// and its length.
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_BYTES {
        return Cow::Borrowed(text);
    }
    let beginning = &text[..text.floor_char_boundary(SHOWN_BYTES)];
    Cow::Owned(format!("{beginning}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_and_a_short_one_is_left_alone() {
        let mut text = "ü".repeat(10);
        cut(&mut text, 20);
        assert_eq!(text, "ü".repeat(10));
        cut(&mut text, 5);
        assert_eq!(text, "üü…");
    }

    #[test]
    fn a_long_text_is_shown_by_its_beginning_and_length() {
        assert_eq!(shown("short"), "short");
        let shown = shown(&"ü".repeat(1_000)).into_owned();
        assert!(shown.ends_with("ü… (2000 bytes)"), "{shown}");
        assert!(shown.len() < 120, "{shown}");
    }
}
