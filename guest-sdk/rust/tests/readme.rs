//! The README names everything there is, and what it shows compiles.
//!
//! Its blocks are compiled as documentation. The expressions in its tables are compiled
//! here: each of them must stand in [`snippets`], which nobody runs.

use std::path::Path;

/// The module with the expressions.
const SNIPPETS: &str = include_str!("snippets/mod.rs");
const README: &str = include_str!("../README.md");

#[expect(dead_code, reason = "it is only compiled")]
mod snippets;

/// What stands between backticks in the tables.
fn codes() -> Vec<String> {
    let rows = README.lines().filter(|line| line.starts_with('|'));
    let codes = rows.flat_map(|row| {
        let row = row.replace("\\|", "\u{0}");
        let odd = row.split('`').skip(1).step_by(2).map(|code| code.replace('\u{0}', "|"));
        odd.collect::<Vec<_>>()
    });
    codes.collect()
}

/// Without the white space that rustfmt decides about, and the commas it adds.
fn dense(text: &str) -> String {
    let dense: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    dense.replace(",)", ")").replace(",]", "]")
}

/// Whether `shown` stands in `source`; `..` is any text within one statement or two.
fn stands_in(source: &str, shown: &str) -> bool {
    const GAP_MAX: usize = 200;
    let mut pieces = shown.split("..");
    let first = pieces.next().expect("one is there");
    let pieces: Vec<_> = pieces.collect();
    source.match_indices(first).any(|(start, _)| {
        let mut end = start + first.len();
        pieces.iter().all(|piece| match source[end..].find(piece) {
            Some(gap) if gap <= GAP_MAX => {
                end += gap + piece.len();
                true
            }
            _ => false,
        })
    })
}

#[test]
fn every_expression_of_the_tables_compiles() {
    let source = dense(SNIPPETS);
    let shown = codes().into_iter().filter(|code| code.contains('('));
    let missing: Vec<_> = shown.filter(|code| !stands_in(&source, &dense(code))).collect();
    assert!(missing.is_empty(), "write these into tests/snippets/mod.rs: {missing:#?}");
}

#[test]
fn every_public_function_and_method_is_named() {
    let codes = codes();
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let named =
        |name: &str| codes.iter().any(|code| code.split(|it| !is_word(it)).any(|it| it == name));
    let mut unnamed = Vec::new();
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let mut is_hidden = false;
        for line in text.lines().map(str::trim_start) {
            let function = line
                .strip_prefix("pub ")
                .map(|rest| rest.trim_start_matches("async ").trim_start_matches("const "))
                .and_then(|rest| rest.strip_prefix("fn "));
            if let Some(rest) = function.filter(|_| !is_hidden) {
                let name = rest.split(|it| !is_word(it)).next().expect("a name");
                if !named(name) {
                    unnamed.push(format!("{name} ({})", file.display()));
                }
            }
            is_hidden =
                line.starts_with("#[doc(hidden)]") || is_hidden && line.starts_with(['#', '/']);
        }
    }
    assert!(unnamed.is_empty(), "the tables of the README miss {unnamed:#?}");
}

/// The files that users see something of.
fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    const OURS: [&str; 5] = ["tests", "module.rs", "executor.rs", "bindings.rs", "host.rs"];
    let mut files = Vec::new();
    for entry in folder.read_dir().expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("text").to_owned();
        if OURS.contains(&name.as_str()) {
            continue;
        } else if path.is_dir() {
            files.extend(sources(&path));
        } else {
            files.push(path);
        }
    }
    files
}
