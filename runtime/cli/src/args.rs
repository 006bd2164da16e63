//! The command line.

use clap::{Parser, Subcommand};

use crate::client::{ApiToken, Client, ClientError, ClientTlsFlags, RunAddress};
use crate::commands::{
    activity, audit, batch, build, compile_module, completions, demo, dev, doctor, key, migrate,
    module, namespace, new, queue, replay, run, schedule, search_attribute, serve, status, worker,
};
use crate::output::OutputFormat;

const EXAMPLES: &str = "\
Try it:
  dacapo demo                        see a run survive kill -9
  dacapo new greeter --lang typescript
  dacapo dev ./greeter               build, serve, and rebuild on change
  dacapo run start greet --input '{\"name\": \"you\"}' --wait

In production:
  dacapo serve --database postgres://dacapo@db.internal/dacapo

Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 server not available,
try again; 4 the run closed without completing; 5 still open after the wait.";

/// Durable workflows as WebAssembly components: one binary that stores and runs
/// them.
#[derive(Debug, Parser)]
#[command(name = "dacapo", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a run that survives the death of its server.
    Demo(demo::DemoArgs),
    /// Make a new project.
    New(new::NewArgs),
    /// Build a project into a component.
    Build(build::BuildArgs),
    /// Serve on this machine, and rebuild and upload a project when it changes.
    Dev(Box<dev::DevArgs>),
    /// Serve in production.
    Serve(Box<serve::ServeArgs>),
    /// Run the activities of a module for a task queue, on any machine.
    Worker(Box<worker::WorkerArgs>),
    /// Look for what is set wrong of a server, its machine and its database.
    Doctor(Box<doctor::DoctorArgs>),
    /// Bring the tables of a database up to date.
    Migrate(migrate::MigrateArgs),
    /// Upload and list modules.
    #[command(subcommand)]
    Module(module::ModuleCommand),
    /// Make, change and delete namespaces.
    #[command(subcommand)]
    Namespace(Box<namespace::NamespaceCommand>),
    /// Start, watch, list and stop runs.
    #[command(subcommand)]
    Run(run::RunCommand),
    /// Start, watch, list and stop activities without a workflow.
    #[command(subcommand)]
    Activity(activity::ActivityCommand),
    /// Do something with all runs that a filter matches.
    #[command(subcommand)]
    Batch(batch::BatchCommand),
    /// Start runs at certain times.
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Look at task queues and their workers.
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Register the search attributes by which runs are found.
    #[command(subcommand)]
    SearchAttribute(search_attribute::SearchAttributeCommand),
    /// Make and revoke the keys of clients.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// List who changed what.
    Audit(audit::AuditArgs),
    /// Try whether code fits the histories of runs.
    Replay(replay::ReplayArgs),
    /// Say whether a server serves, and what it has to do.
    Status(status::StatusArgs),
    /// Print the completions of a shell.
    Completions(completions::CompletionsArgs),
    /// Compile a module for the server that started this.
    #[command(hide = true)]
    CompileModule(compile_module::CompileModuleArgs),
}

/// Which server to speak to, and how to show what it answers.
#[derive(Debug, Clone, clap::Args)]
pub struct ClientFlags {
    /// Address of the server.
    #[arg(
        long,
        value_name = "URL",
        env = "DACAPO_SERVER",
        default_value = "http://127.0.0.1:7233",
        help_heading = "Server"
    )]
    pub server: String,

    /// Key that says who you are. Better in the environment: others on this machine can read
    /// command lines.
    #[arg(
        long,
        value_name = "KEY",
        env = "DACAPO_API_KEY",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub api_key: Option<ApiToken>,

    /// For https.
    #[command(flatten)]
    pub tls: ClientTlsFlags,

    /// Namespace of modules and runs.
    #[arg(
        long,
        value_name = "NAME",
        env = "DACAPO_NAMESPACE",
        default_value = "default",
        help_heading = "Server"
    )]
    pub namespace: dacapo_model::ids::NamespaceName,

    /// `text` for people; `json` for programs: the server's answers, unchanged.
    #[arg(
        long,
        short,
        value_name = "FORMAT",
        env = "DACAPO_OUTPUT",
        value_enum,
        default_value_t,
        help_heading = "Server"
    )]
    pub output: OutputFormat,
}

impl ClientFlags {
    /// A client of that server.
    pub fn client(&self) -> Result<Client, ClientError> {
        let (namespace, token) = (self.namespace.as_str(), self.api_key.as_ref());
        Client::with(&self.server, namespace, token, &self.tls.read()?)
    }

    /// True if programs read the output.
    pub fn is_json(&self) -> bool {
        self.output == OutputFormat::Json
    }
}

/// Which run.
#[derive(Debug, Clone, clap::Args)]
pub struct RunFlags {
    /// The workflow id.
    #[arg(value_name = "WORKFLOW_ID")]
    pub workflow_id: dacapo_model::ids::WorkflowId,

    /// A certain run of it, instead of the latest.
    #[arg(long, value_name = "RUN_ID")]
    pub run_id: Option<dacapo_model::ids::RunId>,
}

impl RunFlags {
    /// As the client names it.
    pub fn address(&self) -> RunAddress {
        RunAddress {
            workflow_id: self.workflow_id.as_str().to_owned(),
            run_id: self.run_id.map(|run_id| run_id.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wait_takes_its_seconds_only_after_an_equals_sign() {
        let parse = |words: &[&str]| {
            Cli::try_parse_from([&["dacapo", "run", "start"], words].concat())
                .map_err(|error| error.kind())
        };
        assert!(parse(&["--wait", "checkout"]).is_ok());
        assert!(parse(&["checkout", "--wait=1.5"]).is_ok());
        assert!(parse(&["checkout", "--wait=soon"]).is_err());
    }

    #[test]
    fn ids_are_checked_before_anything_is_sent() {
        let parsed = Cli::try_parse_from(["dacapo", "run", "show", ""]);
        assert!(parsed.expect_err("refused").to_string().contains("the workflow id"));
    }
}
