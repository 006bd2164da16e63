//! The product, built for the tests: the same entry as the `dacapo` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    dacapo_cli::main()
}
