//! Bombs, each with one thing too many.

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;

use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentSectionId, Function, FunctionSection,
    InstructionSink, Module, RawSection, TypeSection, ValType,
};

use super::survey;

/// A core module of so many functions with this body.
fn module(count: usize, body: &[u8]) -> Vec<u8> {
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for _ in 0..count {
        functions.function(0);
        code.raw(body);
    }
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module.finish()
}

fn component(modules: &[Vec<u8>]) -> Vec<u8> {
    let mut component = Component::new();
    for module in modules {
        component.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data: module });
    }
    component.finish()
}

/// A component with this one in it.
fn around(inner: &[u8]) -> Vec<u8> {
    let mut component = Component::new();
    component.section(&RawSection { id: ComponentSectionId::Component.into(), data: inner });
    component.finish()
}

/// A body with so many locals, each set once inside of so many blocks of a kind.
fn body(locals: u32, open: Open, blocks: usize) -> Vec<u8> {
    let mut function = Function::new([(locals, ValType::I32)]);
    let mut code = function.instructions();
    for _ in 0..blocks {
        open(&mut code);
    }
    for local in 0..locals {
        code.i32_const(1).local_set(local);
    }
    for _ in 0..=blocks {
        code.end();
    }
    function.into_raw_body()
}

type Open = fn(&mut InstructionSink<'_>);

const LOOP: Open = |code| {
    code.loop_(BlockType::Empty);
};
const BLOCK: Open = |code| {
    code.block(BlockType::Empty);
};

fn refused(bytes: &[u8]) -> ModuleRejected {
    survey(bytes).expect_err("no test has a component of the right world")
}

fn too_complex(bytes: &[u8], what: &str) {
    let rejected = refused(bytes);
    assert_eq!(rejected.code, ErrorCode::ModuleTooComplex, "{}", rejected.message);
    assert!(rejected.message.contains(what), "{}", rejected.message);
}

/// What is not too complex goes on to the next question, and has no exports.
fn passes(bytes: &[u8]) {
    assert_eq!(refused(bytes).code, ErrorCode::ModuleWrongWorld);
}

#[test]
fn many_locals_in_many_loops_are_refused_and_few_of_either_are_not() {
    too_complex(&component(&[module(1, &body(10_000, LOOP, 100))]), "10000 locals and 100 loops");
    passes(&component(&[module(1, &body(10_000, LOOP, 5))]));
    passes(&component(&[module(1, &body(100, LOOP, 1_000))]));
}

#[test]
fn each_part_of_a_function_has_a_limit() {
    too_complex(&component(&[module(1, &body(20_001, BLOCK, 0))]), "20001 locals");
    too_complex(&component(&[module(1, &body(0, BLOCK, 10_001))]), "10001 blocks inside");
    too_complex(&component(&[module(1, &body(15_000, BLOCK, 9_000))]), "9000 blocks");
    let long = [vec![0], vec![0x01; 1024 * 1024], vec![0x0b]].concat();
    too_complex(&component(&[module(1, &long)]), "bytes of code");
}

#[test]
fn many_modules_of_many_functions_are_refused() {
    let small = module(1_000, &body(0, BLOCK, 0));
    passes(&component(&vec![small.clone(); 100]));
    too_complex(&component(&vec![small; 101]), "101000 functions");
    let empty = module(0, b"");
    too_complex(&component(&vec![empty; 201]), "201 core modules");
}

#[test]
fn components_inside_of_each_other_have_a_limit() {
    let mut nested = component(&[]);
    for _ in 0..16 {
        nested = around(&nested);
    }
    passes(&nested);
    nested = around(&nested);
    too_complex(&nested, "17 levels");
}

#[test]
fn bytes_that_are_no_functions_are_refused_as_such() {
    for body in [&b"\x00\xff"[..], b"\x01"] {
        let rejected = refused(&component(&[module(1, body)]));
        assert_eq!(rejected.code, ErrorCode::ModuleInvalid, "{body:?}: {}", rejected.message);
    }
    let four_billion = b"\x01\xff\xff\xff\xff\x0f\x7f\x0b";
    too_complex(&component(&[module(1, four_billion)]), "4294967295 locals");
}
