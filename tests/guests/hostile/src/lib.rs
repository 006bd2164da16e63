//! What a hostile guest might try, each as a workflow and as an activity of
//! the same name. The runtime has to survive all of it and say what happened.

mod attacks;

use exports::dacapo::workflow::{activity, definitions, workflow};

wit_bindgen::generate!({
    path: "../../../wit",
    world: "module",
});

struct Hostile;

impl definitions::Guest for Hostile {
    fn definitions() -> definitions::ModuleDefinitions {
        let names: Vec<String> = attacks::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
        definitions::ModuleDefinitions { workflows: names.clone(), activities: names }
    }
}

impl workflow::Guest for Hostile {
    fn run(workflow_type: String, _input: Vec<u8>) -> workflow::Outcome {
        workflow::Outcome::Completed(attacks::find(&workflow_type)())
    }
}

impl activity::Guest for Hostile {
    fn execute(activity_type: String, _input: Vec<u8>) -> Result<Vec<u8>, activity::Failure> {
        Ok(attacks::find(&activity_type)())
    }
}

export!(Hostile);
