//! A module that never finishes listing what it defines. The list is asked for
//! at upload, so this attacks the server before any run exists.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "workflow-module",
});

use exports::dacapo::workflow::{definitions, workflow};

struct Endless;

impl definitions::Guest for Endless {
    fn definitions() -> definitions::ModuleDefinitions {
        eprintln!("counting to infinity");
        loop {
            std::hint::black_box(());
        }
    }
}

impl workflow::Guest for Endless {
    fn run(_workflow_type: String, _input: Vec<u8>) -> workflow::Outcome {
        workflow::Outcome::Completed(Vec::new())
    }
}

export!(Endless);
