//! A workflow that knows nothing of Dacapo but its world: everything it does,
//! it does through `std`. The runtime has to answer all of it in a way that
//! repeats.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use exports::dacapo::workflow::{definitions, workflow};

wit_bindgen::generate!({
    path: "../../../wit",
    world: "workflow-module",
});

struct StdOnly;

impl definitions::Guest for StdOnly {
    fn definitions() -> definitions::ModuleDefinitions {
        definitions::ModuleDefinitions {
            workflows: vec!["std_only".to_owned()],
            activities: Vec::new(),
        }
    }
}

impl workflow::Guest for StdOnly {
    fn run(_workflow_type: String, input: Vec<u8>) -> workflow::Outcome {
        let text = String::from_utf8(input).expect("the input is text");
        let millis = text.trim().parse().expect("the input is a number of milliseconds");
        workflow::Outcome::Completed(observe(Duration::from_millis(millis)).into_bytes())
    }
}

/// Looks at everything, sleeps, looks again, and tells it as a JSON object.
fn observe(pause: Duration) -> String {
    let started = Instant::now();
    let system_before = nanos_since_1970();
    println!("before the pause");
    std::thread::sleep(pause);
    eprintln!("after the pause");
    let monotonic_elapsed = started.elapsed().as_nanos();
    let system_after = nanos_since_1970();

    let names = ["ada", "alan", "barbara", "donald", "edsger", "grace", "niklaus", "tony"];
    let order: HashMap<&str, usize> = names.into_iter().zip(0..).collect();
    let keys = order.keys().map(|key| quoted(key)).collect::<Vec<_>>().join(",");
    let hash = RandomState::new().hash_one("random");
    let arguments = std::env::args().map(|text| quoted(&text)).collect::<Vec<_>>().join(",");
    let mut environment: Vec<_> = std::env::vars().collect();
    environment.sort();
    let environment = environment
        .iter()
        .map(|(key, value)| format!("{}:{}", quoted(key), quoted(value)))
        .collect::<Vec<_>>()
        .join(",");

    format!(
        "{{\"system_before\":{system_before},\"system_after\":{system_after},\
         \"monotonic_elapsed\":{monotonic_elapsed},\"keys\":[{keys}],\"hash\":\"{hash:016x}\",\
         \"args\":[{arguments}],\"env\":{{{environment}}}}}"
    )
}

fn nanos_since_1970() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos()
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            control if control < ' ' => {
                let code = u32::from(control);
                write!(quoted, "\\u{code:04x}").expect("writing to a string succeeds");
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

export!(StdOnly);
