//! What the claims of a token are worth.

use dacapo_model::access::{Grant, Grants, InvalidGrants, Role};
use dacapo_model::ids::NamespaceName;
use serde_json::Value;

use super::config::OidcConfig;

/// The roles of whoever has these claims; none if they give none.
pub(super) fn grants(config: &OidcConfig, claims: &Value) -> Result<Option<Grants>, InvalidGrants> {
    let permissions = texts(claims, &config.permissions_claim).into_iter().filter_map(permission);
    let mapped = config
        .mappings
        .iter()
        .filter(|mapping| texts(claims, &mapping.claim).iter().any(|text| *text == mapping.value));
    let mapped = mapped.flat_map(|mapping| mapping.roles.iter().cloned());
    match Grants::new(permissions.chain(mapped)) {
        Ok(grants) => Ok(Some(grants)),
        Err(InvalidGrants::None) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `shop:operator`, or `*:operator` for all namespaces. What is written otherwise is a
/// permission of another program.
fn permission(text: &str) -> Option<Grant> {
    let (place, role) = text.split_once(':')?;
    let role: Role = role.parse().ok()?;
    let namespace = match place {
        "*" => None,
        name => Some(NamespaceName::new(name).ok()?),
    };
    Some(Grant { namespace, role })
}

/// The texts of a claim: a list, or one text, or several with spaces between them, as of
/// `scope`.
fn texts<'a>(claims: &'a Value, claim: &str) -> Vec<&'a str> {
    let found = match claim.starts_with('/') {
        true => claims.pointer(claim),
        false => claims.get(claim),
    };
    match found {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => text.split(' ').chain([text.as_str()]).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::oidc::config::RoleMapping;

    fn config(mappings: &[(&str, &str, &[&str])]) -> OidcConfig {
        let mut config = OidcConfig::new("https://login.example".to_owned(), "d".to_owned());
        config.mappings = mappings
            .iter()
            .map(|(claim, value, roles)| RoleMapping {
                claim: (*claim).to_owned(),
                value: (*value).to_owned(),
                roles: roles.iter().map(|text| text.parse().expect("a grant")).collect(),
            })
            .collect();
        config
    }

    fn roles(config: &OidcConfig, claims: &Value) -> Vec<String> {
        let grants = grants(config, claims).expect("not too many");
        grants.iter().flat_map(Grants::iter).map(ToString::to_string).collect()
    }

    #[test]
    fn permissions_name_a_namespace_and_a_role_and_those_of_others_are_left_alone() {
        let of = |permissions: Value| roles(&config(&[]), &json!({"permissions": permissions}));
        let some = json!(["shop:operator", "*:reader", "read:messages", "shop", 7, "a b:reader"]);
        assert_eq!(of(some), ["reader", "operator@shop"]);
        assert_eq!(of(json!("shop:worker shop:reader")), ["reader@shop", "worker@shop"]);
        assert_eq!(of(json!({"shop": "admin"})), [""; 0]);
        assert_eq!(roles(&config(&[]), &json!({})), [""; 0]);
    }

    #[test]
    fn a_claim_that_is_mapped_gives_its_roles() {
        let config = config(&[
            ("groups", "shop ops", &["operator@shop", "reader"]),
            ("/realm_access/roles", "root", &["admin"]),
            ("https://example.com/team", "shop", &["worker@shop"]),
        ]);
        assert_eq!(roles(&config, &json!({"groups": ["shop ops"]})), ["reader", "operator@shop"]);
        assert_eq!(roles(&config, &json!({"groups": "shop ops"})), ["reader", "operator@shop"]);
        assert_eq!(roles(&config, &json!({"groups": ["shop"]})), [""; 0]);
        assert_eq!(roles(&config, &json!({"realm_access": {"roles": ["root"]}})), ["admin"]);
        assert_eq!(roles(&config, &json!({"https://example.com/team": "shop"})), ["worker@shop"]);
    }

    #[test]
    fn a_token_with_too_many_roles_is_refused_as_a_whole() {
        let many: Vec<_> = (0..101).map(|number| format!("n{number}:reader")).collect();
        assert!(grants(&config(&[]), &json!({ "permissions": many })).is_err());
    }
}
