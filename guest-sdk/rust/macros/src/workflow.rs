//! `#[dacapo::workflow]`

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemFn, Result};

use crate::attribute::Attribute;
use crate::signature::{Shape, error};

pub(crate) fn expand(attribute: &Attribute, function: ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(error(&signature.fn_token, "workflow", "is an `async fn`"));
    }
    let shape = Shape::of(signature, "workflow")?;

    let visibility = &function.vis;
    let ident = &signature.ident;
    let name = attribute.type_name(ident);
    let documentation = format!("The workflow type of [`{ident}()`].");
    let call = match &shape.input {
        None => quote!(let _ = input; let future = #ident();),
        Some(input) => quote_spanned! {input.span()=>
            let input = match ::dacapo::__private::workflow_input::<#input>(Self::NAME, input) {
                ::std::result::Result::Ok(input) => input,
                ::std::result::Result::Err(failure) => {
                    return ::std::boxed::Box::pin(::std::future::ready(
                        ::std::result::Result::Err(failure),
                    ));
                }
            };
            let future = #ident(input);
        },
    };
    let outcome = shape.outcome(&quote!(future.await));
    let value = shape.value_type();

    Ok(quote! {
        #function

        #[doc = #documentation]
        #[allow(non_camel_case_types, reason = "it shares the name of the function")]
        #visibility enum #ident {}

        impl ::dacapo::__private::Workflow for #ident {
            const NAME: &'static str = #name;

            fn start(
                input: &[u8],
            ) -> ::std::pin::Pin<::std::boxed::Box<
                dyn ::std::future::Future<
                    Output = ::std::result::Result<::std::vec::Vec<u8>, ::dacapo::Failure>,
                >,
            >> {
                #call
                ::std::boxed::Box::pin(async move {
                    let value = #outcome?;
                    ::dacapo::__private::workflow_result::<#value>(Self::NAME, &value)
                })
            }
        }
    })
}
