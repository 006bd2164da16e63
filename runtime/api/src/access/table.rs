//! The table of what each route needs. A route that is not here needs the role admin of all
//! namespaces, and fails a test.

use std::collections::HashMap;

use axum::http::Method;
use dacapo_model::access::Permission;
use dacapo_model::access::Permission::{Administer, Deploy, Operate, Read, Use, Work};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};

use self::Audited::{Before, No, Together};

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: everybody may have it.
    Nothing,
    /// A valid key, whatever it permits.
    Key,
    /// This permission in the namespace of the path.
    Namespace(Permission),
    /// This permission in any namespace. The operation looks further.
    Anywhere(Permission),
    /// This permission in all namespaces.
    Everywhere(Permission),
}

/// What the audit log says of a request that is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audited {
    /// Nothing.
    No,
    /// That it was asked for, written before it is done: it may have been refused afterwards,
    /// or have failed.
    Before,
    /// That it was done, in one commit with it.
    Together,
}

/// A row: what a route needs, and what the audit log says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRule {
    /// The operation, as the description of the API names it.
    pub operation: &'static str,
    /// What it needs.
    pub need: Need,
    /// What the log says of it.
    pub audited: Audited,
}

const fn free(operation: &'static str) -> AccessRule {
    AccessRule { operation, need: Need::Nothing, audited: No }
}

const fn in_namespace(permission: Permission, operation: &'static str) -> AccessRule {
    AccessRule { operation, need: Need::Namespace(permission), audited: No }
}

/// Changes which code there is, or touches what others have started.
const fn audited(permission: Permission, operation: &'static str) -> AccessRule {
    AccessRule { operation, need: Need::Namespace(permission), audited: Before }
}

const RULES: &[AccessRule] = &[
    // What a load balancer asks, and what is in the documentation.
    free("check_live"),
    free("check_ready"),
    free("get_openapi"),
    // Values of all namespaces together.
    AccessRule { operation: "read_metrics", need: Need::Everywhere(Read), audited: No },
    // Modules.
    in_namespace(Read, "list_modules"),
    in_namespace(Read, "show_module"),
    audited(Deploy, "upload_module"),
    audited(Deploy, "delete_module"),
    // Reads histories, and changes nothing.
    in_namespace(Read, "replay_runs"),
    // Runs.
    in_namespace(Read, "list_runs"),
    in_namespace(Read, "count_runs"),
    in_namespace(Read, "describe_run"),
    in_namespace(Read, "get_run_result"),
    in_namespace(Read, "get_run_history"),
    in_namespace(Read, "get_run_waiting"),
    in_namespace(Read, "query_run"),
    in_namespace(Read, "get_update"),
    in_namespace(Use, "start_run"),
    in_namespace(Use, "signal_run"),
    in_namespace(Use, "update_run"),
    audited(Use, "cancel_run"),
    audited(Operate, "terminate_run"),
    audited(Operate, "tag_run"),
    audited(Operate, "retry_run"),
    audited(Operate, "reset_run"),
    audited(Operate, "move_run"),
    audited(Operate, "delete_run"),
    // Activities of runs, by people.
    in_namespace(Use, "complete_activity"),
    in_namespace(Use, "fail_activity"),
    in_namespace(Use, "cancel_activity"),
    in_namespace(Use, "heartbeat_activity"),
    audited(Operate, "pause_activity"),
    audited(Operate, "unpause_activity"),
    audited(Operate, "reset_activity"),
    // Activities, by workers.
    in_namespace(Work, "poll_tasks"),
    in_namespace(Work, "complete_activity_by_token"),
    in_namespace(Work, "fail_activity_by_token"),
    in_namespace(Work, "cancel_activity_by_token"),
    in_namespace(Work, "heartbeat_activity_by_token"),
    in_namespace(Work, "heartbeat_tasks"),
    in_namespace(Work, "report_tasks"),
    // Activities without a workflow.
    in_namespace(Read, "list_activities"),
    in_namespace(Read, "describe_activity"),
    in_namespace(Read, "get_activity_result"),
    in_namespace(Use, "start_activity"),
    in_namespace(Use, "complete_activity_by_id"),
    in_namespace(Use, "fail_activity_by_id"),
    audited(Use, "request_cancel_activity"),
    audited(Operate, "terminate_activity"),
    // Schedules.
    in_namespace(Read, "list_schedules"),
    in_namespace(Read, "describe_schedule"),
    in_namespace(Read, "list_schedule_times"),
    audited(Use, "create_schedule"),
    audited(Use, "update_schedule"),
    audited(Use, "delete_schedule"),
    audited(Use, "pause_schedule"),
    audited(Use, "resume_schedule"),
    audited(Use, "trigger_schedule"),
    audited(Use, "backfill_schedule"),
    // Task queues.
    in_namespace(Read, "list_task_queues"),
    in_namespace(Read, "describe_task_queue"),
    audited(Operate, "change_task_queue"),
    // Search attributes.
    in_namespace(Read, "list_search_attributes"),
    audited(Deploy, "register_search_attribute"),
    audited(Deploy, "remove_search_attribute"),
    // Batches.
    in_namespace(Read, "list_batches"),
    in_namespace(Read, "describe_batch"),
    audited(Operate, "start_batch"),
    audited(Operate, "pause_batch"),
    audited(Operate, "resume_batch"),
    audited(Operate, "stop_batch"),
    // Namespaces. The list names all of them.
    AccessRule { operation: "list_namespaces", need: Need::Everywhere(Read), audited: No },
    AccessRule {
        operation: "create_namespace",
        need: Need::Everywhere(Administer),
        audited: Before,
    },
    in_namespace(Read, "describe_namespace"),
    // Limits, hosts and secrets of a tenant are set by whoever runs the server.
    AccessRule {
        operation: "change_namespace",
        need: Need::Everywhere(Administer),
        audited: Before,
    },
    AccessRule {
        operation: "delete_namespace",
        need: Need::Everywhere(Administer),
        audited: Before,
    },
    // Keys.
    AccessRule { operation: "create_api_key", need: Need::Anywhere(Administer), audited: Together },
    AccessRule { operation: "list_api_keys", need: Need::Anywhere(Administer), audited: No },
    AccessRule { operation: "revoke_api_key", need: Need::Anywhere(Administer), audited: Together },
    AccessRule { operation: "list_audit", need: Need::Everywhere(Administer), audited: No },
];

