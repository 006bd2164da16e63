//! The `dacapo-bench` program: a thin shell around its library.

use std::process::ExitCode;

fn main() -> ExitCode {
    dacapo_bench::main()
}
