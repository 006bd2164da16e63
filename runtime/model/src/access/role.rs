//! Roles, and the one table of what each permits.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::NamespaceName;

/// Grants that one principal may have.
const GRANTS_MAX: usize = 100;

/// A kind of request. Each route needs one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Permission {
    /// Look at runs, histories, modules, queues; ask runs with queries.
    Read,
    /// Take tasks from queues and report their outcomes.
    Work,
    /// Start runs and talk to them: signals, updates, cancellation, activities by their id.
    Use,
    /// Change which code there is, and what it may be found by.
    Deploy,
    /// Intervene: terminate, delete, reset and move runs, batches, settings of queues.
    Operate,
    /// Say who may do what, and look who did.
    Administer,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Work, Self::Use, Self::Deploy, Self::Operate, Self::Administer];

    /// As documentation and messages say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Work => "work",
            Self::Use => "use",
            Self::Deploy => "deploy",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }
}

/// What somebody is in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Reader,
    /// Does activities.
    Worker,
    /// Writes the code and uses it.
    Developer,
    /// Keeps it running.
    Operator,
    /// May do everything.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Reader, Self::Worker, Self::Developer, Self::Operator, Self::Admin];

    /// As requests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Worker => "worker",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The table: what a role permits.
    pub fn permits(self, permission: Permission) -> bool {
        match self {
            Self::Reader => matches!(permission, Permission::Read),
            Self::Worker => matches!(permission, Permission::Work),
            Self::Developer => {
                matches!(permission, Permission::Read | Permission::Use | Permission::Deploy)
            }
            Self::Operator => {
                matches!(permission, Permission::Read | Permission::Use | Permission::Operate)
            }
            Self::Admin => true,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No role is called so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; the roles are reader, worker, developer, operator and admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A role, in one namespace or in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Where; none for all namespaces, also those that are yet to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<NamespaceName>,
    /// What.
    pub role: Role,
}

impl Grant {
    /// Whether it permits something in a namespace, or in all of them.
    fn permits(&self, permission: Permission, namespace: Option<&NamespaceName>) -> bool {
        let is_there = self.namespace.is_none() || self.namespace.as_ref() == namespace;
        is_there && self.role.permits(permission)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}@{namespace}", self.role),
            None => write!(f, "{}", self.role),
        }
    }
}

/// `reader` is the role everywhere, `reader@default` in one namespace.
impl FromStr for Grant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, namespace) = match text.split_once('@') {
            Some((role, namespace)) => (role, Some(namespace)),
            None => (text, None),
        };
        let namespace = namespace.map(NamespaceName::new).transpose();
        let namespace = namespace.map_err(|error| error.to_string())?;
        Ok(Self { role: role.parse().map_err(|error: UnknownRole| error.to_string())?, namespace })
    }
}

/// Why grants are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrants {
    /// Whoever may do nothing needs no key.
    #[error("at least one role has to be granted")]
    None,
    /// More than anybody needs.
    #[error("there are {0} grants; at most {GRANTS_MAX} are allowed")]
    TooMany(usize),
}

/// All that somebody may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(BTreeSet<Grant>);

impl Grants {
    /// Checks their number.
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Result<Self, InvalidGrants> {
        let grants: BTreeSet<Grant> = grants.into_iter().collect();
        match grants.len() {
            0 => Err(InvalidGrants::None),
            1..=GRANTS_MAX => Ok(Self(grants)),
            count => Err(InvalidGrants::TooMany(count)),
        }
    }

    /// Those that are left once a namespace is gone; none if they were for nothing else.
    pub fn without(&self, namespace: &NamespaceName) -> Option<Self> {
        let is_left = |grant: &&Grant| grant.namespace.as_ref() != Some(namespace);
        Self::new(self.0.iter().filter(is_left).cloned()).ok()
    }

