//! Whether a trap is an overflow of the stack that a program keeps in its memory.
//!
//! WebAssembly's own stack is watched by wasmtime. But compilers keep values that
//! have an address, such as arrays, on a second stack in the linear memory, and
//! nothing watches that one: Rust puts it at the beginning, so that it grows below
//! zero, which is the far end of what a 32-bit address can reach. What is seen then
//! is an access out of bounds.

use wasmtime::{Trap, WasmBacktrace};

/// Addresses so close to the end are below zero. No memory is that large here: it
/// would have been within bounds.
const BELOW_ZERO: u64 = 0xc000_0000;

/// Further below zero than a field of something at address zero would be.
const FAR_BELOW_ZERO: std::ops::Range<u64> = BELOW_ZERO..0xffff_0000;

/// How often one function has to be in a backtrace of 30 frames to be taken for a
/// recursion; three functions that call each other are there ten times each.
const RECURSION: usize = 8;

/// Whether this trap is one.
pub(crate) fn overflowed_stack(error: &wasmtime::Error, trap: Trap) -> bool {
    match trap {
        Trap::StackOverflow => true,
        Trap::MemoryOutOfBounds => {
            let backtrace = error.downcast_ref::<WasmBacktrace>();
            match error.chain().find_map(|cause| faulting_address(&cause.to_string())) {
                Some(address) if FAR_BELOW_ZERO.contains(&address) => true,
                Some(address) if address < BELOW_ZERO => false,
                // Filling and copying tell no address.
                Some(_) | None => backtrace.is_some_and(recurses),
            }
        }
        _ => false,
    }
}

/// Wasmtime's type for it is private, so its text has to do; a test holds it.
fn faulting_address(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("memory fault at wasm address 0x")?;
    let digits = rest.split(' ').next()?;
    u64::from_str_radix(digits, 16).ok()
}

fn recurses(backtrace: &WasmBacktrace) -> bool {
    let functions: Vec<u32> = backtrace.frames().iter().map(|frame| frame.func_index()).collect();
    functions
        .iter()
        .any(|function| functions.iter().filter(|other| *other == function).count() >= RECURSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_text() {
        let text = "memory fault at wasm address 0xfffeffd0 in linear memory of size 0x110000";
        assert_eq!(faulting_address(text), Some(0xfffe_ffd0));
        assert_eq!(faulting_address("wasm trap: out of bounds memory access"), None);
    }
}
