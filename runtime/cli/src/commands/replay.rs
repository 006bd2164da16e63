//! `dacapo replay`

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use dacapo_engine::guest::{self, GuestHost as _, ModuleSource, Replayed, RunContext, Unbounded};
use dacapo_host::{
    ACTIVITIES_BYTES_MAX, ActivityConfig, Compiler, Host, HostConfig, MODULES_BYTES_MAX,
};
use dacapo_model::code::ErrorCode;
use dacapo_model::event::{EventAttributes, ExportedHistory};
use dacapo_model::execution::Blocked;
use dacapo_model::ids::{RunId, TypeName, WorkflowId};
use dacapo_model::limits::Limits;
use dacapo_model::module::{ModuleDefinitions, ModuleDigest};
use serde::Serialize;

use crate::args::ClientFlags;
use crate::client::wire::RunPage;
use crate::client::{Client, RunAddress};
use crate::commands::module::component;
use crate::commands::run::history;
use crate::config::default_cache_dir;
use crate::exit::{Exit, UsageError};
use crate::only_module::OnlyModule;
use crate::output;

/// How long the replay of one run may take.
const REPLAY_TIME_MAX: Duration = Duration::from_secs(60);

/// Bytes of one file with a history.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Replays histories with a component on this machine, and says of each whether
/// the code fits: whether the run could be moved to it. Nothing is recorded
/// anywhere. The histories are files, or those of the open runs of a server.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo run history order-17 --export > order-17.json
  dacapo replay --module ./checkout order-17.json
  dacapo replay --module checkout.wasm --workflow-type checkout --server http://dacapo.internal:7233

Exits with 0 if the code fits all of them, and with 1 if not.")]
pub struct ReplayArgs {
    /// A component (.wasm), or the folder of a Rust crate to build first.
    #[arg(long, value_name = "FILE|FOLDER")]
    module: PathBuf,

    /// Files that `dacapo run history --export` has written. Without any, the open
    /// runs of the server are replayed.
    #[arg(value_name = "HISTORY")]
    histories: Vec<PathBuf>,

    /// Only runs of this type; of all that the component defines if left out.
    #[arg(long, value_name = "TYPE", conflicts_with = "histories")]
    workflow_type: Option<TypeName>,

    /// Only the run of this workflow id.
    #[arg(long, value_name = "ID", conflicts_with = "histories")]
    workflow_id: Option<WorkflowId>,

    #[command(flatten)]
    client: ClientFlags,
}

/// What became of one run; also the line that programs read.
#[derive(Serialize)]
struct Verdict<'a> {
    workflow_id: &'a WorkflowId,
    run_id: RunId,
    events: usize,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_commands: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Blocked>,
}

pub(super) async fn run(args: ReplayArgs) -> Result<Exit> {
    let path = component(args.module.clone()).await?;
    let bytes = tokio::fs::read(&path)
        .await
        .map_err(|error| UsageError(format!("can't read {}: {error}", path.display())))?;
    let code = Code::new(bytes).await.with_context(|| format!("{}", path.display()))?;
    let mut tally = Tally::default();
    if args.histories.is_empty() {
        replay_open_runs(&args, &code, &mut tally).await?;
    }
    for file in &args.histories {
        let history = read(file).await?;
        tally.add(args.client.is_json(), &history, &code.replay(history.clone()).await)?;
    }
    output::note(&format!("{} fit, {} do not", tally.fitting, tally.others));
    Ok(if tally.others == 0 { Exit::Success } else { Exit::Failed })
}

async fn replay_open_runs(args: &ReplayArgs, code: &Code, tally: &mut Tally) -> Result<()> {
    let client = args.client.client()?;
    let types = match &args.workflow_type {
        Some(workflow_type) => std::slice::from_ref(workflow_type),
        None => &code.definitions.workflows,
    };
    for workflow_type in types {
        let mut query = vec![
            ("status", "running".to_owned()),
            ("status", "blocked".to_owned()),
            ("workflow_type", workflow_type.to_string()),
        ];
        query.extend(args.workflow_id.iter().map(|id| ("workflow_id", id.to_string())));
        let conditions = query.len();
        loop {
            let page: RunPage = client.list_runs(&query).await?.read()?;
            for run in page.runs {
                let run = RunAddress { workflow_id: run.workflow_id, run_id: Some(run.run_id) };
                let history = export(&client, &run).await?;
                let replayed = code.replay(history.clone()).await;
                tally.add(args.client.is_json(), &history, &replayed)?;
            }
            query.truncate(conditions);
            match page.next_page_token {
                Some(token) => query.push(("page_token", token)),
                None => break,
            }
        }
    }
    Ok(())
}

