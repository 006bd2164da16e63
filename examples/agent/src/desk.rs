//! The person in the loop: one question at a time, shown to whoever asks the run for
//! `waiting`, and answered by the update `decide`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use dacapo::{Failure, publish, select, sleep, updates, wait_until};
use serde::{Deserialize, Serialize};

use crate::messages::ToolCall;

/// What a person is to decide about.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Question {
    /// Of one question in all runs of a task, so that a late answer to an old one does
    /// not decide about a new one.
    id: String,
    /// The tool, or `more_steps`.
    what: String,
    /// The arguments, as the model has written them.
    details: String,
}

impl Question {
    pub(crate) fn about(id: String, call: &ToolCall) -> Self {
        let function = call.function.clone();
        Self { id, what: function.name, details: function.arguments }
    }

    pub(crate) fn more_steps(steps: u32) -> Self {
        let details = format!("there is no answer after {steps} steps");
        Self { id: format!("{steps}.0"), what: "more_steps".to_owned(), details }
    }
}

/// What a person has decided, or nobody has.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) approved: bool,
    /// If not.
    pub(crate) reason: String,
}

/// The argument of the update `decide`.
#[derive(Deserialize)]
struct Decide {
    question: String,
    by: String,
    approved: bool,
}

/// Where questions lie until somebody answers.
pub(crate) struct Desk {
    state: Rc<RefCell<State>>,
    patience: Duration,
}

#[derive(Default)]
struct State {
    asked: Option<Question>,
    decided: Option<Decision>,
}

impl State {
    /// Whether this answers what is asked now.
    fn check(&self, decide: &Decide) -> Result<(), Failure> {
        match &self.asked {
            Some(question) if question.id == decide.question => Ok(()),
            Some(question) => {
                let message = format!("the open question is `{}`", question.id);
                Err(Failure::application("WrongQuestion", message))
            }
            None => Err(Failure::application("NoQuestion", "there is nothing to decide")),
        }
    }

    fn decide(&mut self, decide: Decide) -> Result<Option<Question>, Failure> {
        // Somebody else may have been faster.
        self.check(&decide)?;
        let Decide { by, approved, .. } = decide;
        self.decided = Some(Decision { approved, reason: format!("{by} has refused") });
        Ok(self.asked.take())
    }
}

impl Desk {
    /// From now on, updates are taken. A question waits for so long.
    pub(crate) fn open(patience: Duration) -> Result<Self, Failure> {
        publish("waiting", &())?;
        let state = Rc::<RefCell<State>>::default();
        let (checked, decided) = (Rc::clone(&state), Rc::clone(&state));
        updates("decide").validate(move |decide: &Decide| checked.borrow().check(decide)).handle(
            move |decide| {
                let state = Rc::clone(&decided);
                async move { state.borrow_mut().decide(decide) }
            },
        );
        Ok(Self { state, patience })
    }

    /// Asks, and waits for a decision. Silence is a refusal.
    pub(crate) async fn ask(&self, question: Question) -> Result<Decision, Failure> {
        publish("waiting", &question)?;
        self.state.borrow_mut().asked = Some(question);
        let waited = select! {
            decided = wait_until(|| self.state.borrow().decided.is_some()) => decided,
            slept = sleep(self.patience) => slept,
        };
        publish("waiting", &())?;
        let mut state = self.state.borrow_mut();
        state.asked = None;
        waited?;
        Ok(state.decided.take().unwrap_or_else(|| Decision {
            approved: false,
            reason: "nobody has decided in time".to_owned(),
        }))
    }
}
