//! What an activity may see and reach, by the namespace that it is in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dacapo_engine::guest::{ActivityPermissions, ActivityTask};
use dacapo_model::ids::NamespaceName;
use parking_lot::Mutex;

use super::allowed_hosts::AllowedHosts;
use super::secrets::Secrets;
use crate::config::{ActivityConfig, HostError, Secret};

/// Worlds that are kept. Others are made anew.
const KEPT_MAX: usize = 1_000;

/// What an activity may see and reach.
pub(crate) struct World {
    pub(crate) allowed_hosts: Arc<AllowedHosts>,
    pub(crate) secrets: Arc<Secrets>,
    /// Variables, and for each secret the text that stands for it.
    pub(crate) environment: Vec<(String, String)>,
}

/// The world of the server, and those of namespaces that have less of it, or secrets of their
/// own.
pub(crate) struct Worlds {
    config: ActivityConfig,
    usual: Arc<World>,
    kept: Mutex<HashMap<NamespaceName, Kept>>,
}

/// A world, and the permissions that it was made for.
type Kept = (Arc<ActivityPermissions>, Arc<World>);

impl Worlds {
    /// Checks the configuration, of all namespaces.
    pub(super) fn new(config: ActivityConfig) -> Result<Self, HostError> {
        let allowed_hosts = AllowedHosts::parse(&config.allowed_hosts)?;
        let usual = Arc::new(world(&config, allowed_hosts, config.secrets.clone())?);
        for namespace in config.namespace_secrets.keys() {
            let secrets = secrets_of(&config, namespace, None);
            world(&config, (*usual.allowed_hosts).clone(), secrets)?;
        }
        Ok(Self { config, usual, kept: Mutex::default() })
    }

    /// The world of an attempt.
    pub(super) fn of(&self, task: &ActivityTask) -> Result<Arc<World>, HostError> {
        let (namespace, permissions) = (&task.run.namespace, &task.permissions);
        let has_own = self.config.namespace_secrets.contains_key(namespace);
        if !has_own && **permissions == ActivityPermissions::default() {
            return Ok(self.usual.clone());
        }
        if let Some((of, world)) = self.kept.lock().get(namespace)
            && of == permissions
        {
            return Ok(world.clone());
        }
        let made = Arc::new(self.make(namespace, permissions)?);
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(namespace.clone(), (permissions.clone(), made.clone()));
        Ok(made)
    }

    fn make(
        &self,
        namespace: &NamespaceName,
        permissions: &ActivityPermissions,
    ) -> Result<World, HostError> {
        let allowed_hosts = match &permissions.allowed_hosts {
            Some(hosts) => self.usual.allowed_hosts.within(hosts)?,
            None => (*self.usual.allowed_hosts).clone(),
        };
        let secrets = secrets_of(&self.config, namespace, permissions.secrets.as_deref());
        world(&self.config, allowed_hosts, secrets)
    }
}

/// Those of the server, with those of the namespace in their place where it has its own; only
/// the ones that are named.
fn secrets_of(
    config: &ActivityConfig,
    namespace: &NamespaceName,
    named: Option<&[String]>,
) -> BTreeMap<String, Secret> {
    let mut secrets = config.secrets.clone();
    secrets.extend(config.namespace_secrets.get(namespace).cloned().unwrap_or_default());
    if let Some(named) = named {
        secrets.retain(|name, _| named.contains(name));
    }
    secrets
}