/// Reads a whole history from a server.
pub(super) async fn export(client: &Client, run: &RunAddress) -> Result<ExportedHistory> {
    let page = client.export_history(run, 1).await?;
    history::warn_of(&page.damaged);
    let (mut whole, mut from, mut next) = (page.history, 1, page.next);
    // A page that leads nowhere would be asked for without end.
    while let Some(further) = next.filter(|next| *next > from) {
        from = further;
        let page = client.export_history(run, from).await?;
        history::warn_of(&page.damaged);
        whole.events.extend(page.history.events);
        next = page.next;
    }
    Ok(whole)
}

async fn read(file: &Path) -> Result<ExportedHistory> {
    let unreadable =
        |problem: String| UsageError(format!("can't read {}: {problem}", file.display()));
    let size = tokio::fs::metadata(file).await.map_err(|error| unreadable(error.to_string()))?;
    if size.len() > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has more than {FILE_BYTES_MAX} bytes")).into());
    }
    let text = tokio::fs::read(file).await.map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| {
        unreadable(format!("{error}; write it with `dacapo run history --export`")).into()
    })
}

/// A component, ready to replay with.
struct Code {
    host: Host,
    digest: ModuleDigest,
    definitions: ModuleDefinitions,
}

impl Code {
    async fn new(bytes: Vec<u8>) -> Result<Self> {
        let digest = ModuleDigest::of(&bytes);
        let config = HostConfig {
            cache_dir: default_cache_dir()?,
            limits: Limits::default(),
            instances_max: 1,
            modules_bytes_max: MODULES_BYTES_MAX,
            activities_bytes_max: ACTIVITIES_BYTES_MAX,
            activities: ActivityConfig::default(),
            compiler: Compiler::Here,
        };
        let source = Arc::new(OnlyModule { digest, bytes });
        let host = Host::new(config, Arc::clone(&source) as Arc<dyn ModuleSource>)?;
        let definitions = host.inspect(digest, &source.bytes).await?;
        Ok(Self { host, digest, definitions })
    }

    async fn replay(&self, history: ExportedHistory) -> Result<Replayed, Blocked> {
        let Some(EventAttributes::WorkflowExecutionStarted(started)) =
            history.events.first().map(|first| &first.event.attributes)
        else {
            return Err(blocked(ErrorCode::InvalidRequest, "the history has no beginning"));
        };
        if !self.definitions.workflows.contains(&started.workflow_type) {
            let problem = format!("the module does not define `{}`", started.workflow_type);
            return Err(blocked(ErrorCode::WorkflowTypeNotFound, problem));
        }
        let context = Arc::new(RunContext {
            namespace: history.namespace,
            workflow_id: history.workflow_id,
            run_id: history.run_id,
            module_digest: self.digest,
            trace: None,
        });
        let events = history.events.into_iter().map(|exported| exported.event).collect();
        let replay = guest::replay(&self.host, context, Arc::new(Unbounded), events);
        tokio::time::timeout(REPLAY_TIME_MAX, replay).await.unwrap_or_else(|_| {
            let problem = format!("the replay took longer than {} s", REPLAY_TIME_MAX.as_secs());
            Err(blocked(ErrorCode::GuestCpuLimit, problem))
        })
    }
}

fn blocked(code: ErrorCode, message: impl Into<String>) -> Blocked {
    Blocked {
        code: code.as_str().to_owned(),
        message: message.into(),
        backtrace: None,
        nondeterminism: None,
    }
}

#[derive(Default)]
struct Tally {
    fitting: u64,
    others: u64,
}

impl Tally {
    fn add(
        &mut self,
        is_json: bool,
        history: &ExportedHistory,
        replayed: &Result<Replayed, Blocked>,
    ) -> Result<()> {
        let outcome = match replayed {
            Ok(_) => "ok",
            Err(blocked) if blocked.code == ErrorCode::Nondeterminism.as_str() => "diverges",
            Err(_) => "failed",
        };
        *(if replayed.is_ok() { &mut self.fitting } else { &mut self.others }) += 1;
        let verdict = Verdict {
            workflow_id: &history.workflow_id,
            run_id: history.run_id,
            events: history.events.len(),
            outcome,
            new_commands: replayed.as_ref().ok().map(|replayed| replayed.commands),
            problem: replayed.as_ref().err(),
        };
        let text = if is_json { serde_json::to_string(&verdict)? } else { in_words(&verdict) };
        Ok(output::line(&text)?)
    }
}

fn in_words(verdict: &Verdict<'_>) -> String {
    let Verdict { workflow_id, run_id, events, outcome, new_commands, problem } = verdict;
    let mut text = format!(
        "{outcome:<8}  {}  {run_id}  {events} events",
        output::printable(workflow_id.as_str())
    );
    match new_commands {
        Some(0) | None => {}
        Some(commands) => text.push_str(&format!(", then asks for {commands} things more")),
    }
    if let Some(problem) = problem {
        let report = super::run::report_fields(&(*problem).into());
        let lines = output::fields(&report);
        text.push_str(&lines.lines().map(|line| format!("\n    {line}")).collect::<String>());
    }
    text
}
