//! A module that calls each function of `dacapo:workflow@0.1.0` and exports all that can
//! be exported. It is built against its own copy of the WIT, as it was released, and must
//! run on every later server.

mod all;
mod scheduler;

use exports::dacapo::workflow::{activity, after_end, definitions, workflow};

wit_bindgen::generate!({
    path: "wit",
    world: "queryable-module",
});

use dacapo::workflow::types::{Failure, FailureInfo, FailureKind};

struct Module;

impl definitions::Guest for Module {
    fn definitions() -> definitions::ModuleDefinitions {
        definitions::ModuleDefinitions {
            workflows: vec!["all".to_owned(), "scheduler".to_owned(), "continued".to_owned()],
            activities: vec!["echo".to_owned(), "later".to_owned()],
        }
    }
}

impl workflow::Guest for Module {
    fn run(workflow_type: String, input: Vec<u8>) -> workflow::Outcome {
        match workflow_type.as_str() {
            "all" => workflow::Outcome::Completed(all::call_everything(&input).into_bytes()),
            "scheduler" => workflow::Outcome::Completed(scheduler::run().into_bytes()),
            _ => workflow::Outcome::ContinueAsNew(workflow::Continuation {
                workflow_type,
                input,
                run_timeout: Some(1_000_000_000),
                backoff_start_interval: 0,
                memo: Vec::new(),
                search_attributes: Vec::new(),
            }),
        }
    }
}

impl activity::Guest for Module {
    fn execute(activity_type: String, input: Vec<u8>) -> Result<Vec<u8>, Failure> {
        use dacapo::workflow::activity_context as context;
        if activity_type == "later" {
            return Ok(context::complete_later().into_bytes());
        }
        let info = context::info();
        assert_eq!(info.activity_type, "echo");
        context::heartbeat(Some(&input));
        assert_eq!(context::heartbeat_details(), None, "it is the first attempt");
        assert!(!context::signals().cancel_requested);
        assert!(!context::wait_cancel_requested(1));
        Ok(input)
    }
}

impl after_end::Guest for Module {
    fn answer_query(name: String, input: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if name == "fail" { Err(failure("asked to")) } else { Ok(input) }
    }
}

/// JSON: a text of several, none of which has a quote in it.
fn quoted(texts: &[String]) -> String {
    format!("\"{}\"", texts.join("; "))
}

fn failure(message: &str) -> Failure {
    let info = FailureInfo {
        kind: FailureKind::Application,
        type_name: "Test".to_owned(),
        message: message.to_owned(),
        non_retryable: false,
        next_retry_delay: None,
        details: None,
    };
    Failure { info, causes: Vec::new() }
}

export!(Module);
