//! What a host needs of the machine, for those who look before they start one.

use dacapo_model::limits::Limits;
use wasmtime::PoolingAllocationConfig;

use crate::pool::{Slots, mappings_max};

/// What the machine has of what a host needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Mappings of memory that a host may need.
    pub mappings_needed: usize,
    /// Those that the kernel allows a process; none where it has no such limit.
    pub mappings_allowed: Option<usize>,
    /// The kernel can tell which pages were written (`PAGEMAP_SCAN`), so that slots are
    /// cleaned in place.
    pub has_pagemap_scan: bool,
}

impl Machine {
    /// Looks, for a host with so many workflow instances.
    pub fn look(instances_max: usize, limits: &Limits) -> Self {
        Self {
            mappings_needed: Slots::of(instances_max, limits).mappings(),
            mappings_allowed: mappings_max(),
            has_pagemap_scan: PoolingAllocationConfig::is_pagemap_scan_available(),
        }
    }
}
