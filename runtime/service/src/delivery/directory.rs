//! The open runs of this node, awake or not. The one place that says whether a
//! workflow id is taken.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU64;
use std::sync::Arc;

use dacapo_model::execution::Execution;
use dacapo_model::ids::{NamespaceName, RunId, RunKey, WorkflowId};
use parking_lot::Mutex;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc};

use super::places::{Counts, Starting};
use crate::run::{Envelope, OpenRun};
use crate::tenancy::Place;
use crate::workload::Workload;

/// The open runs by workflow id and by run id.
pub(crate) struct Directory {
    runs: Mutex<Runs>,
    /// A run has closed, or it is known what has become of a start.
    decided: Notify,
    workload: Workload,
}

#[derive(Default)]
struct Runs {
    by_workflow: HashMap<(NamespaceName, WorkflowId), Arc<OpenRun>>,
    by_run: HashMap<RunId, Arc<OpenRun>>,
    /// Those of `by_run` that are not known to be stored.
    starting: HashMap<RunId, Starting>,
    /// How many of `by_run` each namespace has, where that is any.
    counts: HashMap<NamespaceName, Counts>,
}

impl Runs {
    fn add(&mut self, run: Arc<OpenRun>) {
        let namespace = run.namespace.clone();
        if self.by_run.insert(run.key.run_id, run).is_none() {
            self.counts.entry(namespace).or_default().all += 1;
        }
    }

    fn remove(&mut self, run_id: RunId) {
        let Some(run) = self.by_run.remove(&run_id) else { return };
        self.leave(&run);
        if let Some(counts) = self.counts.get_mut(&run.namespace) {
            counts.all -= 1;
            if counts.all == 0 {
                self.counts.remove(&run.namespace);
            }
        }
    }

    /// The run has come so far.
    fn enter(&mut self, run: &OpenRun, starting: Starting) {
        self.leave(run);
        self.starting.insert(run.key.run_id, starting);
        self.counts.entry(run.namespace.clone()).or_default().add(starting);
    }

    /// The run is stored, or has come to nothing.
    fn leave(&mut self, run: &OpenRun) {
        if let Some(starting) = self.starting.remove(&run.key.run_id)
            && let Some(counts) = self.counts.get_mut(&run.namespace)
        {
            counts.subtract(starting);
        }
    }
}

/// The answer to a claim of a workflow id.
pub(crate) enum Claim<'a> {
    /// It was free, and is this run's now.
    Free(Claimed<'a>, mpsc::Receiver<Envelope>),
    /// This run has it.
    Taken(Arc<OpenRun>),
}

/// A workflow id that is claimed, but not used yet. Free again if the start goes
/// no further, also when its caller goes away.
pub(crate) struct Claimed<'a> {
    directory: &'a Directory,
    run: Option<Arc<OpenRun>>,
}

impl Claimed<'_> {
    /// Takes one of `max` places among the open runs of its namespace, if there is one.
    pub(crate) fn take_place(&self, max: NonZeroU64) -> Place {
        let Some(run) = &self.run else { return Place::Taken };
        let mut runs = self.directory.runs.lock();
        if runs.starting.get(&run.key.run_id) != Some(&Starting::Waiting) {
            return Place::Taken;
        }
        let counts = runs.counts.get(&run.namespace).copied().unwrap_or_default();
        let place = counts.place(max);
        if place == Place::Taken {
            runs.enter(run, Starting::InHand);
        }
        place
    }

    /// Is ready once something is decided from now on, so that [`Self::take_place`] may say
    /// something else.
    pub(crate) fn decided(&self) -> Notified<'_> {
        self.directory.decided.notified()
    }

    /// The run starts: from now on its actor sees to it, and says when it is
    /// [stored](Directory::stored).
    pub(crate) fn keep(mut self) -> Arc<OpenRun> {
        let run = self.run.take().expect("it is kept once");
        self.directory.runs.lock().enter(&run, Starting::InHand);
        run
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            self.directory.remove(&run);
            run.close();
        }
    }
}

impl Directory {
    /// Of no runs yet.
    pub(crate) fn new(workload: Workload) -> Self {
        Self { runs: Mutex::default(), decided: Notify::new(), workload }
    }

