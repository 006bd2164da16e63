//! `#[dacapo::activity]`

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemFn, Result};

use crate::attribute::Attribute;
use crate::signature::Shape;

pub(crate) fn expand(attribute: &Attribute, mut function: ItemFn) -> Result<TokenStream> {
    let shape = Shape::of(&function.sig, "activity")?;

    let visibility = function.vis.clone();
    let ident = function.sig.ident.clone();
    let name = attribute.type_name(&ident);
    let value = shape.value_type();
    let documentation: Vec<_> =
        function.attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).collect();
    let stub = match &shape.input {
        None => quote! {
            #visibility fn #ident() -> ::dacapo::ActivityCall<#value> {
                ::dacapo::ActivityCall::without_input(<#ident as ::dacapo::__private::Activity>::NAME)
            }
        },
        Some(input) => quote_spanned! {input.span()=>
            #visibility fn #ident(input: #input) -> ::dacapo::ActivityCall<#value> {
                ::dacapo::ActivityCall::with_input(
                    <#ident as ::dacapo::__private::Activity>::NAME,
                    &input,
                )
            }
        },
    };
    let call = match &shape.input {
        None => quote!(let _ = input; let returned = Self::run();),
        Some(input) => quote_spanned! {input.span()=>
            let input = ::dacapo::__private::activity_input::<#input>(Self::NAME, input)?;
            let returned = Self::run(input);
        },
    };
    let outcome = if function.sig.asyncness.is_some() {
        let awaited = shape.outcome(&quote!(returned.await));
        quote!(::dacapo::__private::block_on_activity(async move { #awaited }))
    } else {
        shape.outcome(&quote!(returned))
    };
    let type_documentation = format!("The activity type of [`{ident}()`].");
    let stub = quote! {
        #(#documentation)*
        #[allow(dead_code, reason = "workflows of other modules may be the only callers")]
        #[track_caller]
        #stub
    };

    function.sig.ident = format_ident!("run", span = ident.span());
    Ok(quote! {
        #stub

        #[doc = #type_documentation]
        #[allow(non_camel_case_types, reason = "it shares the name of the function")]
        #visibility enum #ident {}

        impl #ident {
            #function
        }

        impl ::dacapo::__private::Activity for #ident {
            const NAME: &'static str = #name;

            fn execute(
                input: &[u8],
            ) -> ::std::result::Result<::std::vec::Vec<u8>, ::dacapo::Failure> {
                #call
                let value = #outcome?;
                ::dacapo::__private::activity_result::<#value>(Self::NAME, &value)
            }
        }
    })
}
