//! What the roles of a database may do, and what not.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

mod support;

/// Those of a table that somebody adds and forgets to give to servers.
#[tokio::test]
async fn servers_may_read_each_table_and_write_into_all_but_views() {
    support::on_a_fresh_database(|store, url| async move {
        store.make_roles().await.expect("makes the roles");
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let missing = "SELECT relname::text
                         FROM pg_class
                        WHERE relnamespace = current_schema()::regnamespace
                          AND relkind IN ('r', 'v')
                          AND NOT (
                              has_table_privilege('dacapo_app', oid, 'SELECT')
                              AND has_any_column_privilege('dacapo_readonly', oid, 'SELECT')
                              AND (
                                  relkind = 'v'
                                  OR relname = '_sqlx_migrations'
                                  OR has_table_privilege('dacapo_app', oid, 'INSERT, UPDATE')
                              )
                          )";
        let missing: Vec<String> =
            sqlx::query_scalar(missing).fetch_all(&mut connection).await.expect("answers");
        assert_eq!(missing, Vec::<String>::new(), "name it in src/roles.sql");
    })
    .await;
}

#[tokio::test]
async fn servers_do_not_change_events_nor_tables() {
    as_role("dacapo_app", &["history_events", "module_contents", "modules"], "UPDATE").await;
}

#[tokio::test]
async fn readers_see_runs_and_no_hashes_and_change_nothing() {
    as_role("dacapo_readonly", &["api_keys"], "SELECT").await;
    let tables = ["workflow_executions", "history_events", "task_queues", "api_keys"];
    for right in ["INSERT", "UPDATE", "DELETE"] {
        as_role("dacapo_readonly", &tables, right).await;
    }
}

/// A role without this right in these tables, as PostgreSQL itself says.
async fn as_role(role: &'static str, tables: &[&'static str], right: &'static str) {
    let tables = tables.to_vec();
    support::on_a_fresh_database(move |store, url| async move {
        store.make_roles().await.expect("makes the roles");
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        connection.execute(AssertSqlSafe(format!("SET ROLE {role}"))).await.expect("is made");
        for table in tables {
            let statement = match right {
                "SELECT" => format!("SELECT * FROM {table}"),
                "INSERT" => format!("INSERT INTO {table} DEFAULT VALUES"),
                "UPDATE" => {
                    format!("UPDATE {table} SET {}", first_column(&mut connection, table).await)
                }
                _ => format!("DELETE FROM {table}"),
            };
            let refused = connection.execute(AssertSqlSafe(statement.clone())).await;
            let refused = refused.expect_err(&statement);
            let code = refused.as_database_error().and_then(|error| error.code().map(Into::into));
            assert_eq!(code, Some("42501".to_owned()), "{statement}: {refused}");
        }
        let alter = connection.execute("ALTER TABLE workflow_tags ADD COLUMN mine integer").await;
        assert!(alter.is_err(), "{role} changes no tables");
    })
    .await;
}

/// `column = column`.
async fn first_column(connection: &mut PgConnection, table: &str) -> String {
    let name = "SELECT attname::text FROM pg_attribute
                WHERE attrelid = $1::text::regclass AND attnum = 1";
    let name: String =
        sqlx::query_scalar(name).bind(table).fetch_one(connection).await.expect("has one");
    format!("{name} = {name}")
}

/// As by a process that was killed in between.
#[tokio::test]
async fn the_next_migration_gives_rights_that_an_interrupted_one_did_not() {
    support::on_a_fresh_database(|store, url| async move {
        store.make_roles().await.expect("makes the roles");
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let revoke = "REVOKE ALL ON workflow_tags FROM dacapo_app";
        connection.execute(revoke).await.expect("is the owner");
        store.migrate().await.expect("is up to date");
        let may = "SELECT has_table_privilege('dacapo_app', 'workflow_tags', 'INSERT')";
        assert!(connection.fetch_one(may).await.expect("answers").get::<bool, _>(0));
    })
    .await;
}

/// Nobody has asked for them there.
#[tokio::test]
async fn a_migration_makes_no_roles_by_itself() {
    support::on_a_fresh_database(|_, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let may = "SELECT EXISTS (
                       SELECT FROM pg_roles
                       WHERE rolname = 'dacapo_app'
                         AND has_table_privilege(oid, 'workflow_executions', 'SELECT')
                   )";
        assert!(!connection.fetch_one(may).await.expect("answers").get::<bool, _>(0));
    })
    .await;
}
