//! Bombs, each with one thing too many, written byte by byte.

use dacapo_engine::guest::ModuleRejected;
use dacapo_model::code::ErrorCode;

use super::survey;

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        bytes.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A core module of so many functions with this body.
fn module(functions: usize, body: &[u8]) -> Vec<u8> {
    let body = [leb(body.len()), body.to_vec()].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\x00\x00"),
        section(3, &[leb(functions), vec![0; functions]].concat()),
        section(10, &[leb(functions), body.repeat(functions)].concat()),
    ]
    .concat()
}

fn component(modules: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    for module in modules {
        bytes.extend(section(1, module));
    }
    bytes
}

/// A body with so many locals, each set once inside of so many blocks of a kind.
fn body(locals: usize, opening: &[u8], blocks: usize) -> Vec<u8> {
    let mut body = [leb(1), leb(locals), vec![0x7f]].concat();
    body.extend(opening.repeat(blocks));
    for local in 0..locals {
        body.extend([&[0x41, 0x01, 0x21][..], &leb(local)].concat());
    }
    body.extend(vec![0x0b; blocks + 1]);
    body
}

const LOOP: &[u8] = b"\x03\x40";
const BLOCK: &[u8] = b"\x02\x40";

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
        nested = [component(&[]), section(4, &nested)].concat();
    }
    passes(&nested);
    nested = [component(&[]), section(4, &nested)].concat();
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
