//! The result of a workload: one line of JSON at the end of standard output.

use anyhow::Result;
use dacapo_cli::output;
use serde::Serialize;

#[derive(Serialize)]
struct Report<'a, P, R> {
    workload: &'a str,
    database: &'a str,
    parameters: &'a P,
    results: &'a R,
}

/// Prints it.
pub(crate) fn print(
    workload: &str,
    database: &str,
    parameters: &impl Serialize,
    results: &impl Serialize,
) -> Result<()> {
    let report = Report { workload, database, parameters, results };
    output::line(&serde_json::to_string(&report)?)?;
    Ok(())
}
