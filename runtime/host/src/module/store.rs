//! The modules of a node. Each is prepared once, however many ask for it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dacapo_engine::guest::{ModuleLoadError, ModuleSource};
use dacapo_model::code::ErrorCode;
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use super::{Module, Unusable, compile, inspect};
use crate::config::HostError;
use crate::pool::INSPECTIONS_MAX;
use crate::trap::rejected;

/// Modules kept ready. One that is not is loaded from disk in milliseconds.
const MODULES_MAX: usize = 256;

/// Prepares modules and keeps them.
pub(crate) struct ModuleStore {
    engine: Engine,
    cache: Arc<Cache>,
    limits: Arc<Limits>,
    source: Arc<dyn ModuleSource>,
    entries: Mutex<HashMap<ModuleDigest, Arc<Entry>>>,
    /// Counts uses; the entry with the lowest number is the first to go.
    clock: AtomicU64,
    /// Compiling takes much memory and all processors; a few at a time.
    preparations: Semaphore,
}

/// One module; empty while it is being prepared and after that has failed.
#[derive(Default)]
struct Entry {
    module: OnceCell<Arc<Module>>,
    last_use: AtomicU64,
}

impl ModuleStore {
    pub(crate) fn new(
        engine: Engine,
        cache_dir: PathBuf,
        limits: Arc<Limits>,
        source: Arc<dyn ModuleSource>,
    ) -> Result<Self, HostError> {
        let cache = Arc::new(Cache::open(cache_dir, &engine)?);
        Ok(Self {
            engine,
            cache,
            limits,
            source,
            entries: Mutex::default(),
            clock: AtomicU64::new(0),
            preparations: Semaphore::new(INSPECTIONS_MAX),
        })
    }

    /// A module whose bytes are at hand.
    pub(crate) async fn add(
        &self,
        digest: ModuleDigest,
        bytes: &[u8],
    ) -> Result<Arc<Module>, Unusable> {
        if bytes.len() > self.limits.module_bytes_max {
            let message = format!(
                "the module has {} bytes; at most {} are allowed (`limits.module_bytes_max`)",
                bytes.len(),
                self.limits.module_bytes_max
            );
            return Err(rejected(ErrorCode::ModuleTooLarge, message).into());
        }
        self.prepare(digest, Some(bytes)).await
    }

    /// A module that was added before, maybe by another node.
    pub(crate) async fn get(&self, digest: ModuleDigest) -> Result<Arc<Module>, Unusable> {
        self.prepare(digest, None).await
    }

    async fn prepare(
        &self,
        digest: ModuleDigest,
        bytes: Option<&[u8]>,
    ) -> Result<Arc<Module>, Unusable> {
        let entry = self.entry(digest);
        let module = entry
            .module
            .get_or_try_init(|| async {
                let _permit = self
                    .preparations
                    .acquire()
                    .await
                    .map_err(|_| Unusable::Internal("the host is shutting down".to_owned()))?;
                let (component, compiled) = self.component(digest, bytes).await?;
                let module = inspect::check(&self.engine, component.clone(), &self.limits).await?;
                if compiled {
                    // Only what passed: refused uploads must not fill the disk.
                    self.keep(digest, component).await;
                }
                Ok(Arc::new(module))
            })
            .await;
        if module.is_err() {
            self.forget(digest, &entry);
        }
        module.cloned()
    }

    /// The compiled component, and whether it had to be compiled.
    async fn component(
        &self,
        digest: ModuleDigest,
        bytes: Option<&[u8]>,
    ) -> Result<(Component, bool), Unusable> {
        let engine = self.engine.clone();
        let cache = Arc::clone(&self.cache);
        if let Some(component) = blocking(move || cache.load(&engine, digest)).await? {
            return Ok((component, false));
        }
        let bytes = match bytes {
            Some(bytes) => bytes.to_vec(),
            None => self.source.module_bytes(digest).await?,
        };
        let engine = self.engine.clone();
        let component = blocking(move || {
            let actual = ModuleDigest::of(&bytes);
            if actual != digest {
                let source = format!("what is stored has the digest {actual}").into();
                return Err(ModuleLoadError { digest, source: Some(source) }.into());
            }
            Ok::<_, Unusable>(compile::compile(&engine, &bytes)?)
        })
        .await??;
        Ok((component, true))
    }

    /// Writes a compiled component to disk. A failure costs the next start time,
    /// not the caller its answer.
    async fn keep(&self, digest: ModuleDigest, component: Component) {
        let cache = Arc::clone(&self.cache);
        let kept = blocking(move || cache.save(digest, &component)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%digest, %error, "can't keep the compiled module on disk");
        }
    }

    fn entry(&self, digest: ModuleDigest) -> Arc<Entry> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut entries = self.entries.lock();
        if !entries.contains_key(&digest) && entries.len() >= MODULES_MAX {
            let oldest = entries
                .iter()
                .filter(|(_, entry)| entry.module.initialized())
                .min_by_key(|(_, entry)| entry.last_use.load(Ordering::Relaxed))
                .map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                entries.remove(&oldest);
            }
        }
        let entry = entries.entry(digest).or_default();
        entry.last_use.store(now, Ordering::Relaxed);
        Arc::clone(entry)
    }

    /// Drops an entry that nobody is filling any more.
    fn forget(&self, digest: ModuleDigest, failed: &Arc<Entry>) {
        let mut entries = self.entries.lock();
        let unused = entries.get(&digest).is_some_and(|entry| {
            Arc::ptr_eq(entry, failed)
                && !entry.module.initialized()
                && Arc::strong_count(entry) <= 2
        });
        if unused {
            entries.remove(&digest);
        }
    }
}

/// Runs something that keeps a processor or a disk busy away from the tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unusable> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Unusable::Internal(format!("preparing the module failed: {error}")))
}
