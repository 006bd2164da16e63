//! Values that must not be shown, and where they may go.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Result, bail};
use dacapo_host::Secret;
use dacapo_model::ids::NamespaceName;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::NameValue;
use crate::exit::UsageError;

/// Where keys are expected unless a secret says otherwise.
const DEFAULT_HEADER: &str = "authorization";

/// Secrets by name. Shown without their values.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Secrets(BTreeMap<String, FileSecret>);

/// What the layers have said of one so far.
#[derive(Clone, Default)]
struct FileSecret {
    value: Option<String>,
    hosts: Vec<String>,
    headers: Option<Vec<String>>,
}

impl Secrets {
    /// Whether a value is there.
    pub(super) fn has_values(&self) -> bool {
        self.0.values().any(|secret| secret.value.is_some())
    }

    /// A value from a layer above.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.entry(name.to_owned()).or_default().value = Some(value);
    }

    /// One more host from a layer above.
    pub(super) fn bind(&mut self, binding: NameValue) {
        self.0.entry(binding.name).or_default().hosts.push(binding.value);
    }

    /// All of them, if each has a value and a place to go to.
    pub(super) fn complete(&self) -> Result<BTreeMap<String, Secret>> {
        self.complete_in("activities", |name| {
            [format!("DACAPO_SECRET_{name}, or "), format!("--bind-secret {name}=HOST, or ")]
        })
    }

    /// The same of those of a namespace, which only the file can name.
    pub(super) fn complete_of(
        &self,
        namespace: &NamespaceName,
    ) -> Result<BTreeMap<String, Secret>> {
        self.complete_in(&format!("namespaces.{namespace}"), |_| [String::new(), String::new()])
    }

    fn complete_in(
        &self,
        table: &str,
        elsewhere: impl Fn(&str) -> [String; 2],
    ) -> Result<BTreeMap<String, Secret>> {
        let mut complete = BTreeMap::new();
        for (name, FileSecret { value, hosts, headers }) in &self.0 {
            let Some(value) = value.clone() else {
                bail!(UsageError(format!(
                    "the secret {name} has no value: set {}`value` in [{table}.secrets.{name}]",
                    elsewhere(name)[0]
                )));
            };
            if hosts.is_empty() {
                bail!(UsageError(format!(
                    "the secret {name} is for no host: set {}`hosts` in [{table}.secrets.{name}]",
                    elsewhere(name)[1]
                )));
            }
            let headers = headers.clone().unwrap_or_else(|| vec![DEFAULT_HEADER.to_owned()]);
            complete.insert(name.clone(), Secret { value, hosts: hosts.clone(), headers });
        }
        Ok(complete)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A value alone, or a table.
impl<'de> Deserialize<'de> for FileSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = FileSecret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with `value`, `hosts` and `headers`")
    }

    fn visit_str<E>(self, value: &str) -> Result<FileSecret, E> {
        Ok(FileSecret { value: Some(value.to_owned()), ..FileSecret::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileSecret, A::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Table {
            value: Option<String>,
            hosts: Vec<String>,
            headers: Option<Vec<String>>,
        }
        let Table { value, hosts, headers } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(FileSecret { value, hosts, headers })
    }
}
