//! The other side of [`super::compile`]: a process that compiles one module.
//!
//! It reads the length of the module (8 bytes, little-endian) and the module, and
//! writes the code or a complaint, and one byte which says what it was. It ends when
//! its input is closed: nobody waits for it any more, or its server has died.

use std::io::{self, Read as _, Write as _};

use rustix::process::{Resource, Rlimit, nice, setrlimit};

use crate::engine::compiling_engine;

/// It was compiled code.
pub(super) const COMPILED: u8 = 0;

/// It was what is wrong with the module.
pub(super) const REFUSED: u8 = 1;

/// No server takes modules of more bytes, whatever it is told.
const MODULE_BYTES_MAX: u64 = 1 << 30;

/// Compiles the module on standard input, for [`crate::Compiler::Process`]. Limits
/// this whole process, which must have nothing else to do.
pub fn compile_module(cpu_seconds: u64, memory_bytes: u64, niceness: u8) -> io::Result<()> {
    limit(cpu_seconds, memory_bytes, niceness)?;
    let mut stdin = io::stdin();
    let mut length = [0; 8];
    stdin.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MODULE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the module is too large"));
    }
    let mut bytes = Vec::new();
    stdin.lock().take(length).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).ok() != Some(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    std::thread::Builder::new().spawn(end_with_the_server)?;
    let engine = compiling_engine().map_err(io::Error::other)?;
    let (kind, content) = match engine.precompile_component(&bytes) {
        Ok(code) => (COMPILED, code),
        Err(error) => (REFUSED, format!("{error:#}").into_bytes()),
    };
    let mut stdout = io::stdout().lock();
    stdout.write_all(&content)?;
    stdout.write_all(&[kind])?;
    stdout.flush()
}

/// The kernel ends the process when it passes one.
fn limit(cpu_seconds: u64, memory_bytes: u64, niceness: u8) -> io::Result<()> {
    let limit = |bound: u64, hard: u64| Rlimit { current: Some(bound), maximum: Some(hard) };
    setrlimit(Resource::Cpu, limit(cpu_seconds, cpu_seconds.saturating_add(5)))?;
    setrlimit(Resource::As, limit(memory_bytes, memory_bytes))?;
    // What was in memory is of no use to anybody.
    setrlimit(Resource::Core, limit(0, 0))?;
    // Both make it the first to suffer; a machine that does not know them still has
    // the limits.
    let _ = nice(niceness.into());
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}

/// Nothing more comes; what ends the wait is that the other end is closed.
fn end_with_the_server() {
    let mut nothing = [0];
    while matches!(io::stdin().read(&mut nothing), Ok(1..)) {}
    std::process::exit(1);
}
