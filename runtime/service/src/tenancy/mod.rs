//! Whose a request is: who calls, in which namespace, and what may be asked for there.
//!
//! There is one door, and behind it a [`Tenant`], which is what operations are methods of:
//! clients come through [`Runtime::tenant`](crate::Runtime::tenant), runs that reach others
//! through `Tenant::of_run`. Nobody else looks whether a namespace is there, and what a
//! namespace may do is asked for here each time, so that it can change while runs go on.

mod admission;
mod namespaces;
mod policy;
mod principal;
mod tenant;
mod turns;

pub(crate) use self::admission::{Admission, AttemptPlace, Place};
pub(crate) use self::namespaces::{Namespaces, being_deleted, keep_up, unknown};
pub use self::policy::NamespacePolicy;
pub use self::principal::{ApiClient, CertifiedClient, Principal, TokenClient};
pub use self::tenant::Tenant;
