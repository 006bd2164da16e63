//! How many instances fit into the machine.
//!
//! The limit that matters first is not memory but the number of mappings that
//! the kernel allows a process. Past it `mmap` fails in the middle of something,
//! and not every library survives that: so the worst case is refused at start.

use dacapo_model::limits::Limits;

use crate::config::HostError;

/// Mappings of one linear memory: its image, what it grew by, the guard, and the
/// remainder of its slot.
const MAPPINGS_PER_MEMORY: usize = 4;

/// Mappings of one stack: itself and its guard page.
const MAPPINGS_PER_STACK: usize = 2;

/// Mappings of everything else: code, threads, heap, the compiled modules.
const MAPPINGS_RESERVED: usize = 4_000;

/// Uploads that may be looked at and compiled at a time.
pub(crate) const UPLOADS_MAX: usize = 2;

/// Modules that were uploaded before and may be loaded at a time. They never wait
/// for an upload.
pub(crate) const LOADS_MAX: usize = 2;

/// Modules that may be asked for their definitions at a time.
const INSPECTIONS_MAX: usize = UPLOADS_MAX + LOADS_MAX;

/// How many instances of each kind may live at a time. They share one pool, but
/// no kind can take the slots of another: idle workflows must not keep out the
/// activities that they wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) workflows: usize,
    pub(crate) activities: usize,
    /// Linear memories that each instance may have.
    memories: usize,
}

impl Slots {
    /// Room for so many workflows, and what goes with them.
    pub(crate) fn new(instances_max: usize, limits: &Limits) -> Result<Self, HostError> {
        if instances_max == 0 {
            return Err(HostError::setting("instances_max", "at least 1 is needed"));
        }
        let slots = Self::of(instances_max, limits);
        match mappings_max() {
            Some(allowed) => slots.check(allowed).map(|()| slots),
            None => Ok(slots),
        }
    }

    /// The same, whether or not the machine has room for them.
    pub(crate) fn of(instances_max: usize, limits: &Limits) -> Self {
        Self {
            workflows: instances_max,
            activities: activities_for(instances_max),
            memories: limits.instance_memories_max,
        }
    }

    /// Instances of all kinds.
    pub(crate) fn total(&self) -> usize {
        self.workflows.saturating_add(self.activities).saturating_add(INSPECTIONS_MAX)
    }

    /// A stack that was given back is not free at once: some more than are used.
    pub(crate) fn stacks(&self) -> usize {
        self.total().saturating_add(self.total() / 50).saturating_add(8)
    }

    pub(crate) fn mappings(&self) -> usize {
        let stacks = self.stacks().saturating_mul(MAPPINGS_PER_STACK);
        let memories =
            self.total().saturating_mul(self.memories).saturating_mul(MAPPINGS_PER_MEMORY);
        stacks.saturating_add(memories).saturating_add(MAPPINGS_RESERVED)
    }

    fn check(&self, allowed: usize) -> Result<(), HostError> {
        let needed = self.mappings();
        if needed <= allowed {
            return Ok(());
        }
        Err(HostError::setting(
            "instances_max",
            format!(
                "{} workflow and {} activity instances may need {needed} memory mappings, but \
                 this machine allows a process {allowed}: set a lower number, or raise the \
                 sysctl `vm.max_map_count`",
                self.workflows, self.activities
            ),
        ))
    }
}

/// An activity runs for seconds, where a workflow waits for days: a quarter is
/// plenty, and a small node should still run a few side by side.
fn activities_for(instances_max: usize) -> usize {
    (instances_max / 4).max(8)
}

/// What the kernel allows; none where it has no such limit.
pub(crate) fn mappings_max() -> Option<usize> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_instances_for_the_machine_are_refused_with_what_to_do() {
        let slots = Slots { workflows: 9_000, activities: 2_250, memories: 2 };
        let message = slots.check(65_530).expect_err("too many").to_string();
        assert!(message.contains("vm.max_map_count"), "{message}");
        assert!(message.contains("65530"), "{message}");
        let slots = Slots { workflows: 4_000, activities: 1_000, memories: 2 };
        assert!(slots.check(65_530).is_ok());
    }

    #[test]
    fn no_instances_at_all_are_refused() {
        assert!(Slots::new(0, &Limits::default()).is_err());
    }
}
