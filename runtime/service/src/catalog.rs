//! Which module defines what: all modules of all namespaces, in memory, so that
//! a start reads no table.
//!
//! Other nodes upload and delete, too. So what is not found here is looked for once more
//! after the store was asked whether its modules have changed since they were read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dacapo_model::code::ErrorCode;
use dacapo_model::event::ModuleRef;
use dacapo_model::ids::{ModuleName, NamespaceName, TypeName};
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_store::Store;
use parking_lot::RwLock;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};

use crate::backoff::Backoff;
use crate::builtin;
use crate::error::{Result, ServiceError};
use crate::life::Life;
use crate::shared_read::SharedRead;

/// First and longest wait before the modules are read again.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How long a deletion waits for runs that are just starting, and keeps others waiting.
const CHOICES_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a start waits for a deletion: until it has waited, and a while for the
/// store.
const CHOICE_TIME_MAX: Duration = Duration::from_secs(10);

/// Versions of one module, the oldest first.
type Versions = Vec<ModuleVersion>;

/// The modules of every namespace.
pub(crate) struct Catalog {
    store: Arc<dyn Store>,
    /// Held by whoever has chosen code for a run, until that is committed.
    choices: Arc<tokio::sync::RwLock<()>>,
    known: RwLock<Known>,
    read: SharedRead,
}

#[derive(Default)]
struct Known {
    namespaces: BTreeMap<NamespaceName, BTreeMap<ModuleName, Versions>>,
    /// How often the modules had changed in the store when they were read; none if this
    /// node has changed them since.
    changes: Option<u64>,
    /// How often this node has changed them itself.
    own_changes: u64,
}

/// While there is one, no module is deleted. Whoever pins a run to code has one from
/// the choice of the code until it is known what has become of the commit: so it goes
/// to the actor that commits.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    _shared: Arc<OwnedRwLockReadGuard<()>>,
}

/// While there is one, nobody chooses code, and memory may differ from the store.
#[derive(Debug)]
pub(crate) struct NoChoice {
    _alone: OwnedRwLockWriteGuard<()>,
}

impl Catalog {
    /// Reads everything once.
    pub(crate) async fn load(store: Arc<dyn Store>) -> dacapo_store::error::Result<Self> {
        let mut known = Known { changes: Some(store.module_changes().await?), ..Known::default() };
        known.replace(store.all_modules().await?);
        Ok(Self {
            store,
            choices: Arc::default(),
            known: RwLock::new(known),
            read: SharedRead::new(),
        })
    }

    /// Catches up with the store, as soon as that answers: a module was uploaded, and it is
    /// not known whether the store has it. Nothing is deleted meanwhile.
    pub(crate) fn refresh(self: &Arc<Self>, life: &Life, chosen: Choice) {
        let catalog = self.clone();
        life.spawn_until_halted(async move {
            let mut backoff = Backoff::new(BACKOFF, BACKOFF_MAX);
            while let Err(error) = catalog.catch_up().await {
                tracing::debug!(%error, "the modules can't be read yet");
                backoff.wait().await;
            }
            drop(chosen);
        });
    }