/// Of a route without a row.
const UNKNOWN: AccessRule =
    AccessRule { operation: "unknown", need: Need::Everywhere(Administer), audited: Before };

/// The row of an operation, by its name in the description of the API.
pub(crate) fn rule_of(operation: &str) -> AccessRule {
    RULES.iter().find(|rule| rule.operation == operation).copied().unwrap_or(UNKNOWN)
}

/// The table.
pub fn access_rules() -> &'static [AccessRule] {
    RULES
}

/// The rules of the routes that a document describes, by method and path.
pub(super) fn by_route(document: &OpenApi) -> HashMap<(Method, String), AccessRule> {
    let paths = document.paths.paths.iter();
    paths
        .flat_map(|(path, item)| operations(item).map(move |it| (path, it)))
        .map(|(path, (method, operation))| {
            let id = operation.operation_id.as_deref().unwrap_or_default();
            ((method, path.clone()), rule_of(id))
        })
        .collect()
}

/// The operations of a path.
fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let all = [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::DELETE, &item.delete),
        (Method::PATCH, &item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use dacapo_model::access::Role;

    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/access.md");
    const BEGIN: &str = "<!-- The table is made from the code: DACAPO_WRITE_OPENAPI=1 cargo test -p dacapo-api --lib access -->\n";
    const END: &str = "<!-- End of the table. -->\n";

    #[test]
    fn every_route_has_a_row_and_every_row_a_route() {
        let document = crate::openapi();
        let routes: BTreeSet<String> = document
            .paths
            .paths
            .values()
            .flat_map(operations)
            .map(|(_, operation)| operation.operation_id.clone().expect("an operation id"))
            .collect();
        let rows: BTreeSet<String> = RULES.iter().map(|rule| rule.operation.to_owned()).collect();
        assert_eq!(rows.len(), RULES.len(), "an operation has two rows");
        assert_eq!(rows, routes, "runtime/api/src/access/table.rs needs a row for each route");
    }

    #[test]
    fn whoever_needs_a_namespace_has_one_in_the_path() {
        for ((_, path), rule) in by_route(&crate::openapi()) {
            let has_namespace = path.starts_with("/api/v1/namespaces/{namespace}");
            let needs_one = matches!(rule.need, Need::Namespace(_));
            let needs_all = matches!(rule.need, Need::Everywhere(_));
            assert!(if has_namespace { needs_one || needs_all } else { !needs_one }, "{path}");
        }
    }

    #[test]
    fn the_page_has_the_table() {
        let mut lines = String::from(BEGIN);
        lines += "\n| route | needs | roles | audited |\n|---|---|---|---|\n";
        let mut routes: Vec<_> = by_route(&crate::openapi()).into_iter().collect();
        routes.sort_by_key(|((method, path), _)| (path.clone(), method.to_string()));
        for ((method, path), rule) in routes {
            let (permission, place) = match rule.need {
                Need::Nothing | Need::Key => (None, ""),
                Need::Namespace(permission) => (Some(permission), ""),
                Need::Anywhere(permission) => (Some(permission), ", in any namespace"),
                Need::Everywhere(permission) => (Some(permission), ", in all namespaces"),
            };
            let roles =
                Role::ALL.into_iter().filter(|role| permission.is_some_and(|it| role.permits(it)));
            let roles: Vec<&str> = roles.map(Role::as_str).collect();
            let roles =
                if permission.is_none() { "everybody".to_owned() } else { roles.join(", ") };
            let need = permission.map_or("nothing", Permission::as_str);
            let audited = match rule.audited {
                No => "",
                Before => "before",
                Together => "together",
            };
            let path = path.replace("/api/v1/namespaces/{namespace}", "…");
            writeln!(lines, "| `{method} {path}` | {need}{place} | {roles} | {audited} |")
                .expect("a string");
        }
        lines.push('\n');
        let page = std::fs::read_to_string(PAGE).expect("the page is there");
        let (before, rest) = page.split_once(BEGIN).expect("the page has the table");
        let (_, after) = rest.split_once(END).expect("the table has an end");
        let made = format!("{before}{lines}{END}{after}");
        if std::env::var_os("DACAPO_WRITE_OPENAPI").is_some() {
            std::fs::write(PAGE, &made).expect("the page can be written");
        }
        assert!(
            page == made || std::env::var_os("DACAPO_WRITE_OPENAPI").is_some(),
            "docs/access.md has another table"
        );
    }
}
