//! What it means that a process which compiles ends without code.
//!
//! A refusal is remembered, and its module is not looked at again for a while; so only
//! what is known to be the module's fault is one.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use dacapo_model::code::ErrorCode;
use dacapo_model::text::cut;
use rustix::process::Signal;

use super::Unusable;
use super::compile::Bounds;
use crate::trap::rejected;

/// The status of a program in Rust that has panicked.
const PANICKED: i32 = 101;

/// What a program in Rust says before it aborts since it is given no memory.
const OUT_OF_MEMORY: &str = "memory allocation of ";

/// More came out than may.
pub(super) fn too_much_code(bounds: Bounds) -> Unusable {
    let message = format!(
        "the module becomes more than {} bytes of code when it is compiled: make it smaller",
        bounds.code_bytes
    );
    rejected(ErrorCode::ModuleTooComplex, message).into()
}

/// Why a process ended without an answer. Only where it has passed one of its limits is
/// it the module's fault: anything else may go well another time.
pub(super) fn ended(status: ExitStatus, said: &str, bounds: Bounds) -> Unusable {
    let mut said = said.to_owned();
    cut(&mut said, 500);
    tracing::warn!(%status, said, "a module could not be compiled");
    let Some(signal) = status.signal() else {
        return match status.code() {
            // It says that all went well, or that it has panicked.
            Some(0 | PANICKED) => fails(status),
            _ => Unusable::Busy(format!(
                "the process that compiles modules could not do it ({status}): {said}"
            )),
        };
    };
    let is = |other: Signal| signal == other.as_raw();
    if is(Signal::XCPU) {
        let message = format!(
            "compiling the module takes more than {} s of CPU time \
             (`limits.compile_cpu_seconds_max`): make it smaller, or its functions simpler",
            bounds.cpu_seconds
        );
        return rejected(ErrorCode::ModuleTooComplex, message).into();
    }
    if is(Signal::KILL) || is(Signal::TERM) {
        // Not by us: most likely since the machine has no memory left.
        return Unusable::Busy(format!(
            "the process that compiled the module was killed; if the machine was out of memory, \
             lower `limits.compile_memory_bytes_max` below {}",
            bounds.memory_bytes
        ));
    }
    if is(Signal::ABORT) && said.contains(OUT_OF_MEMORY) {
        return out_of_memory(bounds, machine_is_strict());
    }
    fails(status)
}

/// The process was given no more memory. Where the machine lets no program have more
/// than there is, that may be its limit, or there was none left.
fn out_of_memory(bounds: Bounds, is_strict: bool) -> Unusable {
    let max = bounds.memory_bytes;
    if is_strict {
        return Unusable::Busy(format!(
            "compiling the module takes more than {max} bytes of memory \
             (`limits.compile_memory_bytes_max`), or the machine had no memory left for it \
             (`vm.overcommit_memory` is 2)"
        ));
    }
    let message = format!(
        "compiling the module takes more than {max} bytes of memory \
         (`limits.compile_memory_bytes_max`): make it smaller, or its functions simpler"
    );
    rejected(ErrorCode::ModuleTooComplex, message).into()
}

/// Elsewhere a process is given address space up to its limit.
fn machine_is_strict() -> bool {
    std::fs::read_to_string("/proc/sys/vm/overcommit_memory").is_ok_and(|mode| mode.trim() == "2")
}

fn fails(status: ExitStatus) -> Unusable {
    Unusable::Internal(format!("the compiler fails on the module ({status})"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn where_memory_is_promised_to_nobody_too_little_of_it_may_be_the_machines_fault() {
        let time = Duration::from_secs(60);
        let bounds = Bounds { cpu_seconds: 1, memory_bytes: 1, code_bytes: 1_000, nice: 0, time };
        assert!(matches!(out_of_memory(bounds, false), Unusable::Rejected(_)));
        assert!(matches!(out_of_memory(bounds, true), Unusable::Busy(_)));
    }
}
