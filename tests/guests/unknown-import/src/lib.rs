//! A module that imports an interface which no runtime offers.

wit_bindgen::generate!({
    inline: "
        package acme:payments;

        interface api {
            charge: func(cents: u64) -> string;
        }

        world shop {
            import api;
            include dacapo:workflow/workflow-module@0.1.0;
        }
    ",
    path: "../../../wit",
    world: "acme:payments/shop",
    generate_all,
});

use exports::dacapo::workflow::{definitions, workflow};

struct Shop;

impl definitions::Guest for Shop {
    fn definitions() -> definitions::ModuleDefinitions {
        definitions::ModuleDefinitions {
            workflows: vec!["charge".to_owned()],
            activities: Vec::new(),
        }
    }
}

impl workflow::Guest for Shop {
    fn run(_workflow_type: String, _input: Vec<u8>) -> workflow::Outcome {
        workflow::Outcome::Completed(acme::payments::api::charge(1999).into_bytes())
    }
}

export!(Shop);
