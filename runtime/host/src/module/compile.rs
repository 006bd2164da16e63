//! From bytes to code: here, or in a process of its own, with limits.
//!
//! Compiling is the one thing that the host does whose cost is not bounded by what
//! goes in: a few kilobytes can keep a compiler busy for minutes and take gigabytes.
//! A process can be given limits, and stopped when nobody waits for it any more.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;
use dacapo_model::limits::Limits;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use wasmtime::Engine;

use super::Unusable;
use super::ended::{ended, too_much_code};
use super::process::{COMPILED, REFUSED};
use crate::config::Compiler;
use crate::trap::rejected;

/// What each WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";

/// What follows in a core module: its version, and the layer that modules are on.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];

/// What is kept of what a compiler writes to standard error.
const STDERR_BYTES_MAX: u64 = 4 * 1024;

/// Code of one uploaded module. Interpreters of whole languages have some 100 MB.
const CODE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// How much more a module may take that was accepted before, maybe by a faster
/// machine, and that runs wait for.
const STORED_FACTOR: u64 = 10;

/// Whose module is to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    /// A client's, who may be hostile.
    Upload,
    /// One that is stored, and that runs wait for.
    Load,
}

/// What one module may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) cpu_seconds: u64,
    pub(super) memory_bytes: u64,
    /// What comes out is in the memory of the server.
    pub(super) code_bytes: u64,
    /// How much less than others it is given of the processors: runs come first, and
    /// what they wait for.
    pub(super) nice: u8,
    /// A machine that has other things to do takes longer than its CPU time.
    pub(super) time: Duration,
}

impl Bounds {
    fn new(limits: &Limits, occasion: Occasion) -> Self {
        let (factor, nice) = match occasion {
            Occasion::Upload => (1, 10),
            Occasion::Load => (STORED_FACTOR, 0),
        };
        let cpu_seconds = limits.compile_cpu_seconds_max.saturating_mul(factor).max(1);
        let time = Duration::from_secs(cpu_seconds.saturating_mul(4).saturating_add(20));
        let memory_bytes = limits.compile_memory_bytes_max;
        Self { cpu_seconds, memory_bytes, code_bytes: CODE_BYTES_MAX * factor, nice, time }
    }
}

/// Compiles a component, and answers what [`super::cache`] loads.
pub(super) async fn compile(
    compiler: &Compiler,
    engine: &Engine,
    bytes: Vec<u8>,
    limits: &Limits,
    occasion: Occasion,
) -> Result<Vec<u8>, Unusable> {
    match compiler {
        Compiler::Here => {
            let engine = engine.clone();
            super::blocking(move || engine.precompile_component(&bytes))
                .await?
                .map_err(|error| not_valid(&format!("{error:#}")).into())
        }
        Compiler::Process { program, arguments } => {
            in_process(program, arguments, &bytes, Bounds::new(limits, occasion)).await
        }
    }
}

/// The mistakes that people make get an answer of their own.
pub(super) fn check_header(bytes: &[u8]) -> Result<(), ModuleRejected> {
    if bytes.is_empty() {
        return Err(invalid("the module is empty: send the bytes of a component"));
    }
    match bytes.strip_prefix(MAGIC) {
        None => Err(invalid("the module is not WebAssembly: it does not begin with `\\0asm`")),
        Some(rest) if rest.starts_with(CORE_MODULE) => Err(invalid(
            "the module is a core WebAssembly module, not a component: build it for \
             `wasm32-wasip2`, or wrap it with `wasm-tools component new`",
        )),
        Some(_) => Ok(()),
    }
}

/// Dropping the future ends the process.
async fn in_process(
    program: &Path,
    arguments: &[OsString],
    bytes: &[u8],
    bounds: Bounds,
) -> Result<Vec<u8>, Unusable> {
    let mut child = Command::new(program)
        .args(arguments)
        .arg(bounds.cpu_seconds.to_string())
        .arg(bounds.memory_bytes.to_string())
        .arg(bounds.nice.to_string())
        // It needs none of it, and secrets are there.
        .env_clear()
        // The allocator of this program would reserve more than may be used.
        .env("MIMALLOC_ARENA_RESERVE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Unusable::Busy(format!("can't start a process to compile: {error}")))?;
    let compiled = tokio::time::timeout(bounds.time, converse(&mut child, bytes, bounds)).await;
    compiled.unwrap_or_else(|_| {
        Err(Unusable::Busy(format!(
            "compiling took longer than {} s, since the machine has other things to do",
            bounds.time.as_secs()
        )))
    })
}

/// Gives the process the module and takes what it makes of it.
async fn converse(child: &mut Child, bytes: &[u8], bounds: Bounds) -> Result<Vec<u8>, Unusable> {
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Unusable::Internal("the streams of a process are missing".to_owned()));
    };
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
    let give = async {
        // One that ended early says why in its own way.
        let _ = stdin.write_all(&length).await;
        let _ = stdin.write_all(bytes).await;
        let _ = stdin.flush().await;
    };
    // The code, and the byte that says what it is.
    let answer_max = bounds.code_bytes + 1;
    let take = async move {
        let mut answer = Vec::new();
        // Afterwards this end is closed: one that has more to say does not wait for long.
        stdout.take(answer_max + 1).read_to_end(&mut answer).await.map(|_| answer)
    };
    let ((), answer, said) = tokio::join!(give, take, beginning(stderr));
    // It ends when this end is closed, as it would be if this server had died.
    drop(stdin);
    let status = child.wait().await;
    let lost = |error: io::Error| Unusable::Busy(format!("a process that compiles: {error}"));
    let (mut answer, status) = (answer.map_err(lost)?, status.map_err(lost)?);
    if answer.len() as u64 > answer_max {
        return Err(too_much_code(bounds));
    }
    match (status.success(), answer.pop()) {
        (true, Some(COMPILED)) => Ok(answer),
        (true, Some(REFUSED)) => Err(not_valid(&String::from_utf8_lossy(&answer)).into()),
        _ => Err(ended(status, &said, bounds)),
    }
}

