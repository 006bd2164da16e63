//! What a hostile guest might try, each as a workflow and as an activity of
//! the same name. The runtime has to survive all of it and say what happened.

mod attacks;

use crate::dacapo::workflow::operations;
use exports::dacapo::workflow::{activity, definitions, workflow};

wit_bindgen::generate!({
    path: "../../../wit",
    world: "module",
});

struct Hostile;

impl definitions::Guest for Hostile {
    fn definitions() -> definitions::ModuleDefinitions {
        let names: Vec<String> = attacks::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut workflows = names.clone();
        workflows.push(ATTEMPT.to_owned());
        definitions::ModuleDefinitions { workflows, activities: names }
    }
}

impl workflow::Guest for Hostile {
    fn run(workflow_type: String, input: Vec<u8>) -> workflow::Outcome {
        if workflow_type == ATTEMPT {
            return attempt(&String::from_utf8(input).expect("the input is text"));
        }
        workflow::Outcome::Completed(attacks::find(&workflow_type)())
    }
}

/// The one honest workflow here: makes one attempt of the activity that its
/// input names (a JSON string), and ends as that did.
const ATTEMPT: &str = "attempt";

fn attempt(activity: &str) -> workflow::Outcome {
    let retry = operations::RetryPolicy {
        initial_interval: 0,
        backoff_coefficient: 2.0,
        maximum_interval: None,
        maximum_attempts: 1,
        non_retryable_types: Vec::new(),
    };
    let options = operations::ActivityOptions { retry: Some(retry), ..attacks::no_options() };
    match operations::execute_activity(activity.trim_matches('"'), b"null", &options) {
        Ok(result) => workflow::Outcome::Completed(result),
        Err(failure) => workflow::Outcome::Failed(failure),
    }
}

impl activity::Guest for Hostile {
    fn execute(activity_type: String, _input: Vec<u8>) -> Result<Vec<u8>, activity::Failure> {
        Ok(attacks::find(&activity_type)())
    }
}

export!(Hostile);
