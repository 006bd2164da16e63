//! Namespaces themselves: who asks for these is in none.

mod change;
mod create;
mod delete;
mod list;

pub use self::list::NamespaceList;
