//! `cargo xtask fuzz-uploads`: the test of random uploads, with many seeds.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::{guests, process};

/// Seeds, unless it is said.
const SEEDS: u64 = 1_000;

/// Uploads modules, one for each seed; the output tells how long each took.
pub(crate) fn uploads(root: &Path, arguments: &[OsString]) -> Result<ExitCode> {
    if arguments.len() > 2 {
        bail!("write `cargo xtask fuzz-uploads [SEEDS [FIRST]]`");
    }
    let number = |at: usize, default: u64| match arguments.get(at) {
        Some(text) => text
            .to_str()
            .and_then(|text| text.parse::<u64>().ok())
            .with_context(|| format!("{} is no number of seeds", text.display())),
        None => Ok(default),
    };
    let (seeds, first) = (number(0, SEEDS)?, number(1, 0)?);
    guests::build(root)?;
    process::announce(&format!("uploading {seeds} random modules, from seed {first} on"));
    let mut cargo = process::cargo();
    cargo
        .args(["test", "--locked", "-p", "dacapo-tests", "--test", "e2e"])
        .args(["fuzz_uploads", "--", "--nocapture"])
        .current_dir(root)
        .env("DACAPO_FUZZ_SEEDS", seeds.to_string())
        .env("DACAPO_FUZZ_FIRST", first.to_string());
    process::pass_on(&mut cargo)
}
