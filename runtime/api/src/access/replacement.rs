//! A start that is to take the place of what is open under its id. That stands in its body,
//! which the guard does not read, so its route asks here for the rest.

use dacapo_service::Runtime;
use dacapo_service::access::Caller;
use dacapo_service::tenancy::{Principal, Tenant};

use super::guard::check;
use super::table::rule_of;
use crate::error::ApiError;

/// Lets through whoever may do `operation`, which is to terminate: that is what the start does
/// to somebody else's work, and what the log says of it. `id` is the workflow's or the
/// activity's.
pub(crate) async fn check_replacement(
    runtime: &Runtime,
    caller: &Caller,
    tenant: &Tenant,
    operation: &'static str,
    id: &str,
) -> Result<(), ApiError> {
    // On a server that asks nobody there is no log.
    if caller.principal == Principal::Local {
        return Ok(());
    }
    let namespace = Some(tenant.namespace());
    check(&caller.principal, rule_of(operation).need, namespace)?;
    let target = format!("to be replaced by a start: {id}");
    let entry = runtime.audit_entry(caller, operation, namespace, &target);
    Ok(runtime.audit(entry).await?)
}