fn world(
    config: &ActivityConfig,
    allowed_hosts: AllowedHosts,
    secrets: BTreeMap<String, Secret>,
) -> Result<World, HostError> {
    let secrets = Arc::new(Secrets::new(secrets)?);
    if let Some(name) = secrets.names().find(|name| config.environment.contains_key(*name)) {
        return Err(HostError::setting(
            "activities.secrets",
            format!("`{name}` is in `activities.environment` as well: rename one of them"),
        ));
    }
    let environment = config.environment.clone().into_iter().chain(secrets.placeholders());
    let environment = environment.collect();
    Ok(World { allowed_hosts: Arc::new(allowed_hosts), secrets, environment })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dacapo_engine::guest::RunContext;
    use dacapo_model::ids::{OperationId, RunId, TypeName, WorkflowId};
    use dacapo_model::module::ModuleDigest;
    use dacapo_model::payload::Payload;
    use dacapo_model::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn secret(value: &str) -> Secret {
        let (hosts, headers) = (vec!["*".to_owned()], vec!["authorization".to_owned()]);
        Secret { value: value.to_owned(), hosts, headers }
    }

    fn namespace(name: &str) -> NamespaceName {
        NamespaceName::new(name).expect("valid")
    }

    fn worlds() -> Worlds {
        let of = |name: &str, value: &str| (name.to_owned(), secret(value));
        let own = BTreeMap::from([of("KEY", "of-the-shop"), of("OWN", "only-there")]);
        let config = ActivityConfig {
            allowed_hosts: vec!["*.example.com".to_owned()],
            environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            secrets: BTreeMap::from([of("KEY", "of-the-server"), of("OTHER", "of-all")]),
            namespace_secrets: BTreeMap::from([(namespace("shop"), own)]),
        };
        Worlds::new(config).expect("valid")
    }

    fn task(name: &str, permissions: ActivityPermissions) -> ActivityTask {
        let run = RunContext {
            namespace: namespace(name),
            workflow_id: WorkflowId::new("order-17").expect("valid"),
            run_id: RunId(Uuid::nil()),
            module_digest: ModuleDigest::of(b""),
            trace: None,
        };
        ActivityTask {
            run: Arc::new(run),
            module_digest: ModuleDigest::of(b""),
            activity_type: TypeName::new("a").expect("valid"),
            input: Payload::new("null"),
            operation_id: OperationId(1),
            attempt: 1,
            timeout: Duration::from_secs(1),
            deadline: Timestamp::default(),
            heartbeat_details: None,
            trace: None,
            permissions: Arc::new(permissions),
        }
    }

    fn names(world: &World) -> Vec<&str> {
        world.secrets.names().collect()
    }

    #[test]
    fn a_namespace_has_the_secrets_that_it_may_and_its_own_instead_of_the_servers() {
        let worlds = worlds();
        let of = |name: &str, secrets: Option<&[&str]>| {
            let secrets = secrets.map(|it| it.iter().map(|&name| name.to_owned()).collect());
            let permissions = ActivityPermissions { secrets, ..ActivityPermissions::default() };
            worlds.of(&task(name, permissions)).expect("valid")
        };
        assert_eq!(names(&of("default", None)), ["KEY", "OTHER"]);
        assert_eq!(names(&of("other", Some(&["OTHER", "OWN"]))), ["OTHER"]);
        assert_eq!(names(&of("other", Some(&[]))), [""; 0]);
        assert_eq!(names(&of("shop", None)), ["KEY", "OTHER", "OWN"]);
        assert_eq!(names(&of("shop", Some(&["OWN"]))), ["OWN"]);
        let mut text = "of-the-shop of-the-server".to_owned();
        of("shop", None).secrets.redaction().text(&mut text);
        assert_eq!(text, "dacapo-secret:KEY of-the-server", "it has only its own");
        let environment = &of("other", Some(&[])).environment;
        assert_eq!(*environment, [("A".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn a_change_of_permissions_holds_for_the_next_attempt() {
        let worlds = worlds();
        let of = |hosts: &[&str]| {
            let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
            let permissions = ActivityPermissions {
                allowed_hosts: Some(hosts),
                ..ActivityPermissions::default()
            };
            worlds.of(&task("other", permissions)).expect("valid")
        };
        let first = of(&["api.example.com"]);
        assert!(first.allowed_hosts.allow("api.example.com", 443));
        assert!(Arc::ptr_eq(&first, &of(&["api.example.com"])), "it is made once");
        assert!(!of(&[]).allowed_hosts.allow("api.example.com", 443));
    }

    #[test]
    fn what_is_wrong_with_secrets_of_a_namespace_is_said_at_the_start() {
        let short = BTreeMap::from([("KEY".to_owned(), secret("abc"))]);
        let config = ActivityConfig {
            namespace_secrets: BTreeMap::from([(namespace("shop"), short)]),
            ..ActivityConfig::default()
        };
        let Err(error) = Worlds::new(config) else { panic!("it is too short") };
        assert!(error.to_string().contains("too short"), "{error}");
    }
}