    /// Takes in what has changed in the store since it was last read, by whichever node.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        self.read.after_now(async || self.read_changes().await).await
    }

    async fn read_changes(&self) -> dacapo_store::error::Result<()> {
        loop {
            let (known, own_changes) = {
                let known = self.known.read();
                (known.changes, known.own_changes)
            };
            let changes = self.store.module_changes().await?;
            if known == Some(changes) {
                return Ok(());
            }
            let modules = self.store.all_modules().await?;
            if self.take_in(changes, modules, own_changes) {
                return Ok(());
            }
        }
    }

    /// Puts what was read in the place of what is known, unless this node has changed that
    /// meanwhile: what was read may be from before.
    fn take_in(&self, changes: u64, modules: Vec<ModuleVersion>, own_changes: u64) -> bool {
        let mut known = self.known.write();
        let is_last = known.own_changes == own_changes;
        if is_last {
            known.changes = Some(changes);
            known.replace(modules);
        }
        is_last
    }

    /// Looks something up, and once more if it is not there and the store has changed.
    pub(crate) async fn look_up<T>(&self, find: impl Fn(&Self) -> Result<T>) -> Result<T> {
        match find(self) {
            Err(error) if is_missing(error.code) => {
                self.catch_up().await?;
                find(self)
            }
            found => found,
        }
    }

    /// Keeps the modules that are there from being deleted.
    pub(crate) async fn choose(&self) -> Result<Choice> {
        let chosen = tokio::time::timeout(CHOICE_TIME_MAX, self.choices.clone().read_owned()).await;
        chosen.map(|guard| Choice { _shared: Arc::new(guard) }).map_err(|_| being_deleted())
    }

    /// The same for an actor. It waits for no deletion, which may wait for a start that
    /// waits for the actor.
    pub(crate) fn try_choose(&self) -> Result<Choice> {
        let chosen = self.choices.clone().try_read_owned();
        chosen.map(|guard| Choice { _shared: Arc::new(guard) }).map_err(|_| being_deleted())
    }

    /// Waits until all that was chosen is committed, and lets nobody choose meanwhile.
    pub(crate) async fn hold_choices(&self) -> Result<NoChoice> {
        let held = tokio::time::timeout(CHOICES_TIME_MAX, self.choices.clone().write_owned()).await;
        held.map(|guard| NoChoice { _alone: guard }).map_err(|_| {
            ServiceError::new(
                ErrorCode::Unavailable,
                "runs that are just starting take too long; nothing was deleted. Send the request \
                 again",
            )
        })
    }

    /// Forgets one version of a module, or without one the module.
    pub(crate) fn remove(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) {
        let mut known = self.known.write();
        known.changed();
        let Some(modules) = known.namespaces.get_mut(namespace) else { return };
        if let Some(versions) = modules.get_mut(name) {
            versions.retain(|known| version.is_some_and(|version| known.version != version));
            if versions.is_empty() {
                modules.remove(name);
            }
        }
    }

    /// Takes a stored version into account.
    pub(crate) fn add(&self, module: ModuleVersion) {
        let mut known = self.known.write();
        known.changed();
        known.add(module);
    }

    /// The newest version of each module of a namespace, by name.
    pub(crate) fn newest(&self, namespace: &NamespaceName) -> Versions {
        let namespaces = &self.known.read().namespaces;
        let modules = namespaces.get(namespace).into_iter().flat_map(BTreeMap::values);
        modules.filter_map(|versions| versions.last().cloned()).collect()
    }

    /// All versions of one module, the oldest first.
    pub(crate) fn versions(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
    ) -> Result<Versions> {
        let namespaces = &self.known.read().namespaces;
        namespaces.get(namespace).and_then(|modules| modules.get(name)).cloned().ok_or_else(|| {
            ServiceError::new(
                ErrorCode::ModuleNotFound,
                format!("there is no module `{name}` in namespace `{namespace}`"),
            )
            .with("module", name)
        })
    }

    /// The version that is named, or the newest.
    pub(crate) fn version(
        &self,
        namespace: &NamespaceName,
        module: &ModuleRef,
    ) -> Result<ModuleVersion> {
        let ModuleRef { name, version } = module;
        let mut versions = self.versions(namespace, name)?;
        if let Some(version) = version {
            versions.retain(|module| module.version == *version);
        }
        let unknown = || unknown_version(namespace, name, version.unwrap_or_default());
        versions.pop().ok_or_else(unknown)
    }

    /// A version with this digest, of whichever module has one.
    pub(crate) fn by_digest(
        &self,
        namespace: &NamespaceName,
        digest: ModuleDigest,
    ) -> Result<ModuleVersion> {
        let namespaces = &self.known.read().namespaces;
        let mut versions = namespaces.get(namespace).into_iter().flat_map(BTreeMap::values);
        versions
            .find_map(|of_one| of_one.iter().find(|it| it.digest == digest))
            .cloned()
            .ok_or_else(|| {
                ServiceError::new(
                    ErrorCode::ModuleNotFound,
                    format!("there is no module {digest} in namespace `{namespace}`"),
                )
                .with("module", digest)
            })
    }

    /// All versions with this digest, of all modules.
    pub(crate) fn all_by_digest(
        &self,
        namespace: &NamespaceName,
        digest: ModuleDigest,
    ) -> Versions {
        let namespaces = &self.known.read().namespaces;
        let modules = namespaces.get(namespace).into_iter().flat_map(BTreeMap::values);
        modules.flatten().filter(|version| version.digest == digest).cloned().collect()
    }

    /// The code that a new run of this type is pinned to: the newest version of
    /// the only module that defines it, or of the one that is named.
    pub(crate) fn resolve(
        &self,
        namespace: &NamespaceName,
        workflow_type: &TypeName,
        module: Option<&ModuleName>,
    ) -> Result<ModuleDigest> {
        let candidates: Versions = match module {
            Some(name) => self.versions(namespace, name)?.pop().into_iter().collect(),
            None => self.newest(namespace),
        };
        let mut defining =
            candidates.iter().filter(|module| module.definitions.workflows.contains(workflow_type));
        match (defining.next(), defining.next()) {
            (Some(module), None) => Ok(module.digest),
            (Some(first), Some(second)) => Err(ServiceError::new(
                ErrorCode::WorkflowTypeAmbiguous,
                format!(
                    "workflow type `{workflow_type}` is defined by the modules `{}` and `{}`; \
                     name one in `options.module`",
                    first.name, second.name
                ),
            )
            .with("workflow", workflow_type)),
            (None, _) => Err(unknown_type(namespace, workflow_type, &candidates)),
        }
    }

    /// The code that a child is pinned to: that of its parent, or the version of
    /// another module that is named.
    pub(crate) fn resolve_child(
        &self,
        namespace: &NamespaceName,
        workflow_type: &TypeName,
        parent: ModuleDigest,
        module: Option<&ModuleRef>,
    ) -> Result<ModuleDigest> {
        let candidates: Versions = match module {
            // What is built in starts what the namespace has.
            None if builtin::find(parent).is_some() => {
                return self.resolve(namespace, workflow_type, None);
            }
            None => {
                let namespaces = &self.known.read().namespaces;
                let modules = namespaces.get(namespace).into_iter().flat_map(BTreeMap::values);
                modules.flatten().find(|module| module.digest == parent).cloned().into_iter()
            }
            Some(ModuleRef { name, version: None }) => {
                return self.resolve(namespace, workflow_type, Some(name));
            }
            Some(module) => Some(self.version(namespace, module)?).into_iter(),
        }
        .collect();
        let defining =
            candidates.iter().find(|module| module.definitions.workflows.contains(workflow_type));
        let defining = defining.map(|module| module.digest);
        defining.ok_or_else(|| unknown_type(namespace, workflow_type, &candidates))
    }
}

