//! What an input of a workflow may look like, as far as its source says.

use std::path::Path;

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Field, Fields, FnArg, GenericArgument, Item, ItemFn, Lit, Meta};
use syn::{PathArguments, Token, Type};

/// Types in types in types. A type may hold itself.
const DEPTH_MAX: u32 = 5;

/// Source files that are looked at, and bytes of each.
const FILES_MAX: usize = 500;
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// JSON that the workflow of a crate can be started with; `Some("null")` if it takes
/// nothing. None if its source, which is only looked at, does not say. Blocks.
pub(crate) fn example_input(folder: &Path, workflow: &str) -> Option<String> {
    let items = Items(read(&folder.join("src")));
    let function = items.functions().find(|it| type_name(it).as_deref() == Some(workflow))?;
    match function.sig.inputs.first() {
        None => Some("null".to_owned()),
        Some(FnArg::Typed(argument)) => items.of_type(&argument.ty, 0),
        Some(FnArg::Receiver(_)) => None,
    }
}

/// The items of all files of a crate.
fn read(folder: &Path) -> Vec<Item> {
    let (mut folders, mut items, mut files) = (vec![folder.to_path_buf()], Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().into_iter().flatten().filter_map(Result::ok) {
            let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
            let is_source = path.extension().is_some_and(|end| end == "rs");
            if metadata.is_dir() {
                folders.push(path);
            } else if is_source && files < FILES_MAX && metadata.len() <= FILE_BYTES_MAX {
                files += 1;
                let text = std::fs::read_to_string(path).unwrap_or_default();
                items.extend(syn::parse_file(&text).into_iter().flat_map(|file| file.items));
            }
        }
    }
    items
}

struct Items(Vec<Item>);

impl Items {
    fn functions(&self) -> impl Iterator<Item = &ItemFn> {
        self.0.iter().filter_map(|item| match item {
            Item::Fn(function) => Some(function),
            _ => None,
        })
    }

    fn of_type(&self, ty: &Type, depth: u32) -> Option<String> {
        if depth > DEPTH_MAX {
            return None;
        }
        match ty {
            Type::Reference(reference) => self.of_type(&reference.elem, depth),
            Type::Paren(inner) => self.of_type(&inner.elem, depth),
            Type::Group(inner) => self.of_type(&inner.elem, depth),
            Type::Tuple(tuple) if tuple.elems.is_empty() => Some("null".to_owned()),
            Type::Tuple(tuple) => self.list(tuple.elems.iter(), depth),
            Type::Path(path) => {
                let last = path.path.segments.last()?;
                let name = last.ident.to_string();
                let inner = match &last.arguments {
                    PathArguments::AngleBracketed(arguments) => {
                        arguments.args.iter().find_map(|argument| match argument {
                            GenericArgument::Type(ty) => Some(ty),
                            _ => None,
                        })
                    }
                    _ => None,
                };
                self.named(&name, inner, depth)
            }
            _ => None,
        }
    }

