//! The program measures a server that it starts itself.

use std::process::Command;

use serde_json::Value;

#[test]
fn a_workload_runs_from_its_module_to_its_figures() {
    let program = env!("CARGO_BIN_EXE_dacapo-bench");
    let measured = Command::new(program).args(["w2", "--runs", "3"]).output().expect("it starts");
    let told = String::from_utf8_lossy(&measured.stderr);
    assert!(measured.status.success(), "{told}");
    let figures = String::from_utf8_lossy(&measured.stdout);
    let last = figures.lines().last().expect("the figures are the last line");
    let figures: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(figures["results"]["runs"], 3, "{figures}");
}