impl Known {
    /// This node changes them. Another may have done so just before.
    fn changed(&mut self) {
        self.changes = None;
        self.own_changes += 1;
    }

    fn add(&mut self, module: ModuleVersion) {
        let modules = self.namespaces.entry(module.namespace.clone()).or_default();
        let versions = modules.entry(module.name.clone()).or_default();
        if versions.iter().all(|known| known.version != module.version) {
            versions.push(module);
            versions.sort_by_key(|known| known.version);
        }
    }

    /// Puts what was read in the place of all that was known.
    fn replace(&mut self, modules: Vec<ModuleVersion>) {
        self.namespaces.values_mut().for_each(BTreeMap::clear);
        for module in modules {
            self.add(module);
        }
    }
}

fn is_missing(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::ModuleNotFound | ErrorCode::WorkflowTypeNotFound)
}

fn being_deleted() -> ServiceError {
    ServiceError::new(
        ErrorCode::Unavailable,
        "a module is being deleted, which takes long; nothing was started or changed. Send the \
         request again",
    )
}

fn unknown_version(namespace: &NamespaceName, name: &ModuleName, version: u32) -> ServiceError {
    ServiceError::new(
        ErrorCode::ModuleNotFound,
        format!("module `{name}` in namespace `{namespace}` has no version {version}"),
    )
    .with("module", name)
    .with("version", version)
}

