//! `#[dacapo::workflow]`

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemFn, Result};

use crate::attribute::Attribute;
use crate::signature::{Shape, error};

pub(crate) fn expand(attribute: &Attribute, mut function: ItemFn) -> Result<TokenStream> {
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(error(&signature.fn_token, "workflow", "is an `async fn`"));
    }
    let shape = Shape::of(signature, "workflow")?;

    let visibility = function.vis.clone();
    let ident = signature.ident.clone();
    let name = attribute.type_name(&ident);
    let value = shape.value_type();
    let documentation: Vec<_> =
        function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).collect();
    let stub = match &shape.input {
        None => quote! {
            #visibility fn #ident() -> ::dacapo::ChildCall<#value> {
                ::dacapo::ChildCall::without_input(<#ident as ::dacapo::__private::Workflow>::NAME)
            }
        },
        // Only a workflow that is called as a child must be able to encode its
        // input: a bound with a lifetime is checked where the function is called.
        Some(input) => quote_spanned! {input.span()=>
            #visibility fn #ident(input: #input) -> ::dacapo::ChildCall<#value>
            where
                for<'a> #input: ::dacapo::__private::Serialize,
            {
                ::dacapo::ChildCall::named(
                    <#ident as ::dacapo::__private::Workflow>::NAME,
                    &input,
                )
            }
        },
    };
    let stub = quote! {
        #(#documentation)*
        #[allow(
            dead_code,
            unused_lifetimes,
            reason = "it may never be the child of another workflow; for the bound, see the macro"
        )]
        #[track_caller]
        #stub
    };
    let type_documentation = format!("The workflow type of [`{ident}()`].");
    let call = match &shape.input {
        None => quote!(let _ = input; let future = Self::run();),
        Some(input) => quote_spanned! {input.span()=>
            let input = match ::dacapo::__private::workflow_input::<#input>(Self::NAME, input) {
                ::std::result::Result::Ok(input) => input,
                ::std::result::Result::Err(failure) => {
                    return ::std::boxed::Box::pin(::std::future::ready(
                        ::std::result::Result::Err(failure),
                    ));
                }
            };
            let future = Self::run(input);
        },
    };
    let outcome = shape.outcome(&quote!(future.await));

    function.sig.ident = format_ident!("run", span = ident.span());
    Ok(quote! {
        #stub

        #[doc = #type_documentation]
        #[allow(non_camel_case_types, reason = "it shares the name of the function")]
        #visibility enum #ident {}

        impl #ident {
            #function
        }

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
