//! Which module defines what: all modules of all namespaces, in memory, so that
//! a start reads no table.

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
use crate::error::{Result, ServiceError};
use crate::runtime::Shared;

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
#[derive(Debug)]
pub(crate) struct Catalog {
    /// Held by whoever has chosen code for a run, until that is committed.
    choices: Arc<tokio::sync::RwLock<()>>,
    namespaces: RwLock<BTreeMap<NamespaceName, BTreeMap<ModuleName, Versions>>>,
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
    pub(crate) async fn load(store: &dyn Store) -> dacapo_store::error::Result<Self> {
        let mut namespaces = BTreeMap::new();
        for namespace in store.namespaces().await? {
            namespaces.insert(namespace, BTreeMap::<ModuleName, Versions>::new());
        }
        for module in store.all_modules().await? {
            let modules = namespaces.entry(module.namespace.clone()).or_default();
            modules.entry(module.name.clone()).or_default().push(module);
        }
        Ok(Self { choices: Arc::default(), namespaces: RwLock::new(namespaces) })
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
        let mut namespaces = self.namespaces.write();
        let Some(modules) = namespaces.get_mut(namespace) else { return };
        if let Some(versions) = modules.get_mut(name) {
            versions.retain(|known| version.is_some_and(|version| known.version != version));
            if versions.is_empty() {
                modules.remove(name);
            }
        }
    }

    /// Takes a stored version into account.
    pub(crate) fn add(&self, module: ModuleVersion) {
        let mut namespaces = self.namespaces.write();
        let versions = namespaces
            .entry(module.namespace.clone())
            .or_default()
            .entry(module.name.clone())
            .or_default();
        if versions.iter().all(|known| known.version != module.version) {
            versions.push(module);
            versions.sort_by_key(|known| known.version);
        }
    }

    /// Refuses an unknown namespace.
    pub(crate) fn check_namespace(&self, namespace: &NamespaceName) -> Result<()> {
        if self.namespaces.read().contains_key(namespace) {
            return Ok(());
        }
        Err(ServiceError::new(
            ErrorCode::NamespaceNotFound,
            format!("there is no namespace `{namespace}`; every server has one called `default`"),
        )
        .with("namespace", namespace))
    }

    /// The newest version of each module of a namespace, by name.
    pub(crate) fn newest(&self, namespace: &NamespaceName) -> Result<Versions> {
        self.check_namespace(namespace)?;
        let namespaces = self.namespaces.read();
        let modules = namespaces.get(namespace).into_iter().flat_map(BTreeMap::values);
        Ok(modules.filter_map(|versions| versions.last().cloned()).collect())
    }

    /// All versions of one module, the oldest first.
    pub(crate) fn versions(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
    ) -> Result<Versions> {
        self.check_namespace(namespace)?;
        let namespaces = self.namespaces.read();
        namespaces.get(namespace).and_then(|modules| modules.get(name)).cloned().ok_or_else(|| {
            ServiceError::new(
                ErrorCode::ModuleNotFound,
                format!("there is no module `{name}` in namespace `{namespace}`"),
            )
            .with("module", name)
        })
    }

    /// A version with this digest, of whichever module has one.
    pub(crate) fn by_digest(
        &self,
        namespace: &NamespaceName,
        digest: ModuleDigest,
    ) -> Result<ModuleVersion> {
        self.check_namespace(namespace)?;
        let namespaces = self.namespaces.read();
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
            None => self.newest(namespace)?,
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
            None => {
                let namespaces = self.namespaces.read();
                let modules = namespaces.get(namespace).into_iter().flat_map(BTreeMap::values);
                modules.flatten().find(|module| module.digest == parent).cloned().into_iter()
            }
            Some(ModuleRef { name, version: None }) => {
                return self.resolve(namespace, workflow_type, Some(name));
            }
            Some(ModuleRef { name, version: Some(version) }) => {
                let mut versions = self.versions(namespace, name)?;
                versions.retain(|module| module.version == *version);
                if versions.is_empty() {
                    return Err(unknown_version(namespace, name, *version));
                }
                versions.pop().into_iter()
            }
        }
        .collect();
        let defining =
            candidates.iter().find(|module| module.definitions.workflows.contains(workflow_type));
        let defining = defining.map(|module| module.digest);
        defining.ok_or_else(|| unknown_type(namespace, workflow_type, &candidates))
    }
}

/// Reads the modules again, until the store answers: one was uploaded, and it is not
/// known whether the store has it. Nothing is deleted meanwhile.
pub(crate) fn refresh(shared: &Arc<Shared>, chosen: Choice) {
    let by_task = shared.clone();
    let halted = shared.halted.clone();
    shared.actors.spawn(async move {
        let refreshed = async {
            let mut backoff = Backoff::new(BACKOFF, BACKOFF_MAX);
            loop {
                match by_task.store.all_modules().await {
                    Ok(modules) => {
                        modules.into_iter().for_each(|module| by_task.catalog.add(module));
                        return;
                    }
                    Err(error) => {
                        tracing::debug!(error = ?error, "the modules can't be read yet");
                    }
                }
                backoff.wait().await;
            }
        };
        halted.run_until_cancelled(refreshed).await;
        drop(chosen);
    });
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