    /// The namespaces that they name, some perhaps more than once.
    pub fn namespaces(&self) -> impl Iterator<Item = &NamespaceName> {
        self.0.iter().filter_map(|grant| grant.namespace.as_ref())
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// Whether they permit something in a namespace; without one, in all of them.
    pub fn permit(&self, permission: Permission, namespace: Option<&NamespaceName>) -> bool {
        self.0.iter().any(|grant| grant.permits(permission, namespace))
    }

    /// Whether they permit something in any namespace at all.
    pub fn permit_somewhere(&self, permission: Permission) -> bool {
        self.0.iter().any(|grant| grant.role.permits(permission))
    }

    /// Whether whoever has these may say what somebody with `others` may do.
    pub fn administer(&self, others: &Self) -> bool {
        let mut others = others.0.iter();
        others.all(|other| self.permit(Permission::Administer, other.namespace.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| text.parse().expect("a grant"))).expect("valid")
    }

    fn namespace(name: &str) -> NamespaceName {
        NamespaceName::new(name).expect("valid")
    }

    #[test]
    fn every_permission_has_a_role_besides_admin_except_to_administer() {
        for permission in Permission::ALL {
            let roles: Vec<Role> =
                Role::ALL.into_iter().filter(|role| role.permits(permission)).collect();
            assert!(roles.contains(&Role::Admin), "{permission:?}");
            assert_eq!(roles.len() == 1, permission == Permission::Administer, "{permission:?}");
        }
    }

    #[test]
    fn a_grant_of_a_namespace_permits_nothing_elsewhere() {
        let some = grants(&["reader@a", "operator@b"]);
        let (a, b, c) = (namespace("a"), namespace("b"), namespace("c"));
        assert!(some.permit(Permission::Read, Some(&a)));
        assert!(!some.permit(Permission::Operate, Some(&a)));
        assert!(some.permit(Permission::Operate, Some(&b)));
        assert!(!some.permit(Permission::Read, Some(&c)));
        assert!(!some.permit(Permission::Read, None), "not in all of them");
        assert!(some.permit_somewhere(Permission::Operate));
        assert!(!some.permit_somewhere(Permission::Administer));
        assert!(grants(&["reader"]).permit(Permission::Read, Some(&c)));
    }

    #[test]
    fn nobody_gives_away_more_than_they_administer() {
        let of_a = grants(&["admin@a"]);
        assert!(of_a.administer(&grants(&["admin@a", "worker@a"])));
        assert!(!of_a.administer(&grants(&["reader@a", "reader@b"])));
        assert!(!of_a.administer(&grants(&["reader"])));
        assert!(!grants(&["operator"]).administer(&grants(&["reader@a"])));
        assert!(grants(&["admin"]).administer(&grants(&["admin", "reader@b"])));
    }

    #[test]
    fn grants_are_written_as_they_are_read() {
        for text in ["reader", "worker@payments", "admin"] {
            assert_eq!(text.parse::<Grant>().expect("valid").to_string(), text);
        }
        for text in ["", "reader@", "owner", "reader@a b", "reader@a@b"] {
            assert!(text.parse::<Grant>().is_err(), "{text}");
        }
        let json = serde_json::to_value(grants(&["reader@a", "admin"])).expect("JSON");
        let expected = serde_json::json!([{"role": "admin"}, {"namespace": "a", "role": "reader"}]);
        assert_eq!(json, expected);
        assert_eq!(
            serde_json::from_value::<Grants>(json).expect("valid"),
            grants(&["admin", "reader@a"])
        );
    }

    #[test]
    fn there_is_at_least_one_grant_and_not_too_many() {
        assert_eq!(Grants::new([]), Err(InvalidGrants::None));
        let many = |count| {
            (0..count)
                .map(|n| Grant { namespace: Some(namespace(&format!("n{n}"))), role: Role::Reader })
        };
        assert!(Grants::new(many(100)).is_ok());
        assert_eq!(Grants::new(many(101)), Err(InvalidGrants::TooMany(101)));
    }
}
