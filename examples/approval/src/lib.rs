//! A person approves an expense, or it is refused when nobody answers in time.

use std::time::Duration;

use dacapo::{Failure, select, signals, sleep};
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(86_400);

/// What somebody wants to spend.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Expense {
    pub employee: String,
    pub cents: u64,
}

/// The signal `decision`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decision {
    pub by: String,
    pub approved: bool,
}

/// What became of an expense.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Approved { by: String },
    Refused { by: String },
    Expired,
}

/// Tells a person something. Stands for a mail: it goes to the server's log.
#[dacapo::activity]
fn notify(text: String) -> Result<(), Failure> {
    println!("{text}");
    Ok(())
}

/// Asks for a decision, reminds once a day, and gives up after three days.
#[dacapo::workflow]
async fn approval(expense: Expense) -> Result<Outcome, Failure> {
    let decisions = signals::<Decision>("decision");
    let Expense { employee, cents } = expense;
    for day in 1..=3 {
        notify(format!("day {day}: may {employee} spend {cents} cents?")).await?;
        select! {
            decision = decisions.recv() => {
                let Decision { by, approved } = decision?;
                let outcome =
                    if approved { Outcome::Approved { by } } else { Outcome::Refused { by } };
                notify(format!("{employee}: {outcome:?}")).await?;
                return Ok(outcome);
            },
            slept = sleep(DAY) => slept?,
        }
    }
    notify(format!("{employee}: nobody decided")).await?;
    Ok(Outcome::Expired)
}

dacapo::module! { workflows: [approval], activities: [notify] }
