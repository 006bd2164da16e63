//! The `dacapo` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    dacapo_cli::main()
}
