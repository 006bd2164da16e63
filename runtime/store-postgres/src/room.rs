//! Whether the server has as many connections as this process will want.

use sqlx::PgPool;

const FREE: &str = "SELECT current_setting('max_connections')::int \
                    - current_setting('superuser_reserved_connections')::int";

/// Says so if there are fewer than `wanted` for all who use the server. It works with
/// fewer while little happens; then reads time out, one by one, and nobody knows why.
pub(crate) async fn warn_if_scarce(pool: &PgPool, wanted: u32) -> sqlx::Result<()> {
    let there: i32 = sqlx::query_scalar(FREE).fetch_one(pool).await?;
    if u32::try_from(there).unwrap_or(0) < wanted {
        tracing::warn!(
            there,
            wanted,
            "PostgreSQL takes fewer connections than this server may need, and requests will fail \
             for it: raise max_connections"
        );
    }
    Ok(())
}
