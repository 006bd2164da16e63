//! What is said of a module that is larger than the pool of instances has room for.
//!
//! The pool checks each component when its code is loaded. Its errors are texts only; the
//! tests of uploads hold them.

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;

use crate::config::{MEMORIES_MAX, MODULES_MAX, TABLES_MAX};
use crate::trap::rejected;

/// Which words of an error are about which setting.
const SETTINGS: [(&str, &str); 5] = [
    ("core module instances", MODULES_MAX),
    ("linear memories", MEMORIES_MAX),
    ("minimum byte size", "limits.instance_memory_bytes_max"),
    ("minimum element size", "limits.instance_table_elements_max"),
    ("tables", TABLES_MAX),
];

/// The code was compiled, and can't be loaded here.
pub(super) fn can_not_be_loaded(error: &wasmtime::Error) -> ModuleRejected {
    let problem = format!("{error:#}");
    let setting = SETTINGS.iter().find(|(words, _)| problem.contains(words));
    let Some((_, setting)) = setting else {
        let message = format!("the module can't be run here: {problem}");
        return rejected(ErrorCode::ModuleInvalid, message);
    };
    let message = format!(
        "the module is a valid component, but too large for this server: {problem}. Raise \
         `{setting}`, or make the module of fewer or smaller parts"
    );
    let mut rejected = rejected(ErrorCode::ModuleTooLarge, message);
    rejected.details.insert("setting".to_owned(), (*setting).to_owned());
    rejected
}

#[cfg(test)]
mod tests {
    use dacapo_model::limits::Limits;
    use wasm_encoder::{
        Component, InstanceSection, MemorySection, MemoryType, Module, ModuleArg, ModuleSection,
    };

    use super::*;
    use crate::engine::engine;
    use crate::pool::Slots;

    /// A component that instantiates a module with a memory so many times.
    fn component(memories: usize) -> Vec<u8> {
        let mut memory = MemorySection::new();
        memory.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut module = Module::new();
        module.section(&memory);
        let mut instances = InstanceSection::new();
        for _ in 0..memories {
            instances.instantiate::<[(&str, ModuleArg); 0], &str>(0, []);
        }
        let mut component = Component::new();
        component.section(&ModuleSection(&module));
        component.section(&instances);
        component.finish()
    }

    #[test]
    fn more_memories_than_there_is_room_for_are_too_large_and_not_invalid() {
        let limits = Limits::default();
        let slots = Slots::new(1, &limits).expect("room for one");
        let engine = engine(&limits, &slots).expect("an engine");
        let load = |bytes: &[u8]| wasmtime::component::Component::new(&engine, bytes);
        load(&component(2)).expect("there is room for two");
        let rejected = can_not_be_loaded(&load(&component(3)).expect_err("and no more"));
        assert_eq!(rejected.code, ErrorCode::ModuleTooLarge, "{}", rejected.message);
        assert_eq!(rejected.details.get("setting").map(String::as_str), Some(MEMORIES_MAX));
    }
}
