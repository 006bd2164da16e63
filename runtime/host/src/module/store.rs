//! The modules of a node. Each is prepared once, however many ask for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use dacapo_engine::guest::{ModuleLoadError, ModuleSource};
use dacapo_model::code::ErrorCode;
use dacapo_model::limits::Limits;
use dacapo_model::module::ModuleDigest;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{Cache, deserialize};
use super::compile::{self, Occasion};
use super::kept::Kept;
use super::refusals::Refusals;
use super::room::Inspections;
use super::size::can_not_be_loaded;
use super::survey::survey;
use super::{Module, Unusable, blocking, inspect};
use crate::config::{Compiler, HostError};
use crate::pool::{LOADS_MAX, UPLOADS_MAX};
use crate::trap::rejected;

/// Prepares modules and keeps them.
pub(crate) struct ModuleStore {
    engine: Engine,
    compiler: Compiler,
    cache: Arc<Cache>,
    limits: Arc<Limits>,
    source: Arc<dyn ModuleSource>,
    kept: Kept<Module>,
    refusals: Refusals,
    inspections: Inspections,
    /// Compiling takes much memory and all processors; a few at a time, in the order
    /// in which they came.
    uploads: Semaphore,
    /// Runs wait for modules that are stored; those never wait for an upload.
    loads: Semaphore,
}

impl ModuleStore {
    pub(crate) fn new(
        engine: Engine,
        compiler: Compiler,
        cache_dir: PathBuf,
        limits: Arc<Limits>,
        bytes_max: usize,
        source: Arc<dyn ModuleSource>,
    ) -> Result<Self, HostError> {
        let cache = Arc::new(Cache::open(cache_dir, &engine)?);
        Ok(Self {
            engine,
            compiler,
            cache,
            limits,
            source,
            kept: Kept::new(bytes_max),
            refusals: Refusals::default(),
            inspections: Inspections::new(),
            uploads: Semaphore::new(UPLOADS_MAX),
            loads: Semaphore::new(LOADS_MAX),
        })
    }

    /// A module whose bytes are there. Nothing goes on when the future is dropped,
    /// if modules are compiled in processes of their own.
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
        if let Some(module) = self.kept.ready(digest) {
            return Ok(module);
        }
        if let Some(refused) = self.refusals.get(digest, now()) {
            return Err(refused.into());
        }
        compile::check_header(bytes)?;
        let _permit = self.uploads.acquire().await.map_err(|_| shutting_down())?;
        let prepared = self.prepare(digest, Some(bytes)).await;
        if let Err(Unusable::Rejected(refused)) = &prepared {
            self.refusals.keep(digest, refused, now());
        }
        prepared
    }

    /// A module that was added before, maybe by another node.
    pub(crate) async fn get(&self, digest: ModuleDigest) -> Result<Arc<Module>, Unusable> {
        if let Some(module) = self.kept.ready(digest) {
            return Ok(module);
        }
        let _permit = self.loads.acquire().await.map_err(|_| shutting_down())?;
        self.prepare(digest, None).await
    }

    /// Whether [`Self::get`] answers at once.
    pub(crate) fn is_ready(&self, digest: ModuleDigest) -> bool {
        self.kept.ready(digest).is_some()
    }

    /// Prepares a module, or waits for whoever does. If that one gives up, the next
    /// goes on in its place.
    async fn prepare(
        &self,
        digest: ModuleDigest,
        bytes: Option<&[u8]>,
    ) -> Result<Arc<Module>, Unusable> {
        let slot = self.kept.slot(digest);
        let module = slot
            .get_or_try_init(|| async {
                let (component, compiled) = self.component(digest, bytes).await?;
                let room = self.inspections.room();
                let module = inspect::check(&self.engine, component, &self.limits, room).await?;
                if let Some(code) = compiled {
                    // Only what passed: refused uploads must not fill the disk.
                    self.keep(digest, code).await;
                }
                Ok(Arc::new(module))
            })
            .await;
        match module {
            Ok(module) => self.kept.filled(digest, module.code_bytes),
            Err(_) => self.kept.forget(digest, &slot),
        }
        module.cloned()
    }

    /// The component, and its code if it had to be compiled.
    async fn component(
        &self,
        digest: ModuleDigest,
        bytes: Option<&[u8]>,
    ) -> Result<(Component, Option<Vec<u8>>), Unusable> {
        let engine = self.engine.clone();
        let cache = Arc::clone(&self.cache);
        if let Some(component) = blocking(move || cache.load(&engine, digest)).await? {
            return Ok((component, None));
        }
        let (bytes, occasion) = match bytes {
            Some(bytes) => (bytes.to_vec(), Occasion::Upload),
            None => (self.source.module_bytes(digest).await?, Occasion::Load),
        };
        let bytes = blocking(move || look(digest, bytes, occasion)).await??;
        let code =
            compile::compile(&self.compiler, &self.engine, bytes, &self.limits, occasion).await?;
        let engine = self.engine.clone();
        blocking(move || match deserialize(&engine, &code) {
            Ok(component) => Ok((component, Some(code))),
            Err(error) => Err(can_not_be_loaded(&error).into()),
        })
        .await?
    }

    /// Writes a compiled component to disk. A failure costs the next start time,
    /// not the caller its answer.
    async fn keep(&self, digest: ModuleDigest, code: Vec<u8>) {
        let cache = Arc::clone(&self.cache);
        let kept = blocking(move || cache.save(digest, &code)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%digest, %error, "can't keep the compiled module on disk");
        }
    }
}

/// Whether the bytes are those that are meant, and can be compiled at all. What is
/// stored was looked at when it was uploaded, maybe under other rules.
fn look(digest: ModuleDigest, bytes: Vec<u8>, occasion: Occasion) -> Result<Vec<u8>, Unusable> {
    let actual = ModuleDigest::of(&bytes);
    if actual != digest {
        let source = format!("what is stored has the digest {actual}").into();
        return Err(ModuleLoadError { digest, source: Some(source) }.into());
    }
    if occasion == Occasion::Upload {
        survey(&bytes)?;
    }
    Ok(bytes)
}

fn shutting_down() -> Unusable {
    Unusable::Busy("the host is shutting down".to_owned())
}

fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "how long a refusal is kept is no one's input")]
    Instant::now()
}
