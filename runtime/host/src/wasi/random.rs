//! Random numbers: a stream per run and interface, the same on every replay.
//!
//! They are not secret from those who know the run id. A workflow that needs a
//! secret gets it from an activity.

use dacapo_model::ids::RunId;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use wasmtime::component::LinkerInstance;

use crate::trap::Stop;
use crate::workflow::debt::Debt;
use crate::workflow::state::WorkflowState;

/// Bytes of one call.
const BYTES_MAX: u64 = 1024 * 1024;

/// The random numbers of one run.
#[derive(Clone)]
pub(crate) struct Random {
    run_id: RunId,
    secure: ChaCha20Rng,
    insecure: ChaCha20Rng,
    seed: ChaCha20Rng,
}

impl Random {
    /// Switches to the streams of this run, from their beginning, unless they are in
    /// use already.
    pub(crate) fn switch_to(&mut self, run_id: RunId) {
        if self.run_id != run_id {
            *self = Self::new(run_id);
        }
    }

    /// The streams are apart, so that what one interface is asked for does not
    /// change what another answers.
    pub(crate) fn new(run_id: RunId) -> Self {
        let stream = |interface: &str| {
            let mut hasher = Sha256::new();
            hasher.update(run_id.0.as_bytes());
            hasher.update(interface);
            ChaCha20Rng::from_seed(hasher.finalize().into())
        };
        Self {
            run_id,
            secure: stream("wasi:random/random"),
            insecure: stream("wasi:random/insecure"),
            seed: stream("wasi:random/insecure-seed"),
        }
    }
}

pub(super) fn define(
    instance: &mut LinkerInstance<'_, WorkflowState>,
    function: &str,
) -> wasmtime::Result<bool> {
    match function {
        "get-random-bytes" => instance.func_wrap(function, |mut store, (length,): (u64,)| {
            let state: &mut WorkflowState = store.data_mut();
            Ok((bytes(&mut state.random.secure, &state.debt, length)?,))
        })?,
        "get-random-u64" => instance.func_wrap(function, |mut store, (): ()| {
            Ok((store.data_mut().random.secure.next_u64(),))
        })?,
        "get-insecure-random-bytes" => {
            instance.func_wrap(function, |mut store, (length,): (u64,)| {
                let state: &mut WorkflowState = store.data_mut();
                Ok((bytes(&mut state.random.insecure, &state.debt, length)?,))
            })?;
        }
        "get-insecure-random-u64" => instance.func_wrap(function, |mut store, (): ()| {
            Ok((store.data_mut().random.insecure.next_u64(),))
        })?,
        "insecure-seed" => instance.func_wrap(function, |mut store, (): ()| {
            let seed = &mut store.data_mut().random.seed;
            Ok(((seed.next_u64(), seed.next_u64()),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn bytes(stream: &mut ChaCha20Rng, debt: &Debt, length: u64) -> wasmtime::Result<Vec<u8>> {
    if length > BYTES_MAX {
        let message =
            format!("{length} random bytes were asked for; at most {BYTES_MAX} at a time");
        return Err(Stop::Misuse(message).into());
    }
    let mut bytes = vec![0; usize::try_from(length)?];
    debt.value(bytes.len());
    stream.fill_bytes(&mut bytes);
    Ok(bytes)
}