fn unknown_type(
    namespace: &NamespaceName,
    workflow_type: &TypeName,
    candidates: &[ModuleVersion],
) -> ServiceError {
    let known: Vec<_> = candidates
        .iter()
        .flat_map(|module| &module.definitions.workflows)
        .map(|known| format!("`{known}`"))
        .take(20)
        .collect();
    let known = if known.is_empty() {
        "nothing defines a workflow yet: upload a module first".to_owned()
    } else {
        format!("defined are {}", known.join(", "))
    };
    ServiceError::new(
        ErrorCode::WorkflowTypeNotFound,
        format!(
            "no module in namespace `{namespace}` defines workflow type `{workflow_type}`; {known}"
        ),
    )
    .with("workflow", workflow_type)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use dacapo_model::module::ModuleDefinitions;
    use dacapo_model::time::Timestamp;
    use dacapo_store::faulty::{Fault, FaultyStore, Operation};
    use dacapo_store::memory::MemoryStore;
    use dacapo_store::module::NewModule;
    use dacapo_store::shard::{NodeId, Ownership};
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    use super::*;

    fn namespace() -> NamespaceName {
        NamespaceName::new("default").expect("valid")
    }

    fn workflow() -> TypeName {
        TypeName::new("shop.order").expect("valid")
    }

    async fn owned(store: &dyn Store) -> Ownership {
        store.acquire_all_shards(NodeId(Uuid::nil())).await.expect("takes")
    }

    /// As another node does, unseen.
    async fn upload(
        store: &dyn Store,
        ownership: &Ownership,
        content: &'static [u8],
    ) -> ModuleVersion {
        let module = NewModule {
            namespace: namespace(),
            name: ModuleName::new("shop").expect("valid"),
            digest: ModuleDigest::of(content),
            bytes: Bytes::from_static(content),
            definitions: ModuleDefinitions { workflows: vec![workflow()], activities: Vec::new() },
            created_at: Timestamp::default(),
        };
        store.put_module(ownership, module).await.expect("keeps").0
    }

    async fn resolve(catalog: &Catalog) -> Result<ModuleDigest> {
        catalog.look_up(|it| it.resolve(&namespace(), &workflow(), None)).await
    }

    #[tokio::test]
    async fn what_another_node_has_uploaded_or_deleted_is_heard_of() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ownership = owned(&*store).await;
        let catalog = Catalog::load(store.clone()).await.expect("loads");
        resolve(&catalog).await.expect_err("nothing is there");
        let first = upload(&*store, &ownership, b"one").await;
        assert_eq!(resolve(&catalog).await, Ok(first.digest));

        let second = upload(&*store, &ownership, b"two").await;
        let before = store.statistics().statements;
        assert_eq!(resolve(&catalog).await, Ok(first.digest), "it is there");
        assert_eq!(store.statistics().statements, before, "the store is not asked");
        catalog.catch_up().await.expect("reads");
        assert_eq!(resolve(&catalog).await, Ok(second.digest));

        let name = first.name.clone();
        store.delete_modules(&ownership, &namespace(), &name, None).await.expect("deletes");
        catalog.catch_up().await.expect("reads");
        resolve(&catalog).await.expect_err("it is gone");
        let before = store.statistics().statements;
        resolve(&catalog).await.expect_err("it is gone");
        assert_eq!(store.statistics().statements, before + 1, "one row says that nothing changed");
    }

    #[tokio::test]
    async fn those_who_look_for_what_is_not_there_share_a_read() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ownership = owned(&*store).await;
        let gate = Arc::new(Semaphore::new(0));
        let asked = Arc::new(AtomicU64::new(0));
        let (held, counted) = (gate.clone(), asked.clone());
        let slow = FaultyStore::new(store.clone(), move |call| match call.operation {
            // The first is the catalog's own.
            Operation::ModuleChanges if call.number > 1 => {
                counted.fetch_add(1, Ordering::SeqCst);
                Fault::Delayed(held.clone())
            }
            _ => Fault::None,
        });
        let catalog = Catalog::load(Arc::new(slow)).await.expect("loads");
        let uploads = async {
            while asked.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            // It may have been missed by the read that is under way.
            let uploaded = upload(&*store, &ownership, b"one").await;
            gate.add_permits(2);
            uploaded
        };
        let all = futures::future::join_all((0..100).map(|_| resolve(&catalog)));
        let (found, uploaded) = futures::join!(all, uploads);
        assert!(found.iter().all(|found| *found == Ok(uploaded.digest)), "{found:?}");
        assert!(asked.load(Ordering::SeqCst) <= 2, "{asked:?}");
    }

    #[tokio::test]
    async fn an_upload_of_this_node_is_not_forgotten_by_a_read_that_is_under_way() {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ownership = owned(&*store).await;
        let catalog = Catalog::load(store.clone()).await.expect("loads");
        catalog.add(upload(&*store, &ownership, b"one").await);
        let own_changes = catalog.known.read().own_changes;
        let read = store.all_modules().await.expect("reads");
        let second = upload(&*store, &ownership, b"two").await;
        catalog.add(second.clone());
        assert!(!catalog.take_in(1, read, own_changes), "it is to be read again");
        assert_eq!(resolve(&catalog).await, Ok(second.digest));
    }
}
