//! What the project's commands share with tests: a PostgreSQL server for a while, and running
//! other programs.

#[cfg(not(unix))]
compile_error!("these commands need Unix: on Windows, work inside WSL");

pub mod postgres;
pub mod process;
