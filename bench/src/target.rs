//! What is measured: a database, a server on it, and the module in it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use dacapo_cli::output;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::net::lookup_host;

use crate::args::TargetFlags;
use crate::client::Connection;
use crate::clock;
use crate::database::Database;
use crate::guest;
use crate::meter::Meter;
use crate::process;
use crate::server::{Server, ServerPlan};

/// The name that the module is uploaded under.
const MODULE: &str = "bench";

/// Between two looks at whether all runs are closed.
const PAUSE: Duration = Duration::from_millis(200);

/// How long runs may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(600);

/// Of a list of runs, how many there are.
#[derive(Deserialize)]
struct Page {
    runs: Vec<IgnoredAny>,
}

/// A server that can be measured. Dropped, the server is killed first; then its
/// database goes away.
pub(crate) struct Target {
    running: Running,
    database: Option<Database>,
}

enum Running {
    /// Started by this program; none while it is killed.
    Ours { server: Option<Box<Server>>, plan: ServerPlan },
    /// Of somebody else.
    Theirs { address: SocketAddr, pid: Option<u32> },
}

impl Target {
    /// As the flags say, with the module uploaded.
    pub(crate) async fn open(flags: &TargetFlags) -> Result<Self> {
        let component = guest::component().await?;
        let target = match &flags.server {
            Some(url) => Self::theirs(url, flags).await?,
            None => Self::ours(flags).await?,
        };
        target.connect().await?.upload(MODULE, component).await?;
        Ok(target)
    }

    async fn ours(flags: &TargetFlags) -> Result<Self> {
        let database = Database::fresh(flags.database.as_ref(), flags.keep).await?;
        let plan = ServerPlan::new(database.url(), flags.serve_args.clone())?;
        let server = plan.start().await?;
        let pid = server.pid().unwrap_or_default();
        output::note(&format!("server {pid} at {} on {}", server.address(), database.kind()));
        Ok(Self {
            running: Running::Ours { server: Some(server.into()), plan },
            database: Some(database),
        })
    }

    async fn theirs(url: &str, flags: &TargetFlags) -> Result<Self> {
        let authority = url.strip_prefix("http://").context("--server begins with http://")?;
        let mut addresses = lookup_host(authority.trim_end_matches('/')).await?;
        let address = addresses.next().with_context(|| format!("{url} has no address"))?;
        let database = flags.database.as_ref().map(Database::of_server).transpose()?;
        Ok(Self { running: Running::Theirs { address, pid: flags.server_pid }, database })
    }

    /// Which database system it is, if that is known.
    pub(crate) fn database_kind(&self) -> &'static str {
        self.database.as_ref().map_or("unknown", Database::kind)
    }

    pub(crate) fn address(&self) -> Result<SocketAddr> {
        match &self.running {
            Running::Ours { server, .. } => {
                server.as_ref().map(|server| server.address()).context("the server is not running")
            }
            Running::Theirs { address, .. } => Ok(*address),
        }
    }

    fn pid(&self) -> Option<u32> {
        match &self.running {
            Running::Ours { server, .. } => server.as_ref().and_then(|server| server.pid()),
            Running::Theirs { pid, .. } => *pid,
        }
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        Connection::open(self.address()?).await
    }

    /// Something that measures what it takes, as it runs now.
    pub(crate) async fn meter(&self) -> Result<Meter> {
        let observer = match &self.database {
            Some(database) => database.observer().await?,
            None => None,
        };
        Ok(Meter { server: self.pid(), observer, workers: Vec::new() })
    }

    /// Memory of the server that is in RAM, if its process is known.
    pub(crate) fn resident_bytes(&self) -> Result<Option<u64>> {
        self.pid().map(process::resident_bytes).transpose()
    }

    /// Waits until no run of a workflow is open.
    pub(crate) async fn until_all_closed(&self, workflow: &str) -> Result<()> {
        let path = format!("runs?status=running&status=blocked&workflow_type={workflow}&limit=1");
        let begun = clock::now();
        loop {
            let answer = self.connect().await?.get(&path).await?;
            if answer.json::<Page>()?.runs.is_empty() {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "some runs of `{workflow}` do not complete");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        match &mut self.running {
            Running::Ours { server, .. } => match server.take() {
                Some(server) => server.kill().await,
                None => Ok(()),
            },
            Running::Theirs { .. } => {
                bail!("only a server that this program started is killed: leave --server out")
            }
        }
    }

    /// Starts it again, the same way.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.kill().await?;
        if let Running::Ours { server, plan } = &mut self.running {
            *server = Some(plan.start().await?.into());
        }
        Ok(())
    }

    /// Ends the server and keeps the database.
    pub(crate) async fn into_database(mut self) -> Result<Database> {
        self.kill().await?;
        self.database.take().context("the database is not known")
    }
}
