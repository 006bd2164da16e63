//! WebAssembly that no compiler writes.

use bytes::Bytes;

/// A number as WebAssembly writes it.
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

/// A core module of so many functions. Each changes each of its locals inside of so
/// many loops, which is what costs a compiler most.
pub fn core_module(functions: usize, locals: usize, loops: usize) -> Vec<u8> {
    let mut body = [leb(1), leb(locals), vec![0x7f]].concat();
    body.extend(b"\x03\x40".repeat(loops));
    for local in 1..=locals {
        body.extend([&[0x20][..], &leb(local), b"\x41\x01\x6a\x21", &leb(local)].concat());
    }
    body.extend(b"\x20\x00\x0d\x00\x0b".repeat(loops));
    body.push(0x0b);
    module_of(std::iter::repeat_n(body, functions))
}

/// A core module of functions with these bodies, which take a number and return nothing.
pub fn module_of(bodies: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<u8> {
    let functions = bodies.len();
    let bodies: Vec<u8> = bodies.flat_map(|body| [leb(body.len()), body].concat()).collect();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\x01\x7f\x00"),
        section(3, &[leb(functions), vec![0; functions]].concat()),
        section(10, &[leb(functions), bodies].concat()),
    ]
    .concat()
}

/// The same component with one more core module in it, which nobody uses.
pub fn with_core_module(component: &Bytes, module: &[u8]) -> Bytes {
    [component.to_vec(), section(1, module)].concat().into()
}
