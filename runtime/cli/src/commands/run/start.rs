//! `dacapo run start`

use std::path::PathBuf;

use anyhow::Result;
use dacapo_model::ids::{ModuleName, RequestId, SignalName, TypeName, WorkflowId};
use uuid::Uuid;

use super::input::json_text;
use super::options::RunOptionFlags;
use super::wait::{self, Wait, parse_wait};
use crate::args::ClientFlags;
use crate::client::wire::Started;
use crate::client::{
    Answer, Client, ClientError, Patience, RunAddress, StartBody, StartOptions, StartSignal, now,
};
use crate::exit::Exit;
use crate::output;

/// Starts a run of a workflow.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run start checkout --input '{\"order_id\": \"17\"}' --workflow-id order-17
  dacapo run start checkout --input-file order.json --wait=30
  dacapo run start checkout --run-timeout 3600 --retry-attempts 3 --memo note=urgent
  generate-order | dacapo run start checkout --input-file - --wait

With --request-id, sending the same start again is safe: the server answers with
the run that the first one started.")]
pub struct StartArgs {
    /// Type of the workflow, as its module defines it.
    #[arg(value_name = "WORKFLOW")]
    workflow: TypeName,

    /// Its argument, as JSON.
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,

    /// A file that holds its argument; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,

    /// Your name for the run; at most one run of it is open [default: its run id; with
    /// `--wait` one that is made for it].
    #[arg(long, value_name = "ID")]
    workflow_id: Option<WorkflowId>,

    /// By which the server recognises a repeat of this request.
    #[arg(long, value_name = "ID", requires = "workflow_id")]
    request_id: Option<RequestId>,

    /// Send the run a signal of this name in the same step; one that is open
    /// already gets it, too.
    #[arg(long, value_name = "NAME")]
    signal: Option<SignalName>,

    /// What the signal says, as JSON.
    #[arg(long, value_name = "JSON", requires = "signal")]
    signal_input: Option<String>,

    /// The module that defines the workflow, where several do.
    #[arg(long, value_name = "NAME")]
    module: Option<ModuleName>,

    /// If the latest run of the workflow id is closed [default: allow-duplicate].
    #[arg(long, value_enum, value_name = "POLICY")]
    reuse_policy: Option<ReusePolicy>,

    /// If a run of the workflow id is open [default: fail; with --signal:
    /// use-existing].
    #[arg(long, value_enum, value_name = "POLICY")]
    conflict_policy: Option<ConflictPolicy>,

    #[command(flatten)]
    options: RunOptionFlags,

    /// Wait for the run to close and print its result; with a value, at most
    /// for that many seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = parse_wait
    )]
    wait: Option<Wait>,

    /// Wait for exactly this run, not for those that it is tried again or continues
    /// as.
    #[arg(long, requires = "wait")]
    no_follow: bool,

    #[command(flatten)]
    client: ClientFlags,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(in crate::commands) enum ReusePolicy {
    /// Start a new run.
    AllowDuplicate,
    /// Start a new run unless the latest completed.
    AllowDuplicateFailedOnly,
    /// Refuse.
    RejectDuplicate,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(in crate::commands) enum ConflictPolicy {
    /// Refuse.
    Fail,
    /// Answer with the open run.
    UseExisting,
    /// Terminate the open run and start a new one.
    TerminateExisting,
}

pub(super) async fn run(args: StartArgs) -> Result<Exit> {
    let signal = match args.signal {
        Some(name) => Some(StartSignal {
            name: name.into(),
            input: json_text("--signal-input", args.signal_input, None)?,
        }),
        None => None,
    };
    let mut body = StartBody {
        workflow: args.workflow.as_str().to_owned(),
        workflow_id: args.workflow_id.map(String::from),
        request_id: args.request_id.map(String::from),
        input: json_text("--input", args.input, args.input_file.as_deref())?,
        signal,
        options: StartOptions {
            module: args.module.map(String::from),
            id_reuse_policy: args.reuse_policy.map(ReusePolicy::wire_name),
            id_conflict_policy: args.conflict_policy.map(ConflictPolicy::wire_name),
            more: args.options.into_fields(),
        },
    };
    let client = args.client.client()?;
    let asked = now();
    let answer = match args.wait {
        Some(wait) => start_patiently(&client, &mut body, wait).await?,
        None => client.start_run(&body).await?,
    };
    let started: Started = answer.read()?;
    let message = if started.started { "started" } else { "was started before:" };
    let message = format!("{message} {} (run {})", started.workflow_id, started.run_id);
    match args.wait {
        Some(wait) => {
            output::note(&output::printable(&message));
            let run = RunAddress { workflow_id: started.workflow_id, run_id: Some(started.run_id) };
            let wait = wait.after(now().duration_since(asked));
            let patience = Some(Patience::default());
            wait::wait(&args.client, &client, &run, wait, !args.no_follow, patience).await
        }
        None if args.client.is_json() => {
            output::line(&answer.text)?;
            Ok(Exit::Success)
        }
        None => {
            output::note(&output::printable(&message));
            output::line(&output::printable(&started.workflow_id))?;
            Ok(Exit::Success)
        }
    }
}

/// Starts the run, and again if the server goes away meanwhile. It recognises the
/// repeat by the request id, which needs a name for the run.
async fn start_patiently(
    client: &Client,
    body: &mut StartBody,
    wait: Wait,
) -> Result<Answer, ClientError> {
    body.workflow_id.get_or_insert_with(new_id);
    body.request_id.get_or_insert_with(new_id);
    let asked = now();
    let mut patience = None;
    loop {
        match client.start_run(body).await {
            Err(error) if !wait.left(now().duration_since(asked)).is_zero() => {
                wait::bear(&mut patience, error).await?;
            }
            outcome => return outcome,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line is an edge")]
pub(in crate::commands) fn new_id() -> String {
    Uuid::now_v7().to_string()
}

impl ReusePolicy {
    pub(in crate::commands) fn wire_name(self) -> &'static str {
        match self {
            Self::AllowDuplicate => "allow_duplicate",
            Self::AllowDuplicateFailedOnly => "allow_duplicate_failed_only",
            Self::RejectDuplicate => "reject_duplicate",
        }
    }
}

impl ConflictPolicy {
    pub(in crate::commands) fn wire_name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::UseExisting => "use_existing",
            Self::TerminateExisting => "terminate_existing",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use dacapo_model::execution::{IdConflictPolicy, IdReusePolicy};

    use super::*;

    #[test]
    fn the_server_knows_every_policy() {
        for policy in ReusePolicy::value_variants() {
            let name = format!("\"{}\"", policy.wire_name());
            assert!(serde_json::from_str::<IdReusePolicy>(&name).is_ok(), "{name}");
        }
        for policy in ConflictPolicy::value_variants() {
            let name = format!("\"{}\"", policy.wire_name());
            assert!(serde_json::from_str::<IdConflictPolicy>(&name).is_ok(), "{name}");
        }
    }
}
