//! Rebuilds when a migration is added; the macro that embeds them can't tell.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/postgres");
    println!("cargo:rerun-if-changed=.sqlx");
}
