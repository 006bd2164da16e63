//! Workflows that take signals.

use dacapo_engine::replay::{Answer, CallError, Cursor, Delivery};
use dacapo_model::attributes::{AttributeChanges, SearchAttribute};
use dacapo_model::command::Outcome;
use dacapo_model::event::ContinuationOptions;
use dacapo_model::ids::{OperationId, SignalName, TypeName};
use dacapo_model::limits::MEMO_BYTES_MAX;
use dacapo_model::payload::Payload;

use super::activities::options;
use super::text;

/// Completes with so many signals.
pub(super) struct Collect {
    left: u32,
    taken: Vec<String>,
}

impl Collect {
    pub(super) fn new(left: u32) -> Self {
        Self { left, taken: Vec::new() }
    }

    pub(super) fn run(&mut self, cursor: &mut Cursor) -> Result<(), CallError> {
        loop {
            if self.left == 0 {
                return cursor.close(Outcome::Completed(Payload::new(self.taken.join(" "))));
            }
            match cursor.next()? {
                Answer::Blocked => return Ok(()),
                Answer::Ready(Delivery::Signal { input, .. }) => {
                    self.taken.push(text(&input));
                    self.left -= 1;
                }
                Answer::Ready(_) => {}
            }
        }
    }
}

/// Does a step, takes a signal and continues as new, until it has taken so many.
/// Completes with them.
pub(super) struct Relay {
    want: usize,
    taken: Vec<String>,
    step: Option<OperationId>,
    stepped: bool,
}

impl Relay {
    pub(super) fn new(input: &str) -> Self {
        let mut words = input.split(' ');
        let want = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let taken = words.map(str::to_owned).collect();
        Self { want, taken, step: None, stepped: false }
    }

    pub(super) fn run(&mut self, cursor: &mut Cursor) -> Result<(), CallError> {
        let Self { want, taken, step, stepped } = self;
        if taken.len() == *want {
            return cursor.close(Outcome::Completed(Payload::new(taken.join(" "))));
        }
        let operation = match *step {
            Some(operation) => operation,
            None => {
                let name = TypeName::new("step").expect("valid");
                let input = Payload::default();
                *step.insert(cursor.start_activity(name, input, options("step"))?)
            }
        };
        if !*stepped {
            if cursor.wait(operation)? == Answer::Blocked {
                return Ok(());
            }
            *stepped = true;
        }
        let name = SignalName::new("word").expect("valid");
        let Answer::Ready(Ok(word)) = cursor.receive_signal(&name)? else {
            return Ok(());
        };
        let mut words = vec![want.to_string()];
        words.append(taken);
        words.push(text(&word));
        cursor.close(Outcome::ContinueAsNew {
            workflow_type: TypeName::new("relay").expect("valid"),
            input: Payload::new(words.join(" ")),
            options: Box::default(),
            unread_signals: Vec::new(),
        })
    }
}

/// Says about its run what signals say.
pub(super) fn teller(cursor: &mut Cursor) -> Result<(), CallError> {
    loop {
        match cursor.next()? {
            Answer::Blocked => return Ok(()),
            Answer::Ready(Delivery::Signal { input, .. }) => {
                if let Some(outcome) = told(&text(&input), cursor)? {
                    return cursor.close(outcome);
                }
            }
            Answer::Ready(_) => {}
        }
    }
}

fn told(words: &str, cursor: &mut Cursor) -> Result<Option<Outcome>, CallError> {
    let mut changes = AttributeChanges::default();
    let words: Vec<&str> = words.split(' ').collect();
    match words[..] {
        ["memo", name, text] => {
            changes.memo.insert(name.to_owned(), Some(text.into()));
        }
        ["int", name, number] => {
            let value = SearchAttribute::Int(number.parse().expect("a number"));
            changes.search_attributes.insert(name.to_owned(), Some(value));
        }
        ["tag", new, old] => {
            changes.tags.added.insert(new.parse().expect("a tag"));
            changes.tags.removed.insert(old.parse().expect("a tag"));
        }
        ["much"] => {
            changes.memo.insert("much".to_owned(), Some("x".repeat(MEMO_BYTES_MAX).into()));
        }
        ["again", name] => {
            changes.memo.insert(name.to_owned(), Some("again".into()));
            let options = ContinuationOptions { attributes: changes, ..Default::default() };
            return Ok(Some(Outcome::ContinueAsNew {
                workflow_type: TypeName::new("teller").expect("valid"),
                input: Payload::default(),
                options: Box::new(options),
                unread_signals: Vec::new(),
            }));
        }
        _ => return Ok(Some(Outcome::Completed(Payload::new("done")))),
    }
    cursor.upsert_attributes(changes)?;
    Ok(None)
}
