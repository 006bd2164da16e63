//! `dacapo demo`: kills a server in the middle of a run, starts it again, and
//! shows that nothing was lost and nothing was done twice.

mod node;
mod proof;
mod shop;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::value::RawValue;

use self::node::{Node, NodePlan, free_address};
use self::shop::Shop;
use super::run::event_line::event_line;
use crate::client::wire::{Module, Started};
use crate::client::{Client, HistoryStream, RunAddress, StartBody, StartOptions};
use crate::config::DEFAULT_LISTEN;
use crate::exit::{Exit, UsageError};
use crate::guest_build::{self, Messages};
use crate::{output, signals};

/// The checkout this program was built from.
const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where the example is in it.
const EXAMPLE: &str = "examples/checkout";

const INPUT: &str = r#"{"order_id": "order-1", "item": "lamp", "quantity": 1, "cents": 1999, "card": "4242424242424242"}"#;

/// The event at which the server is killed: the card is charged, and the run
/// waits for the warehouse before it ships.
const KILL_AT: &str = "TimerStarted";

/// How long the server stays dead. Longer than the run's timer, which so elapses
/// while nobody is there to see it.
const DEAD_TIME: Duration = Duration::from_secs(1);

/// How long the run may take altogether.
const RUN_TIMEOUT: Duration = Duration::from_secs(120);

/// Builds the checkout example, starts a server and an order, kills the server
/// with SIGKILL when the card is charged but nothing is shipped, starts it
/// again, and checks that the order ends as if nothing had happened. Needs no
/// database server.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo demo             leaves the server up afterwards, to look around
  dacapo demo --exit      ends with 0 if everything went as it should")]
pub struct DemoArgs {
    /// End when the run has ended, instead of leaving the server up.
    #[arg(long)]
    exit: bool,

    /// Folder of the checkout example [default: the one this program was built
    /// next to].
    #[arg(long, value_name = "FOLDER")]
    example: Option<PathBuf>,

    /// Address and port of the server; if it is taken, any port that is free.
    #[arg(long, env = "DACAPO_LISTEN", value_name = "ADDRESS", default_value = DEFAULT_LISTEN)]
    listen: SocketAddr,
}

pub(super) async fn run(args: DemoArgs) -> Result<Exit> {
    let stop = signals::stop_requested()?;
    let folder = tempfile::Builder::new()
        .prefix("dacapo-demo-")
        .tempdir()
        .context("can't make a temporary folder")?;
    tokio::select! {
        // Ctrl-C reaches the server as well; that it ends is then no surprise.
        biased;
        () = stop => Ok(Exit::Success),
        outcome = play(&args, folder.path()) => outcome,
    }
}

async fn play(args: &DemoArgs, folder: &Path) -> Result<Exit> {
    say("Dacapo demo: an order that survives the death of its server\n")?;

    let component = build(args.example.as_deref()).await?;
    let shop = Shop::open().await?;
    step(
        2,
        &format!("The shop takes reservations, charges and shipments at http://{}", shop.address()),
    )?;

    let plan = NodePlan {
        listen: free_address(args.listen).await?,
        folder: folder.to_path_buf(),
        shop: shop.address(),
    };
    let node = plan.start().await?;
    let client = Client::new(&format!("http://{}", plan.listen), "default")?;
    step(3, &format!("Server process {} is ready at http://{}", node.pid(), plan.listen))?;

    upload(&client, &component).await?;
    let run = start(&client).await?;
    let mut stream = client.follow_history(run.clone());
    let outcome = tokio::time::timeout(RUN_TIMEOUT, follow(&mut stream, &plan, node)).await;
    let Ok(outcome) = outcome else {
        bail!("the run has not ended within {} s", RUN_TIMEOUT.as_secs());
    };
    let (events, mut node) = outcome?;

    step(8, "The run has ended. What was promised, checked:")?;
    let claims = proof::check(&client, &run, &events, stream.reconnects(), &shop.books()).await?;
    for claim in &claims {
        say(&format!("     {}  {}", if claim.holds { "ok    " } else { "FAILED" }, claim.text))?;
    }
    if claims.iter().any(|claim| !claim.holds) {
        bail!("the demo did not go as it should");
    }
    if args.exit {
        node.kill().await?;
        return Ok(Exit::Success);
    }
    invite(&plan)?;
    node.ended().await;
    bail!("the server has ended by itself; its log was {}", plan.log().display())
}