    fn named(&self, name: &str, inner: Option<&Type>, depth: u32) -> Option<String> {
        let text = match name {
            "String" | "str" | "Cow" => "\"text\"",
            "char" => "\"c\"",
            "bool" => "true",
            "f32" | "f64" => "1.5",
            "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "1",
            "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "1",
            "Value" | "HashMap" | "BTreeMap" | "Map" => "{}",
            "Option" => "null",
            "Box" | "Rc" | "Arc" => return self.of_type(inner?, depth + 1),
            "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => {
                return Some(format!("[{}]", self.of_type(inner?, depth + 1)?));
            }
            _ => return self.defined(name, depth + 1),
        };
        Some(text.to_owned())
    }

    /// A type that the crate itself defines.
    fn defined(&self, name: &str, depth: u32) -> Option<String> {
        self.0.iter().find_map(|item| match item {
            Item::Struct(it) if it.ident == name && it.generics.params.is_empty() => {
                self.of_fields(&it.fields, &Serde::of(&it.attrs)?, depth)
            }
            Item::Enum(it) if it.ident == name && it.generics.params.is_empty() => {
                let serde = Serde::of(&it.attrs)?;
                let variant = it.variants.first()?;
                let name = serde.name(&variant.ident.to_string(), &Serde::of(&variant.attrs)?)?;
                match &variant.fields {
                    Fields::Unit => Some(format!("{name:?}")),
                    fields => {
                        let fields = self.of_fields(fields, &Serde::default(), depth)?;
                        Some(format!("{{{name:?}: {fields}}}"))
                    }
                }
            }
            Item::Type(it) if it.ident == name && it.generics.params.is_empty() => {
                self.of_type(&it.ty, depth)
            }
            _ => None,
        })
    }

    fn of_fields(&self, fields: &Fields, container: &Serde, depth: u32) -> Option<String> {
        match fields {
            Fields::Unit => Some("null".to_owned()),
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                self.of_type(&fields.unnamed.first()?.ty, depth)
            }
            Fields::Unnamed(fields) => self.list(fields.unnamed.iter().map(|it| &it.ty), depth),
            Fields::Named(fields) => {
                let fields =
                    fields.named.iter().map(|field| self.of_field(field, container, depth));
                let fields: Option<Vec<_>> = fields.collect();
                let fields: Vec<_> = fields?.into_iter().flatten().collect();
                Some(format!("{{{}}}", fields.join(", ")))
            }
        }
    }

    /// A field with its name. `Some(None)` if it may be left out.
    fn of_field(&self, field: &Field, container: &Serde, depth: u32) -> Option<Option<String>> {
        let serde = Serde::of(&field.attrs)?;
        let value = self.of_type(&field.ty, depth);
        if serde.is_optional || container.is_optional || value.as_deref() == Some("null") {
            return Some(None);
        }
        let ident = field.ident.as_ref()?.to_string();
        let name = container.name(ident.trim_start_matches("r#"), &serde)?;
        Some(Some(format!("{name:?}: {}", value?)))
    }

    fn list<'t>(&self, types: impl Iterator<Item = &'t Type>, depth: u32) -> Option<String> {
        let values: Option<Vec<_>> = types.map(|ty| self.of_type(ty, depth + 1)).collect();
        Some(format!("[{}]", values?.join(", ")))
    }
}

/// What `#[serde(...)]` says about names and about what may be left out.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<String>,
    is_optional: bool,
}

impl Serde {
    /// None if it says something that is not understood here.
    fn of(attributes: &[Attribute]) -> Option<Self> {
        let mut serde = Self::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("serde")) {
            let list = Punctuated::<Meta, Token![,]>::parse_terminated;
            for meta in attribute.parse_args_with(list).ok()? {
                match meta.path().get_ident()?.to_string().as_str() {
                    "rename" => serde.rename = Some(text_of(&meta)?),
                    "rename_all" => serde.rename_all = Some(text_of(&meta)?),
                    "default" | "skip" | "skip_deserializing" => serde.is_optional = true,
                    "deny_unknown_fields"
                    | "skip_serializing"
                    | "skip_serializing_if"
                    | "transparent"
                    | "crate"
                    | "alias" => {}
                    _ => return None,
                }
            }
        }
        Some(serde)
    }

    /// How a part of this is named.
    fn name(&self, ident: &str, part: &Self) -> Option<String> {
        if let Some(name) = &part.rename {
            return Some(name.clone());
        }
        let words = words(ident);
        let capital = |word: &String| {
            let mut letters = word.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            first.chain(letters).collect::<String>()
        };
        Some(match self.rename_all.as_deref() {
            None => ident.to_owned(),
            Some("lowercase") => words.concat(),
            Some("UPPERCASE") => words.concat().to_uppercase(),
            Some("snake_case") => words.join("_"),
            Some("kebab-case") => words.join("-"),
            Some("SCREAMING_SNAKE_CASE") => words.join("_").to_uppercase(),
            Some("SCREAMING-KEBAB-CASE") => words.join("-").to_uppercase(),
            Some("PascalCase") => words.iter().map(capital).collect(),
            Some("camelCase") => {
                let (first, rest) = words.split_first()?;
                first.clone() + &rest.iter().map(capital).collect::<String>()
            }
            Some(_) => return None,
        })
    }
}