/// The first of what a stream says; the rest is read, so that nobody waits for it.
async fn beginning(mut stream: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    // A stream that breaks has nothing more to say.
    let _ = (&mut stream).take(STDERR_BYTES_MAX).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).trim().to_owned()
}

fn not_valid(problem: &str) -> ModuleRejected {
    invalid(format!("the module is not a valid WebAssembly component: {problem}"))
}

fn invalid(message: impl Into<String>) -> ModuleRejected {
    rejected(ErrorCode::ModuleInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        cpu_seconds: 1,
        memory_bytes: 1,
        code_bytes: 1_000,
        nice: 0,
        time: Duration::from_secs(60),
    };

    async fn answered_by(script: &str) -> Result<Vec<u8>, Unusable> {
        let arguments = ["-c", script].map(OsString::from);
        in_process(Path::new("/bin/sh"), &arguments, b"a module", BOUNDS).await
    }

    #[tokio::test]
    async fn as_much_code_as_is_allowed_is_taken_and_no_more() {
        let code = answered_by("head -c 1001 /dev/zero").await.expect("it is allowed");
        assert_eq!(code.len(), 1_000);
        for bytes in ["1002", "10000000"] {
            let refused = answered_by(&format!("head -c {bytes} /dev/zero")).await;
            let Err(Unusable::Rejected(refused)) = refused else { panic!("{refused:?}") };
            assert_eq!(refused.code, ErrorCode::ModuleTooComplex);
            assert!(refused.message.contains("more than 1000 bytes of code"), "{refused:?}");
        }
    }

    async fn refused_by(script: &str) -> (ErrorCode, String) {
        let refused = answered_by(script).await.expect_err("nothing was compiled");
        let refused = ModuleRejected::from(refused);
        (refused.code, refused.message)
    }

    #[tokio::test]
    async fn a_module_is_too_complex_if_its_compiler_has_passed_a_limit() {
        let (code, message) = refused_by("kill -XCPU $$").await;
        assert_eq!(code, ErrorCode::ModuleTooComplex);
        assert!(message.contains("limits.compile_cpu_seconds_max"), "{message}");
        let aborts = "echo 'memory allocation of 17 bytes failed' >&2; kill -ABRT $$";
        let (_, message) = refused_by(aborts).await;
        assert!(message.contains("limits.compile_memory_bytes_max"), "{message}");
    }

    #[tokio::test]
    async fn whatever_else_ends_a_compiler_may_not_end_the_next() {
        for (script, expected) in [
            ("echo 'unexpected argument' >&2; exit 2", "exit status: 2): unexpected argument"),
            ("echo 'Cannot allocate memory' >&2; exit 1", "Cannot allocate memory"),
            ("kill -KILL $$", "was killed"),
            ("kill -TERM $$", "was killed"),
        ] {
            let (code, message) = refused_by(script).await;
            assert_eq!(code, ErrorCode::Unavailable, "{script}: {message}");
            assert!(message.contains(expected), "{script}: {message}");
        }
        // It is the module's fault, or the compiler's.
        for script in ["exit 101", "kill -SEGV $$", "kill -ABRT $$", "exit 0"] {
            let (code, message) = refused_by(script).await;
            assert_eq!(code, ErrorCode::Internal, "{script}: {message}");
        }
    }

    #[tokio::test]
    async fn a_compiler_that_cannot_be_started_is_not_the_modules_fault() {
        let compiled = in_process(Path::new("/no/such/program"), &[], b"a module", BOUNDS).await;
        assert!(matches!(compiled, Err(Unusable::Busy(_))), "{compiled:?}");
    }
}
