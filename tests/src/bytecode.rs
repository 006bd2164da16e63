//! WebAssembly that no compiler writes.

use bytes::Bytes;
use wasm_encoder::{
    BlockType, CodeSection, ComponentSection as _, ComponentSectionId, Function, FunctionSection,
    Module, RawSection, TypeSection, ValType,
};

/// A core module of so many functions. Each changes each of its locals inside of so
/// many loops, which is what costs a compiler most.
pub fn core_module(functions: usize, locals: u32, loops: usize) -> Vec<u8> {
    let mut function = Function::new([(locals, ValType::I32)]);
    let mut code = function.instructions();
    for _ in 0..loops {
        code.loop_(BlockType::Empty);
    }
    for local in 1..=locals {
        code.local_get(local).i32_const(1).i32_add().local_set(local);
    }
    for _ in 0..loops {
        code.local_get(0).br_if(0).end();
    }
    code.end();
    module_of(std::iter::repeat_n(function.into_raw_body(), functions))
}

/// A core module of functions with these bodies, which take a number and return nothing.
pub fn module_of(bodies: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for body in bodies {
        functions.function(0);
        code.raw(&body);
    }
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], []);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module.finish()
}

/// The same component with one more core module in it, which nobody uses.
pub fn with_core_module(component: &Bytes, module: &[u8]) -> Bytes {
    let mut bytes = component.to_vec();
    let section = RawSection { id: ComponentSectionId::CoreModule.into(), data: module };
    section.append_to_component(&mut bytes);
    bytes.into()
}
