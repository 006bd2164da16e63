//! What people and programs read: data on standard output, messages on standard
//! error.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{Table, presets};
use serde_json::value::RawValue;

/// Of a terminal that does not say how wide it is.
const COLUMNS: usize = 80;

/// Between two columns of a table.
const GAP: usize = 2;

/// Names are not cut to less, however narrow the terminal is.
const CUT_MIN: usize = 8;

/// Who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// People.
    #[default]
    Text,
    /// Programs: the server's answers, unchanged.
    Json,
}

/// Writes a line of data. Fails with a broken pipe when nobody reads any more.
pub fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// Writes a message for people. It is lost if nobody reads them.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes a payload that the server sent, in the one of its two forms that is there.
pub fn payload(what: &str, json: Option<&RawValue>, base64: Option<&str>) -> io::Result<()> {
    match (json, base64) {
        (Some(json), _) => line(&printable(json.get())),
        (None, Some(base64)) => {
            note(&format!("{what} is not JSON; in base64 it is:"));
            line(base64)
        }
        (None, None) => Ok(()),
    }
}

/// The width of the terminal that data goes to; none if it goes elsewhere.
pub fn columns() -> Option<usize> {
    let stdout = io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout))?;
    // A terminal that does not know its width is taken for one of the usual kind.
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { COLUMNS } else { columns })
}

/// Lays rows out in columns, without lines around them, so that the text can be
/// searched and cut.
pub fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP as u16));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// Cuts the columns at these places, whose texts people chose, until all rows fit into so
/// many columns of a terminal. A narrow one leaves its room to the others.
pub fn fit<const N: usize>(
    header: &[&str; N],
    rows: &mut [[String; N]],
    chosen: &[usize],
    columns: usize,
) {
    let width = |at: usize, rows: &[[String; N]]| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([header[at].len()]).max().unwrap_or_default()
    };
    let others = (0..N).filter(|at| !chosen.contains(at)).map(|at| width(at, rows));
    let others = others.sum::<usize>() + GAP * (N - 1);
    let mut room = columns.saturating_sub(others).max(CUT_MIN * chosen.len());
    let mut widths: Vec<_> = chosen.iter().map(|at| (width(*at, rows), *at)).collect();
    widths.sort_unstable();
    let mut left = widths.len();
    for (width, at) in widths {
        let given = width.min(room / left);
        (room, left) = (room - given, left - 1);
        for row in &mut *rows {
            row[at] = without_middle(&row[at], given);
        }
    }
}

/// What catches the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Nothing.
    Plain,
    /// Something went wrong.
    Red,
    /// It went well.
    Green,
    /// Somebody ended it.
    Yellow,
    /// It goes on.
    Blue,
}

/// Colors the last column of a table, row by row, for a terminal that has colors.
/// Columns after it would move.
pub fn color_last_words(
    table: &str,
    colors: impl Iterator<Item = Color>,
    is_terminal: bool,
) -> String {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if !is_terminal || is_dumb || std::env::var_os("NO_COLOR").is_some() {
        return table.to_owned();
    }
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    for (line, color) in lines.iter_mut().skip(1).zip(colors) {
        *line = color_last_word(line, color);
    }
    lines.join("\n")
}

fn color_last_word(line: &str, color: Color) -> String {
    let code = match color {
        Color::Plain => return line.to_owned(),
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
    };
    let start = line.rfind("  ").map_or(0, |spaces| spaces + 2);
    let (before, word) = line.split_at(start);
    format!("{before}\u{1b}[{code}m{word}\u{1b}[0m")
}

/// Names and values, one below the other. Values of several lines are indented.
pub fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let lines = fields.iter().map(|(name, value)| {
        let indented = printable(value).replace('\n', &format!("\n{:width$}", ""));
        format!("{name:width$}{indented}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The text without what a terminal would act on: guests choose much of what is
/// shown, and must not move the cursor, set the window's title or turn the direction of
/// the text around.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            acts if acts.is_control() || ends_lines(acts) || turns_text(acts) => '\u{fffd}',
            other => other,
        })
        .collect()
}

/// Whether some take it for the end of a line.
fn ends_lines(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}

/// Whether it changes the direction in which the text after it is shown.
fn turns_text(character: char) -> bool {
    let marks = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}');
    marks || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text in one line of at most `length` characters.
pub fn brief(text: &str, length: usize) -> String {
    let text = printable(text).replace(['\n', '\t'], " ");
    if text.chars().count() <= length {
        return text;
    }
    let mut cut: String = text.chars().take(length.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The text in one line of at most `length` characters, without its middle if it is
/// longer: names that people choose differ at their ends.
pub fn without_middle(text: &str, length: usize) -> String {
    let text = printable(text).replace(['\n', '\t'], " ");
    let count = text.chars().count();
    if count <= length {
        return text;
    }
    let kept = length.saturating_sub(1);
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    let end = text.chars().skip(count - tail);
    text.chars().take(head).chain(['…']).chain(end).collect()
}

/// A word as a shell reads it back.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_do_not_end_in_spaces() {
        let rows = vec![["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "2".to_owned()]];
        assert_eq!(table(["NAME", "N"], rows), "NAME    N\na       1\nlonger  2");
    }

    #[test]
    fn a_color_goes_around_the_last_column_only() {
        let colored = color_last_word("order-17  1m  blocked (guest_trap)", Color::Red);
        assert_eq!(colored, "order-17  1m  \u{1b}[31mblocked (guest_trap)\u{1b}[0m");
        assert_eq!(color_last_word("a  b", Color::Plain), "a  b");
    }

    #[test]
    fn values_of_several_lines_stay_in_their_column() {
        let fields = fields(&[("id", "x".to_owned()), ("status", "a\nb".to_owned())]);
        assert_eq!(fields, "id      x\nstatus  a\n        b");
    }

    #[test]
    fn a_guest_can_not_send_commands_to_the_terminal() {
        assert_eq!(printable("\u{1b}[2Jgone\r\u{7}\n"), "\u{fffd}[2Jgone\u{fffd}\u{fffd}\n");
        assert_eq!(printable("a\u{202e}b\u{2066}\u{2028}c"), "a\u{fffd}b\u{fffd}\u{fffd}c");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        assert_eq!(brief("äöüß", 3), "äö…");
        assert_eq!(brief("a\nb", 3), "a b");
    }

    #[test]
    fn a_name_is_cut_in_its_middle() {
        assert_eq!(without_middle("order-2026-11-28-0017", 10), "order…0017");
        assert_eq!(without_middle("äöüß", 4), "äöüß");
        assert_eq!(without_middle("äöüßé", 4), "äö…é");
    }
}
