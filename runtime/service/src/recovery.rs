//! What a node does before it takes work: finds every open run, and goes on with
//! those that have something to do now. The others sleep on.

use std::sync::Arc;

use crate::error::Result;
use crate::loader;
use crate::run::{self, Loaded, Origin};
use crate::runtime::Shared;

/// Runs read by one set of statements.
const PAGE: u32 = 200;

/// Reads all open runs, page by page.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<()> {
    let (mut found, mut resumed) = (0_usize, 0_usize);
    let mut after = None;
    loop {
        let page = shared.store.open_executions(after, PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.key);
        found += page.len();
        for stored in loader::load_all(&*shared.store, page).await? {
            let execution = &stored.execution;
            let run = shared.registry.insert_asleep(
                execution.key,
                execution.namespace.clone(),
                execution.workflow_id.clone(),
            );
            match run::assemble(stored) {
                Ok(loaded) if has_work(&loaded) => {
                    resumed += 1;
                    if let Some(mailbox) = run.wake() {
                        run::spawn(shared, run, mailbox, Origin::Loaded(Box::new(loaded)));
                    }
                }
                Ok(_sleeping) => {}
                // One bad run must not keep the others from running.
                Err(error) => {
                    tracing::error!(run_id = %run.key, error = ?error, "run can't be recovered");
                }
            }
        }
    }
    tracing::info!(open_runs = found, resumed, "recovered");
    Ok(())
}

/// Timers and retries wake a run by themselves.
fn has_work(loaded: &Loaded) -> bool {
    loaded.needs_activation
        || loaded.state.activities.values().any(|activity| activity.retry_at.is_none())
}