    /// Claims a workflow id for a new run.
    pub(crate) fn claim(
        &self,
        key: RunKey,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
    ) -> Claim<'_> {
        let mut runs = self.runs.lock();
        match runs.by_workflow.entry((namespace.clone(), workflow_id.clone())) {
            Entry::Occupied(taken) => Claim::Taken(taken.get().clone()),
            Entry::Vacant(free) => {
                let (run, mailbox) = OpenRun::awake(
                    key,
                    namespace.clone(),
                    workflow_id.clone(),
                    self.workload.clone(),
                );
                let run = Arc::new(run);
                free.insert(run.clone());
                runs.add(run.clone());
                runs.enter(&run, Starting::Waiting);
                Claim::Free(Claimed { directory: self, run: Some(run) }, mailbox)
            }
        }
    }

    /// Adds a run, asleep, that is stored and open. None if its workflow id has another
    /// run here: what was read of one of them is not true any more. One that is here
    /// already stays as it is.
    pub(crate) fn adopt(&self, execution: &Execution) -> Option<Arc<OpenRun>> {
        let mut runs = self.runs.lock();
        let workflow = (execution.namespace.clone(), execution.workflow_id.clone());
        match runs.by_workflow.entry(workflow) {
            Entry::Occupied(taken) => {
                Some(taken.get()).filter(|run| run.key == execution.key).cloned()
            }
            Entry::Vacant(free) => {
                let run = Arc::new(OpenRun::asleep(execution, self.workload.clone()));
                free.insert(run.clone());
                runs.add(run.clone());
                Some(run)
            }
        }
    }

    /// Adds a run, asleep, that began in the commit which closed the run of its workflow
    /// id, and takes its place. One that is here already stays as it is.
    pub(crate) fn follow(&self, execution: &Execution) -> Arc<OpenRun> {
        let mut runs = self.runs.lock();
        if let Some(run) = runs.by_run.get(&execution.key.run_id) {
            return run.clone();
        }
        let run = Arc::new(OpenRun::asleep(execution, self.workload.clone()));
        let workflow = (execution.namespace.clone(), execution.workflow_id.clone());
        if let Some(before) = runs.by_workflow.insert(workflow, run.clone()) {
            runs.remove(before.key.run_id);
        }
        runs.add(run.clone());
        run
    }

    /// Forgets a run that has closed or never started.
    pub(crate) fn remove(&self, run: &Arc<OpenRun>) {
        let mut runs = self.runs.lock();
        runs.remove(run.key.run_id);
        let workflow = (run.namespace.clone(), run.workflow_id.clone());
        // A run that continues this one may have its place already.
        if runs.by_workflow.get(&workflow).is_some_and(|current| Arc::ptr_eq(current, run)) {
            runs.by_workflow.remove(&workflow);
        }
        drop(runs);
        self.decided.notify_waiters();
    }

    /// Takes note that the start of a run is committed.
    pub(crate) fn stored(&self, run: &OpenRun) {
        self.runs.lock().leave(run);
        self.decided.notify_waiters();
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.lock().by_run.len()
    }

    /// Some open runs of a namespace; none if it has none.
    pub(crate) fn some_of(&self, namespace: &NamespaceName, max: usize) -> Vec<Arc<OpenRun>> {
        let runs = self.runs.lock();
        if !runs.counts.contains_key(namespace) {
            return Vec::new();
        }
        let its = runs.by_run.values().filter(|run| run.namespace == *namespace);
        its.take(max).cloned().collect()
    }

    /// The run that has the workflow id of `run`, which has closed.
    pub(crate) fn follower(&self, run: &OpenRun) -> Option<Arc<OpenRun>> {
        self.by_workflow(&run.namespace, &run.workflow_id)
    }

    /// The open run of a workflow id.
    pub(super) fn by_workflow(
        &self,
        namespace: &NamespaceName,
        workflow_id: &WorkflowId,
    ) -> Option<Arc<OpenRun>> {
        let workflow = (namespace.clone(), workflow_id.clone());
        self.runs.lock().by_workflow.get(&workflow).cloned()
    }

    /// An open run.
    pub(super) fn by_run(&self, run_id: RunId) -> Option<Arc<OpenRun>> {
        self.runs.lock().by_run.get(&run_id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use dacapo_model::attributes::RunAttributes;
    use dacapo_model::execution::ExecutionStatus;
    use dacapo_model::ids::{TypeName, WorkflowHash};
    use dacapo_model::module::ModuleDigest;
    use dacapo_model::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn execution(run: u128) -> Execution {
        let namespace = NamespaceName::new("default").expect("valid");
        let workflow_id = WorkflowId::new("w").expect("valid");
        let hash = WorkflowHash::of(&namespace, &workflow_id);
        Execution {
            key: RunKey { hash, run_id: RunId(Uuid::from_u128(run)) },
            namespace,
            workflow_id,
            workflow_type: TypeName::new("t").expect("valid"),
            module_digest: ModuleDigest([0; 32]),
            request_id: None,
            status: ExecutionStatus::Running,
            blocked: None,
            attributes: RunAttributes::default(),
            started_at: Timestamp::default(),
            closed_at: None,
            delayed_until: None,
            parent: None,
            history_size: None,
            task_queue: None,
        }
    }

    fn claim<'a>(directory: &'a Directory, execution: &Execution) -> Claim<'a> {
        directory.claim(execution.key, &execution.namespace, &execution.workflow_id)
    }

    fn counts(directory: &Directory) -> Counts {
        let runs = directory.runs.lock();
        runs.counts.get(&execution(1).namespace).copied().unwrap_or_default()
    }

    #[test]
    fn a_place_is_undecided_until_it_is_known_what_becomes_of_the_start_that_has_it() {
        let directory = Directory::new(Workload::default());
        let claim = |run: u128| {
            let workflow_id = WorkflowId::new(format!("w{run}")).expect("valid");
            let execution = execution(run);
            match directory.claim(execution.key, &execution.namespace, &workflow_id) {
                Claim::Free(claimed, _mailbox) => claimed,
                Claim::Taken(_) => panic!("nobody has it"),
            }
        };
        let one = NonZeroU64::MIN;
        let (first, second, third) = (claim(1), claim(2), claim(3));
        assert_eq!(second.take_place(one), Place::Taken, "claims have no place");
        assert_eq!(second.take_place(one), Place::Taken, "it has one already");
        assert_eq!(first.take_place(one), Place::Undecided);
        drop(second);
        assert_eq!(first.take_place(one), Place::Taken);
        let run = first.keep();
        assert_eq!(third.take_place(one), Place::Undecided);
        directory.stored(&run);
        assert_eq!(third.take_place(one), Place::Full);
        directory.remove(&run);
        assert_eq!(third.take_place(one), Place::Taken);
        directory.remove(&third.keep());
        assert_eq!(counts(&directory), Counts::default());
    }

    #[test]
    fn a_claim_that_is_not_kept_frees_the_workflow_id() {
        let directory = Directory::new(Workload::default());
        let Claim::Free(claimed, _mailbox) = claim(&directory, &execution(1)) else {
            panic!("nobody has it");
        };
        assert!(matches!(claim(&directory, &execution(2)), Claim::Taken(_)));
        assert_eq!(counts(&directory), Counts { all: 1, waiting: 1, in_hand: 0 });
        drop(claimed);
        assert_eq!((directory.len(), counts(&directory)), (0, Counts::default()));
        assert!(matches!(claim(&directory, &execution(2)), Claim::Free(..)));
    }

    #[test]
    fn a_run_that_is_inserted_again_stays_the_same() {
        let directory = Directory::new(Workload::default());
        let first = directory.adopt(&execution(1)).expect("the id is free");
        let again = directory.adopt(&execution(1)).expect("it has the id");
        assert!(Arc::ptr_eq(&first, &again));
        assert!(Arc::ptr_eq(&first, &directory.follow(&execution(1))));
        assert_eq!(directory.len(), 1);
    }

    #[test]
    fn a_run_is_not_adopted_in_the_place_of_another() {
        let directory = Directory::new(Workload::default());
        let current = directory.adopt(&execution(2)).expect("the id is free");
        assert!(directory.adopt(&execution(1)).is_none(), "it was read before the other began");
        assert!(Arc::ptr_eq(&current, &directory.follower(&current).expect("it has the id")));
        assert!(directory.by_run(execution(1).key.run_id).is_none());
    }

    #[test]
    fn a_run_that_follows_takes_the_place_of_the_one_before() {
        let directory = Directory::new(Workload::default());
        let before = directory.adopt(&execution(1)).expect("the id is free");
        let after = directory.follow(&execution(2));
        assert!(directory.by_run(before.key.run_id).is_none());
        directory.remove(&before);
        assert!(Arc::ptr_eq(&after, &directory.follower(&before).expect("it has the id")));
        let one = Counts { all: 1, ..Counts::default() };
        assert_eq!((directory.len(), counts(&directory)), (1, one));
    }
}
