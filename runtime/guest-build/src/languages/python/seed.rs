//! A library that is linked into each component beside Python's own. Python orders a set of
//! texts by hashes, which depend on a seed that it draws when it starts: here, when the
//! component is built. Before Python starts, this sets the variables by which it is told its
//! seed, so that every build has the same; and to read and write no compiled files, as sets
//! in those may have another order.

use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, DataSection, EntityType, ExportKind, ExportSection,
    Function, FunctionSection, GlobalType, ImportSection, MemoryType, Module, TypeSection, ValType,
};

/// What componentize-py takes for a library: the beginning does not matter.
pub(super) const FILE: &str = "dacapo_seed.abi3.so";

const VARIABLES: [(&str, &str); 3] = [
    ("PYTHONHASHSEED", "0"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    // A folder that is not there.
    ("PYTHONPYCACHEPREFIX", "/none"),
];

/// The types of functions: `setenv` of the C library, and one without arguments.
const SETENV: u32 = 0;
const NOTHING: u32 = 1;

/// The library: a core module that calls `setenv` for each variable when it is loaded.
pub(super) fn library() -> Vec<u8> {
    let mut data = Vec::new();
    let mut set = Function::new([]);
    for (name, value) in VARIABLES {
        let name = text(&mut data, name);
        let value = text(&mut data, value);
        let mut call = set.instructions();
        for place in [name, value] {
            call.global_get(0).i32_const(place).i32_add();
        }
        call.i32_const(1).call(0).drop();
    }
    set.instructions().end();

    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 3], [ValType::I32]);
    types.ty().function([], []);

    let memory = MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    let base = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
    let mut imports = ImportSection::new();
    imports.import("env", "memory", memory);
    imports.import("env", "__memory_base", base);
    imports.import("env", "setenv", EntityType::Function(SETENV));

    let mut functions = FunctionSection::new();
    functions.function(NOTHING);
    let mut exports = ExportSection::new();
    exports.export("__wasm_call_ctors", ExportKind::Func, 1);
    let mut code = CodeSection::new();
    code.function(&set);
    let size = u8::try_from(data.len()).expect("the texts are short");
    let mut texts = DataSection::new();
    texts.active(0, &ConstExpr::global_get(0), data);

    let mut module = Module::new();
    module
        .section(&CustomSection { name: "dylink.0".into(), data: (&needs(size)[..]).into() })
        .section(&types)
        .section(&imports)
        .section(&functions)
        .section(&exports)
        .section(&code)
        .section(&texts);
    module.finish()
}

/// The part of `dylink.0` that says how much memory the library needs, in bytes, and nothing
/// of the table.
fn needs(bytes: u8) -> [u8; 7] {
    const MEM_INFO: u8 = 1;
    let [low, high] = [bytes & 0x7f | 0x80, bytes >> 7];
    [MEM_INFO, 5, low, high, 0, 0, 0]
}

/// Adds a text as C has it, and tells its place.
fn text(data: &mut Vec<u8>, text: &str) -> i32 {
    let place = i32::try_from(data.len()).expect("the texts are short");
    data.extend(text.bytes().chain([0]));
    place
}
