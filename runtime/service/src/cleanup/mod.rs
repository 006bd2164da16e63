//! What goes by itself: closed runs that have been kept long enough, and namespaces that are
//! being deleted, with all that they have.
//!
//! Rows alone say what is to be done, so whoever starts next goes on where this node ended.
//! One page at a time of each namespace in turn: a large one keeps no other waiting. As long
//! as no namespace asks for any of it, nothing is read.

mod closed_runs;
mod namespace;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::ids::NamespaceName;
use dacapo_store::deletion::ClosedRun;

use self::closed_runs::{Children, delete_page};
use crate::error::Result;
use crate::log_limit::LogLimit;
use crate::runtime::Shared;
use crate::tenancy::NamespacePolicy;

/// How often it is looked for runs whose time is over.
const LOOK: Duration = Duration::from_secs(5);

/// Between two pages: those who work have the same database.
const BREATH: Duration = Duration::from_millis(20);

static LOG: LogLimit = LogLimit::new();

/// Where each namespace goes on.
type Places = HashMap<NamespaceName, ClosedRun>;

/// Runs until the node stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    shared.life.recovered.cancelled().await;
    let mut changed = shared.namespaces.watch();
    let mut places = Places::new();
    loop {
        changed.mark_unchanged();
        let namespaces = shared.namespaces.all();
        let is_any = namespaces.iter().any(|(_, policy)| asks(policy));
        let is_more = round(&shared, namespaces, &mut places).await;
        tokio::select! {
            () = shared.life.stopping.cancelled() => return,
            () = tokio::time::sleep(BREATH), if is_more => {}
            _ = changed.changed() => {}
            () = tokio::time::sleep(LOOK), if is_any => {}
        }
    }
}

fn asks(policy: &NamespacePolicy) -> bool {
    policy.is_being_deleted || policy.settings.retention_seconds.is_some()
}

/// One page of each. Whether there is more to do at once.
async fn round(
    shared: &Arc<Shared>,
    namespaces: Vec<(NamespaceName, Arc<NamespacePolicy>)>,
    places: &mut Places,
) -> bool {
    let mut is_more = false;
    for (name, policy) in namespaces {
        if shared.life.stopping.is_cancelled() {
            return false;
        }
        if !asks(&policy) {
            continue;
        }
        match step(shared, &name, &policy, places).await {
            Ok(has_more) => is_more |= has_more,
            // The next look tries again.
            Err(error) => {
                if let Some(withheld) = LOG.allows() {
                    tracing::warn!(
                        namespace = name.as_str(),
                        %error,
                        withheld,
                        "what is to be deleted can't be; trying again"
                    );
                }
            }
        }
    }
    is_more
}

async fn step(
    shared: &Arc<Shared>,
    name: &NamespaceName,
    policy: &NamespacePolicy,
    places: &mut Places,
) -> Result<bool> {
    if policy.is_being_deleted {
        return namespace::advance(shared, name, places).await;
    }
    let Some(retention) = policy.settings.retention() else {
        return Ok(false);
    };
    let before = shared.clock.now().before(retention);
    let place = places.get(name).copied();
    let last = delete_page(shared, name, before, place, Children::Kept).await?;
    // From the beginning after the last one: a child may have lost its parent meanwhile.
    Ok(note_place(places, name, last))
}

/// Where a namespace goes on: after the last run of a page, or from the beginning. Whether
/// there is another page.
fn note_place(places: &mut Places, name: &NamespaceName, last: Option<ClosedRun>) -> bool {
    match last {
        Some(last) => drop(places.insert(name.clone(), last)),
        None => drop(places.remove(name)),
    }
    last.is_some()
}
