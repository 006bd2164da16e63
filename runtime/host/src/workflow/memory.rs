//! What a workflow's instance holds. Before it holds more it waits until there is room
//! for that, suspended in the middle of its code.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use dacapo_engine::guest::Room;
use dacapo_model::limits::Limits;
use wasmtime::{ResourceLimiter as _, ResourceLimiterAsync};

use crate::limits::Limiter;

/// What a guest holds besides its memories and tables: the used part of its stack, and
/// what the host keeps for it.
pub(super) const BYTES_BESIDES_MEMORY: usize = 64 * 1024;

/// The memories and tables of an instance.
pub(crate) struct Memory {
    pub(crate) limiter: Limiter,
    room: Arc<dyn Room>,
}

impl Memory {
    pub(super) fn new(limits: &Limits, room: Arc<dyn Room>) -> Self {
        Self { limiter: Limiter::new(limits), room }
    }

    async fn hold(&self) {
        let bytes = self.limiter.meter().load(Ordering::Relaxed);
        self.room.hold(bytes.saturating_add(BYTES_BESIDES_MEMORY)).await;
    }
}

#[async_trait]
impl ResourceLimiterAsync for Memory {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grows = self.limiter.memory_growing(current, desired, maximum)?;
        if grows {
            self.hold().await;
        }
        Ok(grows)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limiter.memory_grow_failed(error)
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grows = self.limiter.table_growing(current, desired, maximum)?;
        if grows {
            self.hold().await;
        }
        Ok(grows)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limiter.table_grow_failed(error)
    }
}