/// The words of `order_id` and `OrderId`, in small letters.
fn words(ident: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in ident.chars() {
        let is_full = words.last().is_some_and(|word| !word.is_empty());
        if is_full && (letter == '_' || letter.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter != '_') {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

/// The workflow type that a function defines, if it does.
fn type_name(function: &ItemFn) -> Option<String> {
    let is_workflow = |attribute: &&Attribute| {
        attribute.path().segments.last().is_some_and(|last| last.ident == "workflow")
    };
    let attribute = function.attrs.iter().find(is_workflow)?;
    let named = match &attribute.meta {
        Meta::List(_) => attribute.parse_args::<Meta>().ok().and_then(|meta| text_of(&meta)),
        _ => None,
    };
    Some(named.unwrap_or_else(|| function.sig.ident.to_string()))
}

/// `x` of `name = "x"`.
fn text_of(meta: &Meta) -> Option<String> {
    let Meta::NameValue(pair) = meta else { return None };
    match &pair.value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"
        use dacapo::Failure;

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Order {
            order_id: String,
            #[serde(rename = "n")]
            quantity: u32,
            lines: Vec<Line>,
            urgent: bool,
            note: Option<String>,
            #[serde(default)]
            tags: Vec<String>,
            paid_with: Method,
        }

        #[derive(Deserialize)]
        struct Line(String, f64);

        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Method { CreditCard, Cash(u32) }

        #[derive(Deserialize)]
        struct Wrapped(Box<Cents>);
        type Cents = i64;

        #[derive(Deserialize)]
        #[serde(tag = "kind")]
        enum Tagged { One }

        #[derive(Deserialize)]
        struct Endless { next: Vec<Endless> }

        #[dacapo::workflow]
        async fn checkout(order: Order) -> Result<(), Failure> { Ok(()) }
        #[dacapo::workflow(name = "greet-all")]
        async fn greet(names: Vec<String>) {}
        #[workflow]
        async fn nothing() {}
        #[workflow]
        async fn wrapped(wrapped: &Wrapped) {}
        #[workflow]
        async fn tagged(tagged: Tagged) {}
        #[workflow]
        async fn foreign(it: elsewhere::Thing) {}
        #[workflow]
        async fn endless(it: Endless) {}
        fn checkout_helper(x: u8) {}
    "##;

    #[test]
    fn an_input_fits_what_the_source_says() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir_all(folder.path().join("src/deep")).expect("made");
        std::fs::write(folder.path().join("src/deep/lib.rs"), SOURCE).expect("written");
        let input = |workflow| example_input(folder.path(), workflow);
        let order = r#"{"orderId": "text", "n": 1, "lines": [["text", 1.5]], "urgent": true, "paidWith": "credit_card"}"#;
        assert_eq!(input("checkout").as_deref(), Some(order));
        assert_eq!(input("greet-all").as_deref(), Some(r#"["text"]"#));
        assert_eq!(input("nothing").as_deref(), Some("null"));
        assert_eq!(input("wrapped").as_deref(), Some("1"));
    }

    #[test]
    fn what_the_source_does_not_say_is_not_made_up() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::create_dir(folder.path().join("src")).expect("made");
        std::fs::write(folder.path().join("src/lib.rs"), SOURCE).expect("written");
        for workflow in ["tagged", "foreign", "endless", "greet", "checkout_helper", "unknown"] {
            assert_eq!(example_input(folder.path(), workflow), None, "{workflow}");
        }
        assert_eq!(example_input(Path::new("/no/such/folder"), "checkout"), None);
    }
}
