//! The shape that workflows and activities have in common.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Result, ReturnType, Safety, Signature, Type};

/// The argument and the result of a workflow or an activity.
pub(crate) struct Shape {
    /// The type of the only argument, if there is one.
    pub(crate) input: Option<Type>,
    /// What the function returns.
    output: Type,
    /// Whether it may return a failure.
    fallible: bool,
}

impl Shape {
    /// Checks a signature. `noun` is "workflow" or "activity".
    pub(crate) fn of(signature: &Signature, noun: &str) -> Result<Self> {
        reject(signature.constness.as_ref(), noun, "can't be `const`")?;
        if let Safety::Unsafe(token) = &signature.safety {
            return Err(error(token, noun, "can't be `unsafe`"));
        }
        reject(signature.abi.as_ref(), noun, "can't have an ABI")?;
        reject(signature.variadic.as_ref(), noun, "can't be variadic")?;
        let generics = &signature.generics;
        reject(
            generics.params.first(),
            noun,
            "can't be generic: its type name stands for one function",
        )?;
        reject(generics.where_clause.as_ref(), noun, "can't have a `where` clause")?;
        let input = match signature.inputs.len() {
            0 => None,
            1 => Some(input_type(&signature.inputs[0], noun)?),
            _ => {
                let advice = "takes one argument at most: put the others into a struct";
                return Err(error(&signature.inputs[1], noun, advice));
            }
        };
        let output = match &signature.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, output) => {
                if let Type::ImplTrait(_) = **output {
                    return Err(error(output, noun, "returns a named type, not `impl Trait`"));
                }
                (**output).clone()
            }
        };
        let fallible = is_result(&output);
        Ok(Self { input, output, fallible })
    }

    /// The type of a success.
    pub(crate) fn value_type(&self) -> TokenStream {
        let output = &self.output;
        if self.fallible {
            quote_spanned!(output.span()=> <#output as ::dacapo::__private::Fallible>::Value)
        } else {
            quote!(#output)
        }
    }

    /// Turns what the function returned into a `Result<Value, Failure>`.
    pub(crate) fn outcome(&self, returned: &TokenStream) -> TokenStream {
        if self.fallible {
            quote_spanned!(self.output.span()=> ::dacapo::__private::Fallible::into_outcome(#returned))
        } else {
            quote!(::std::result::Result::<_, ::dacapo::Failure>::Ok(#returned))
        }
    }
}

fn input_type(input: &FnArg, noun: &str) -> Result<Type> {
    let FnArg::Typed(input) = input else {
        return Err(error(input, noun, "is a free function, not a method"));
    };
    match &*input.ty {
        Type::Reference(_) => Err(error(
            &input.ty,
            noun,
            "takes an owned argument, which is decoded from the history",
        )),
        Type::ImplTrait(_) => Err(error(&input.ty, noun, "takes a named type, not `impl Trait`")),
        owned => Ok(owned.clone()),
    }
}

fn is_result(output: &Type) -> bool {
    match output {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "Result"),
        Type::Paren(inner) => is_result(&inner.elem),
        Type::Group(inner) => is_result(&inner.elem),
        _ => false,
    }
}

fn reject<T: quote::ToTokens>(found: Option<&T>, noun: &str, rule: &str) -> Result<()> {
    found.map_or(Ok(()), |found| Err(error(found, noun, rule)))
}

pub(crate) fn error(at: &impl quote::ToTokens, noun: &str, rule: &str) -> Error {
    let article = if noun.starts_with('a') { "an" } else { "a" };
    Error::new_spanned(at, format!("{article} {noun} {rule}"))
}
