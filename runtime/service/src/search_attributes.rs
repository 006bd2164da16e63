//! Which search attributes the namespaces have registered, in memory: so a start or a step of a
//! run reads no table.
//!
//! Other nodes register, too. So what does not fit what is known here is looked at once more
//! after the store was asked whether anything has changed since it was read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dacapo_model::attributes::{AttributeChanges, SearchAttributes};
use dacapo_model::code::ErrorCode;
use dacapo_model::command::{Command, Outcome};
use dacapo_model::execution::Blocked;
use dacapo_model::ids::NamespaceName;
use dacapo_model::search_attribute::{
    RegisteredAttribute, SearchAttributeName, SearchAttributeTypes, UnfitAttribute, check_changes,
    fitted,
};
use dacapo_store::Store;
use parking_lot::RwLock;

use crate::error::{Result, ServiceError};
use crate::shared_read::SharedRead;

/// Those of every namespace.
pub(crate) struct RegisteredAttributes {
    store: Arc<dyn Store>,
    known: RwLock<Known>,
    read: SharedRead,
}

struct Known {
    namespaces: BTreeMap<NamespaceName, Arc<SearchAttributeTypes>>,
    /// How often they had changed in the store when they were read.
    changes: u64,
}

impl Known {
    async fn read(store: &dyn Store) -> dacapo_store::error::Result<Self> {
        // Before what it counts: what comes between is read again the next time.
        let changes = store.search_attribute_changes().await?;
        let mut namespaces: BTreeMap<_, SearchAttributeTypes> = BTreeMap::new();
        for RegisteredAttribute { namespace, name, attribute_type, .. } in
            store.all_search_attributes().await?
        {
            let types = namespaces.entry(namespace).or_default();
            types.insert(name.into(), attribute_type);
        }
        let namespaces = namespaces.into_iter().map(|(name, types)| (name, Arc::new(types)));
        Ok(Self { namespaces: namespaces.collect(), changes })
    }
}

impl RegisteredAttributes {
    /// Reads all of them once.
    pub(crate) async fn load(store: Arc<dyn Store>) -> dacapo_store::error::Result<Self> {
        let known = RwLock::new(Known::read(&*store).await?);
        Ok(Self { store, known, read: SharedRead::new() })
    }

    /// Takes in what has changed in the store, by whichever node. What this read finds is
    /// never older than what is known.
    pub(crate) async fn catch_up(&self) -> Result<()> {
        let read = async || {
            let known = self.known.read().changes;
            if self.store.search_attribute_changes().await? != known {
                let read = Known::read(&*self.store).await?;
                *self.known.write() = read;
            }
            Ok(())
        };
        self.read.after_now(read).await
    }

    /// The types of a namespace, as far as is known.
    pub(crate) fn types(&self, namespace: &NamespaceName) -> Arc<SearchAttributeTypes> {
        self.known.read().namespaces.get(namespace).cloned().unwrap_or_default()
    }

    /// The values that a request gives, with the types that are registered. The types of those
    /// named in `inferred` are not what the request said.
    pub(crate) async fn fit(
        &self,
        namespace: &NamespaceName,
        given: &SearchAttributes,
        inferred: &BTreeSet<String>,
    ) -> Result<SearchAttributes> {
        let fit = || {
            let types = self.types(namespace);
            let values = given.iter().map(|(name, value)| {
                let fitted = fitted(&types, name, value.clone(), inferred.contains(name));
                fitted.map(|value| (name.clone(), value))
            });
            values.collect::<std::result::Result<SearchAttributes, UnfitAttribute>>()
        };
        if let Ok(fitted) = fit() {
            return Ok(fitted);
        }
        self.catch_up().await?;
        fit().map_err(|unfit| refused(namespace, &unfit))
    }

    /// Why a run can't go on with what its code asks for, if it names an attribute that is not
    /// registered, or gives it a value of another type. Only what is new is looked at: what is
    /// recorded stays as it is.
    pub(crate) async fn check(
        &self,
        namespace: &NamespaceName,
        commands: &[Command],
    ) -> Option<Blocked> {
        if commands.iter().all(|command| says(command).is_none()) {
            return None;
        }
        let check = || {
            let types = self.types(namespace);
            commands.iter().flat_map(says).try_for_each(|it| check_changes(&types, &it))
        };
        if check().is_ok() {
            return None;
        }
        // Without an answer of the store, what is known decides: the run can be tried again.
        if let Err(error) = self.catch_up().await {
            tracing::debug!(%error, "search attributes can't be read");
        }
        check().err().map(|unfit| blocked(namespace, &unfit))
    }
}

/// What a command says of the search attributes of this run, the next or a child.
fn says(command: &Command) -> Option<Cow<'_, AttributeChanges>> {
    match command {
        Command::UpsertAttributes(changes) if !changes.search_attributes.is_empty() => {
            Some(Cow::Borrowed(changes))
        }
        Command::Close(Outcome::ContinueAsNew { options, .. })
            if !options.attributes.search_attributes.is_empty() =>
        {
            Some(Cow::Borrowed(&options.attributes))
        }
        Command::StartChild(child) if !child.options.attributes.search_attributes.is_empty() => {
            let said = child.options.attributes.search_attributes.iter();
            let said = said.map(|(name, value)| (name.clone(), Some(value.clone())));
            let search_attributes = said.collect();
            Some(Cow::Owned(AttributeChanges { search_attributes, ..AttributeChanges::default() }))
        }
        _ => None,
    }
}

/// What commands are about, unless they name another namespace.
const COMMANDS_NAMESPACE: &str = "default";

/// What to do about it.
fn remedy(namespace: &NamespaceName, unfit: &UnfitAttribute) -> String {
    match unfit {
        UnfitAttribute::NotRegistered { name, .. } if SearchAttributeName::new(name).is_err() => {
            "the name can't be registered, so give it another one: of letters of ASCII, digits and \
             `_`"
            .to_owned()
        }
        UnfitAttribute::NotRegistered { name, given } => {
            let command = format!("dacapo search-attribute add {name}={given}");
            match namespace.as_str() {
                COMMANDS_NAMESPACE => format!("`{command}` registers it"),
                other => format!("`{command} --namespace {other}` registers it"),
            }
        }
        UnfitAttribute::OutOfCalendar { .. } => "give it a time within them".to_owned(),
        UnfitAttribute::OtherType { registered, .. } => format!(
            "give it a value of the type {registered}, or another name: a registered type does not \
             change"
        ),
    }
}

fn refused(namespace: &NamespaceName, unfit: &UnfitAttribute) -> ServiceError {
    ServiceError::new(
        ErrorCode::SearchAttributeInvalid,
        format!("{unfit}; {}. Nothing was started", remedy(namespace, unfit)),
    )
    .with("search_attribute", unfit.name())
}

fn blocked(namespace: &NamespaceName, unfit: &UnfitAttribute) -> Blocked {
    Blocked {
        code: ErrorCode::SearchAttributeInvalid.as_str().to_owned(),
        message: format!("{unfit}; {}. Then retry the run", remedy(namespace, unfit)),
        backtrace: None,
        nondeterminism: None,
    }
}
