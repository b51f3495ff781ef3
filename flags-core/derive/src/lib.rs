//! `#[derive(Context)]` of *flags*. Its documentation, with examples that run, is where it is
//! re-exported: in `flags_core`, and in `flags_client`.
//!
//! Three steps, each in a file: what an attribute says, what the struct means by it (the only one
//! that judges), and the code.

#![forbid(unsafe_code)]

mod arguments;
mod expand;
mod model;

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, Path, parse_macro_input, parse_quote};

/// A struct as a context of feature flags.
///
#[doc = include_str!("arguments.md")]
// The code it writes names `::flags_core`.
#[proc_macro_derive(Context, attributes(context))]
pub fn derive_context(input: TokenStream) -> TokenStream {
    derive(&parse_macro_input!(input), parse_quote!(::flags_core))
}

/// A struct as a context of feature flags.
///
#[doc = include_str!("arguments.md")]
// The code it writes names `::flags_client`, which re-exports it as `Context`.
#[proc_macro_derive(ClientContext, attributes(context))]
pub fn derive_client_context(input: TokenStream) -> TokenStream {
    derive(&parse_macro_input!(input), parse_quote!(::flags_client))
}

fn derive(input: &DeriveInput, home: Path) -> TokenStream {
    model::Model::read(input, home)
        .map_or_else(Error::into_compile_error, |model| expand::expand(input, &model))
        .into()
}
