//! Values that must not be shown.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

/// Secrets by name. Shown without their values.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Secrets(pub(super) BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
