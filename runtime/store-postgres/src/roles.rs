//! Roles of the database with no more rights than they need.

use dacapo_store::error::Result;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::error::unavailable;

const ROLES: &str = include_str!("roles.sql");

/// Whether the roles were made for this database, and lack a right that the owner of its
/// tables, who asks, can give: somebody has migrated it and died before the end.
const ARE_BEHIND: &str = "\
    SELECT EXISTS (
        SELECT
        FROM pg_roles AS role
        JOIN pg_class AS runs ON runs.oid = to_regclass('workflow_executions')
        JOIN pg_class AS other USING (relnamespace, relowner)
        WHERE role.rolname = 'dacapo_app'
          AND has_table_privilege(role.oid, runs.oid, 'INSERT')
          AND pg_has_role(runs.relowner, 'USAGE')
          AND other.relkind IN ('r', 'v')
          AND NOT has_table_privilege(role.oid, other.oid, 'SELECT')
    )";

/// Makes the roles if they are missing, and gives them their rights in this database.
/// Whoever connects owns the tables.
pub(crate) async fn make(options: &PgConnectOptions) -> Result<()> {
    let mut connection = PgConnection::connect_with(options).await.map_err(unavailable)?;
    grant(&mut connection).await.map_err(unavailable)?;
    connection.close().await.map_err(unavailable)
}

/// Gives them their rights in what migrations have added, if they are there.
pub(crate) async fn renew(connection: &mut PgConnection) -> sqlx::Result<()> {
    if sqlx::query_scalar::<_, bool>(ARE_BEHIND).fetch_one(&mut *connection).await? {
        grant(connection).await?;
    }
    Ok(())
}

async fn grant(connection: &mut PgConnection) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    transaction.execute(ROLES).await?;
    transaction.commit().await
}