async fn build(example: Option<&Path>) -> Result<PathBuf> {
    let (folder, target_dir) = match example {
        Some(folder) => (folder.to_path_buf(), None),
        None => {
            let checkout = Path::new(CHECKOUT)
                .canonicalize()
                .ok()
                .filter(|checkout| checkout.join(EXAMPLE).is_dir())
                .ok_or_else(|| {
                    UsageError(format!(
                        "{EXAMPLE} is not where this program was built; name it with --example"
                    ))
                })?;
            (checkout.join(EXAMPLE), Some(checkout.join("target/guests")))
        }
    };
    let shown = shown(folder.clone())?;
    step(
        1,
        &format!("Building {} to WebAssembly; the first time takes a minute", shown.display()),
    )?;
    // Who looks on sees what takes the time.
    let messages = if std::io::stderr().is_terminal() { Messages::Shown } else { Messages::Kept };
    let built = guest_build::build(&folder, target_dir.as_deref(), messages).await?;
    match built.into_iter().next() {
        Some(built) => Ok(built.component),
        None => bail!(guest_build::BuildError::NoComponent { folder }),
    }
}

async fn upload(client: &Client, component: &Path) -> Result<()> {
    let bytes = tokio::fs::read(component)
        .await
        .with_context(|| format!("can't read {}", component.display()))?;
    let module: Module = client.push_module("checkout", bytes, false).await?.read()?;
    step(
        4,
        &format!(
            "Uploaded {} ({} KB): workflow {}; activities {}",
            module.name,
            module.size_bytes / 1024,
            module.workflows.join(", "),
            module.activities.join(", ")
        ),
    )?;
    Ok(())
}

async fn start(client: &Client) -> Result<RunAddress> {
    let body = StartBody {
        workflow: "checkout".to_owned(),
        workflow_id: Some("order-1".to_owned()),
        request_id: None,
        input: Some(RawValue::from_string(INPUT.to_owned())?),
        signal: None,
        options: StartOptions::default(),
    };
    let started: Started = client.start_run(&body).await?.read()?;
    step(5, &format!("Started {}; its history as it grows:", started.workflow_id))?;
    Ok(RunAddress { workflow_id: started.workflow_id, run_id: Some(started.run_id) })
}

/// Shows the history to its end, and kills and restarts the server on the way.
/// Returns the events as the server wrote them, and the server that is up now.
async fn follow(
    stream: &mut HistoryStream,
    plan: &NodePlan,
    node: Node,
) -> Result<(Vec<String>, Node)> {
    let mut events = Vec::new();
    let mut first_node = Some(node);
    let mut second_node = None;
    while let Some(followed) = stream.next().await? {
        let event = followed.event;
        say(&format!("   {}", event_line(&event)))?;
        let is_time = event.event_type == KILL_AT;
        events.push(followed.text.get().to_owned());
        if is_time && let Some(node) = first_node.take() {
            second_node = Some(restart(plan, node).await?);
        }
    }
    match second_node {
        Some(node) => Ok((events, node)),
        None => {
            bail!("the run ended without a {KILL_AT}, so there was no moment to kill the server")
        }
    }
}

async fn restart(plan: &NodePlan, node: Node) -> Result<Node> {
    let pid = node.pid();
    node.kill().await?;
    step(
        6,
        &format!(
            "kill -9 {pid}: the card is charged, nothing is shipped, and the server is dead. \
             The run's timer elapses meanwhile"
        ),
    )?;
    tokio::time::sleep(DEAD_TIME).await;
    let node = plan.start().await?;
    step(
        7,
        &format!(
            "Server process {} takes over, replays the run from its history, and goes on:",
            node.pid()
        ),
    )?;
    Ok(node)
}

fn invite(plan: &NodePlan) -> Result<()> {
    let server = format!("http://{}", plan.listen);
    let flag = if plan.listen.to_string() == DEFAULT_LISTEN {
        String::new()
    } else {
        format!(" --server {server}")
    };
    let program = shown(std::env::current_exe()?)?;
    let program = program.display();
    let runs = format!("{server}/api/v1/namespaces/default/runs");
    say(&format!(
        "\nThe server stays up until Ctrl-C. Try:\n\
         \n  {program} run list{flag}\
         \n  {program} run history order-1{flag}\
         \n  curl {runs}/order-1/result\
         \n  curl '{runs}?wait=5' --json '{{\"workflow\": \"checkout\", \"workflow_id\": \"order-2\", \
         \"input\": {{\"order_id\": \"order-2\", \"item\": \"piano\", \"quantity\": 1, \
         \"cents\": 99, \"card\": \"4242\"}}}}'\
         \n  curl {server}/api/v1/openapi.json\
         \n\nThe piano is too heavy to ship: watch the charge and the reservation being undone.\n\
         Your own workflow: docs/quickstart.md. The server's log: {}",
        plan.log().display()
    ))
}

/// A path as short as it can be written here.
fn shown(path: PathBuf) -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder is gone")?;
    Ok(path.strip_prefix(here).map(Path::to_path_buf).unwrap_or(path))
}

fn step(number: u32, text: &str) -> Result<()> {
    say(&format!("{number}. {text}"))
}

fn say(text: &str) -> Result<()> {
    output::line(text).map_err(Into::into)
}
