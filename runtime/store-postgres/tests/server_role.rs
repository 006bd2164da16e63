//! A store of somebody with the rights of servers. What else it can do: `conformance`.

#[path = "support/servers.rs"]
mod servers;

/// The start of a server does it.
#[tokio::test]
async fn a_server_finds_the_tables_up_to_date_without_a_right_to_change_them() {
    servers::with_the_rights_of_servers(|store| async move {
        store.migrate().await.expect("is up to date");
    })
    .await;
}
