//! The WIT against what was released of it (docs/adr/0011): a component that was built
//! for an earlier release must still fit, so nothing that was there may change its shape.

use std::collections::BTreeMap;
use std::path::Path;

use wit_parser::{
    Function, Handle, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner, WorldItem,
};

/// Copies of the WIT as it was released, each with a component that is built for it.
const GUESTS: &str = "tests/guests";
const RELEASED: &str = "released-";

#[test]
fn nothing_that_was_released_has_changed_its_shape() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let current = Shapes::read(&root.join("wit"));
    let folders = std::fs::read_dir(root.join(GUESTS)).expect("the guests are there");
    let folders = folders.map(|folder| folder.expect("it can be read").file_name());
    let folders = folders.filter_map(|name| name.into_string().ok());
    let released: Vec<_> = folders.filter(|name| name.starts_with(RELEASED)).collect();
    assert!(!released.is_empty(), "no release is kept");
    let mut problems = Vec::new();
    for folder in released {
        let released = Shapes::read(&root.join(GUESTS).join(&folder).join("wit"));
        problems.extend(current.differences(&released, &format!("{GUESTS}/{folder}/wit")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// All that a component depends on, by name: functions, types, what worlds import and
/// export.
#[derive(Debug, Default)]
struct Shapes {
    package: String,
    /// What may only be added to.
    named: BTreeMap<String, String>,
    /// What may not even be added to: a component exports what there was.
    exported: BTreeMap<String, String>,
}

impl Shapes {
    fn read(folder: &Path) -> Self {
        let mut resolve = Resolve::default();
        let read = resolve.push_dir(folder);
        let (package, _) = read.unwrap_or_else(|error| panic!("{}: {error:?}", folder.display()));
        Self::of(&resolve, package)
    }

    fn of(resolve: &Resolve, package: wit_parser::PackageId) -> Self {
        let package = &resolve.packages[package];
        let mut shapes = Self { package: package.name.to_string(), ..Self::default() };
        for (name, interface) in &package.interfaces {
            shapes.interface(resolve, name, *interface);
        }
        for (name, world) in &package.worlds {
            let world = &resolve.worlds[*world];
            for key in world.imports.keys() {
                let import = resolve.name_world_key(key);
                shapes.named.insert(format!("world {name}: import {import}"), String::new());
            }
            let exports: Vec<_> =
                world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
            shapes.exported.insert(format!("exports of world {name}"), exports.join(", "));
            for item in world.exports.values() {
                if let WorldItem::Interface { id, .. } = item {
                    let functions = resolve.interfaces[*id].functions.keys().cloned();
                    let functions = functions.collect::<Vec<_>>().join(", ");
                    let name = resolve.interfaces[*id].name.clone().unwrap_or_default();
                    shapes.exported.insert(format!("functions of interface {name}"), functions);
                }
            }
        }
        shapes
    }

    fn interface(&mut self, resolve: &Resolve, name: &str, id: InterfaceId) {
        let interface = &resolve.interfaces[id];
        for (function, signature) in &interface.functions {
            let key = format!("function {name}.{function}");
            self.named.insert(key, Shape { resolve }.function(signature));
        }
        for (type_name, id) in &interface.types {
            let shape = Shape { resolve }.definition(*id);
            self.named.insert(format!("type {name}.{type_name}"), shape);
        }
    }

    /// What a component that was built for `released` would not find here.
    fn differences(&self, released: &Self, path: &str) -> Vec<String> {
        if self.package != released.package {
            return vec![format!(
                "wit/ has the package {}, and {path} {}: keep the WIT of the former, link it \
                 beside the new one, and let this check know where it is (docs/adr/0011)",
                self.package, released.package
            )];
        }
        let named = released.named.iter().map(|it| (it, self.named.get(it.0)));
        let exported = released.exported.iter().map(|it| (it, self.exported.get(it.0)));
        let rule = "components that were built for it would be refused. Add a function or an \
                    interface instead (docs/adr/0011)";
        named
            .chain(exported)
            .filter_map(|((name, was), is)| match is {
                None => Some(format!("{path} has {name}, and wit/ does not: {rule}")),
                Some(is) if is == was => None,
                Some(is) => {
                    Some(format!("{name} is `{is}` in wit/, and `{was}` in {path}: {rule}"))
                }
            })
            .collect()
    }
}

/// Writes types down, whole: two of the same text are the same to a component.
struct Shape<'a> {
    resolve: &'a Resolve,
}

impl Shape<'_> {
    fn function(&self, function: &Function) -> String {
        let parameters = function.params.iter();
        let parameters = parameters.map(|it| format!("{}: {}", it.name, self.of(&it.ty)));
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        match &function.result {
            Some(result) => format!("func({parameters}) -> {}", self.of(result)),
            None => format!("func({parameters})"),
        }
    }

    fn of(&self, ty: &Type) -> String {
        match ty {
            Type::Id(id) => self.definition(*id),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    fn optional(&self, ty: Option<&Type>) -> String {
        ty.map_or_else(|| "_".to_owned(), |ty| self.of(ty))
    }

    fn definition(&self, id: TypeId) -> String {
        let definition = &self.resolve.types[id];
        let list = |parts: Vec<String>| parts.join(", ");
        match &definition.kind {
            TypeDefKind::Type(other) => self.of(other),
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter();
                let fields = fields.map(|it| format!("{}: {}", it.name, self.of(&it.ty)));
                format!("record {{{}}}", list(fields.collect()))
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter();
                let cases =
                    cases.map(|it| format!("{}({})", it.name, self.optional(it.ty.as_ref())));
                format!("variant {{{}}}", list(cases.collect()))
            }
            TypeDefKind::Enum(it) => {
                let cases = it.cases.iter().map(|case| case.name.clone());
                format!("enum {{{}}}", list(cases.collect()))
            }
            TypeDefKind::Flags(it) => {
                let flags = it.flags.iter().map(|flag| flag.name.clone());
                format!("flags {{{}}}", list(flags.collect()))
            }
            TypeDefKind::Tuple(tuple) => {
                format!("tuple<{}>", list(tuple.types.iter().map(|it| self.of(it)).collect()))
            }
            TypeDefKind::Option(ty) => format!("option<{}>", self.of(ty)),
            TypeDefKind::List(ty) => format!("list<{}>", self.of(ty)),
            TypeDefKind::Result(it) => format!(
                "result<{}, {}>",
                self.optional(it.ok.as_ref()),
                self.optional(it.err.as_ref())
            ),
            TypeDefKind::Handle(Handle::Own(id)) => format!("own {}", self.name(*id)),
            TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow {}", self.name(*id)),
            other => format!("{} {}", other.as_str(), self.name(id)),
        }
    }

    fn name(&self, id: TypeId) -> String {
        let definition = &self.resolve.types[id];
        let owner = match definition.owner {
            TypeOwner::Interface(id) => self.resolve.interfaces[id].name.clone(),
            _ => None,
        };
        format!("{}.{}", owner.unwrap_or_default(), definition.name.clone().unwrap_or_default())
    }
}

const EXAMPLE: &str = "
    package a:b@0.1.0;
    interface types { record options { a: option<u32> } variant what { one(options), two } }
    interface calls { use types.{what}; call: func(it: what) -> result<_, string>; }
    interface main { run: func(); }
    world module { import calls; export main; }
";

fn shapes(wit: &str) -> Shapes {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("a.wit", wit).expect("it is WIT");
    Shapes::of(&resolve, package)
}

fn found(from: &str, to: &str) -> Vec<String> {
    assert!(EXAMPLE.contains(from), "{from}");
    let changed = EXAMPLE.replace(from, to);
    shapes(&changed).differences(&shapes(EXAMPLE), "the release")
}

#[test]
fn what_is_added_is_no_problem() {
    let more = "call: func(it: what) -> result<_, string>; other: func() -> bool;";
    for (from, to) in [
        ("", ""),
        ("call: func(it: what) -> result<_, string>;", more),
        ("interface main", "interface more { f: func(); } interface main"),
        ("import calls;", "import calls; import types;"),
    ] {
        assert_eq!(found(from, to), [""; 0], "{to}");
    }
}

#[test]
fn what_changes_its_shape_is_named_with_both_shapes() {
    for (from, to, name) in [
        ("a: option<u32>", "a: option<u32>, b: bool", "type types.options is"),
        ("two }", "two, three }", "type types.what is"),
        ("-> result<_, string>", "-> result<u8, string>", "function calls.call is"),
        ("it: what", "that: what", "function calls.call is"),
        (
            "call: func(it: what) -> result<_, string>;",
            "",
            "function calls.call, and wit/ does not",
        ),
        ("run: func();", "run: func(); stop: func();", "functions of interface main is"),
        ("import calls;", "", "world module: import a:b/calls@0.1.0, and wit/ does not"),
        ("export main;", "export main; export calls;", "exports of world module is"),
        ("a:b@0.1.0", "a:b@0.2.0", "has the package a:b@0.2.0"),
    ] {
        let problems = found(from, to);
        assert!(problems.iter().any(|it| it.contains(name)), "{to}: {problems:?}");
    }
}
