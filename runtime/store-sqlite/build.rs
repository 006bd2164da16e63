//! Rebuilds when a migration is added; the macro that embeds them can't tell.
#![expect(clippy::print_stdout, reason = "a build script talks to cargo by printing")]

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
    println!("cargo:rerun-if-changed=.sqlx");
}
