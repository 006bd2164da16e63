//! What somebody who mistyped a command may have meant.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory as _};

use crate::args::Cli;
use crate::output::quoted;

/// Commands that are suggested for one word.
const COMMANDS_MAX: usize = 8;

/// Adds to the refusal of a command line what was meant, where that can be guessed.
pub(crate) fn explain(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let words = texts(words);
    let tips = match error.kind() {
        ErrorKind::InvalidSubcommand => misplaced_command(&words),
        ErrorKind::UnknownArgument => value_without_equals(&words).into_iter().collect(),
        _ => Vec::new(),
    };
    if !tips.is_empty() {
        error.remove(ContextKind::SuggestedSubcommand);
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// What may be the reason of a failure although the command line could be read: `--wait 5`,
/// where `5` was taken for a name.
pub(crate) fn after_failure(words: &[OsString]) -> Option<String> {
    value_without_equals(&texts(words)).map(|tip| format!("tip: {tip}"))
}

fn texts(words: &[OsString]) -> Vec<String> {
    words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The command that words name, and how many of them do.
fn named<'a>(root: &'a Command, words: &[String]) -> (&'a Command, usize) {
    let (mut command, mut depth) = (root, 0);
    while let Some(next) = words.get(depth).and_then(|word| command.find_subcommand(word)) {
        (command, depth) = (next, depth + 1);
    }
    (command, depth)
}

/// `dacapo start greet` was meant as `dacapo run start greet`.
fn misplaced_command(words: &[String]) -> Vec<String> {
    let root = Cli::command();
    let (_, depth) = named(&root, words);
    let Some((verb, rest)) = words.get(depth..).and_then(<[String]>::split_first) else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    find(&root, verb, &mut vec![root.get_name().to_owned()], &mut paths);
    let rest: String = rest.iter().map(|word| format!(" {}", quoted(word))).collect();
    let meant = paths.iter().take(COMMANDS_MAX);
    meant.map(|path| format!("did you mean `{path}{rest}`?")).collect()
}

/// All commands of that name, with those that they belong to before it.
fn find(command: &Command, name: &str, path: &mut Vec<String>, found: &mut Vec<String>) {
    for next in command.get_subcommands().filter(|next| !next.is_hide_set()) {
        path.push(next.get_name().to_owned());
        if next.get_name() == name {
            found.push(path.join(" "));
        }
        find(next, name, path, found);
        path.pop();
    }
}

/// `--wait 5` was meant as `--wait=5s`: without `=` the value is taken for an argument.
fn value_without_equals(words: &[String]) -> Option<String> {
    let root = Cli::command();
    let (command, depth) = named(&root, words);
    let takes_equals = |flag: &str| {
        let name = flag.strip_prefix("--");
        let mut args = command.get_arguments();
        name.is_some() && args.any(|arg| arg.is_require_equals_set() && arg.get_long() == name)
    };
    let mut pairs = words.get(depth..)?.windows(2);
    let (flag, value) = pairs.find_map(|pair| match pair {
        [flag, value] if takes_equals(flag) => Some((flag, duration(value)?)),
        _ => None,
    })?;
    Some(format!("did you mean `{flag}={value}`? Without the `=` it is taken for an argument"))
}

/// The word as a duration with its unit, if it can be one.
fn duration(word: &str) -> Option<String> {
    let is_number = word.parse::<f64>().is_ok_and(|seconds| seconds.is_finite() && seconds >= 0.0);
    if is_number {
        return Some(format!("{word}s"));
    }
    crate::config::parse_duration(word).is_ok().then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// What is said about a command line that can't be read.
    fn told(line: &str) -> String {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let all = std::iter::once(OsString::from("dacapo")).chain(words.clone());
        let error = Cli::try_parse_from(all).expect_err("it is wrong");
        explain(error, &words).to_string()
    }

    #[test]
    fn a_value_without_an_equals_sign_is_recognised() {
        let cases = [
            ("run start greet --wait 5", "--wait=5s"),
            ("run start --wait 0.5 greet", "--wait=0.5s"),
            ("run result w --wait 30s", "--wait=30s"),
            ("run list --watch 5", "--watch=5s"),
            ("run list --watch 500ms", "--watch=500ms"),
        ];
        for (line, meant) in cases {
            let told = told(line);
            assert!(told.contains(&format!("did you mean `{meant}`?")), "{line}: {told}");
        }
        assert!(!told("run start greet 5").contains("did you mean"));
        let update = ["run", "update", "w", "n", "--wait", "5"].map(OsString::from);
        assert_eq!(after_failure(&update), None, "this one takes a word");
    }

    #[test]
    fn a_value_that_was_taken_for_a_name_is_told_when_that_is_not_found() {
        let tip = after_failure(&["run", "result", "--wait", "5"].map(OsString::from));
        assert!(tip.expect("a tip").contains("--wait=5s"));
        assert_eq!(after_failure(&["run", "result", "--wait", "w"].map(OsString::from)), None);
    }

    #[test]
    fn every_verb_of_a_group_is_recognised_without_its_group() {
        let root = Cli::command();
        for group in ["run", "module", "queue"] {
            let group = root.find_subcommand(group).expect("a group");
            for verb in group.get_subcommands() {
                let (group, verb) = (group.get_name(), verb.get_name());
                if root.find_subcommand(verb).is_none() && verb != "help" {
                    let told = told(&format!("{verb} x"));
                    assert!(told.contains(&format!("`dacapo {group} {verb} x`")), "{told}");
                }
            }
        }
        let told = told("run pause w 1");
        assert!(told.contains("`dacapo run activity pause w 1`"), "{told}");
    }

    #[test]
    fn a_version_that_is_asked_for_is_not_taken_for_that_of_the_program() {
        let told = told("run move w --version 2");
        assert!(told.contains("--to-version"), "{told}");
    }

    #[test]
    fn what_is_suggested_can_be_pasted_into_a_shell() {
        let words = ["start", "greet", "--input", "{\"a\": 1}"].map(OsString::from);
        let all = std::iter::once(OsString::from("dacapo")).chain(words.clone());
        let error = Cli::try_parse_from(all).expect_err("it is wrong");
        let told = explain(error, &words).to_string();
        assert!(told.contains("`dacapo run start greet --input '{\"a\": 1}'`"), "{told}");
        assert!(!told.contains("similar"), "{told}");
    }

    #[test]
    fn a_word_that_is_no_command_anywhere_is_left_to_the_parser() {
        assert!(told("strat greet").contains("strat"));
        assert!(!told("frobnicate").contains("did you mean"));
    }
}
