//! The code: two nested matches, as somebody would write them by hand.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, ExprPath, GenericParam, Generics, Path, parse_quote};

use crate::model::{Kind, Model, Source};

pub(crate) fn expand(input: &DeriveInput, model: &Model) -> TokenStream {
    let (home, name) = (&model.home, &input.ident);
    let generics = bounded(&input.generics, model);
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let [key_method, attribute_method] = [key_method(model), attribute_method(model)];
    quote! {
        #[automatically_derived]
        impl #parameters #home::Context for #name #arguments #bounds {
            #key_method
            #attribute_method
        }
    }
}

fn key_method(model: &Model) -> TokenStream {
    let home = &model.home;
    let kind = parameter("kind");
    let arms = model.kinds.iter().map(|Kind { name, key, .. }| {
        let key = key.key(home);
        quote!(#name => #key,)
    });
    // The first that has one.
    let nested = chain(&model.nested, |Source { of, .. }, context, rest| {
        let found = quote!(<#of as #home::Context>::key(#context, #kind));
        match rest {
            None => found,
            Some(rest) => quote! {
                match #found {
                    ::core::option::Option::None => #rest,
                    found => found,
                }
            },
        }
    });
    let body = by(&kind, arms, nested);
    quote! {
        #[inline]
        fn key(&self, #kind: &::core::primitive::str)
            -> ::core::option::Option<&::core::primitive::str>
        {
            #body
        }
    }
}

fn attribute_method(model: &Model) -> TokenStream {
    let home = &model.home;
    let (kind, name) = (parameter("kind"), parameter("name"));
    let arms: Vec<TokenStream> = model
        .kinds
        .iter()
        // A kind without attributes needs an arm where a nested context might know some.
        .filter(|kind| !kind.attributes.is_empty() || !model.nested.is_empty())
        .map(|Kind { name: kind, attributes, .. }| {
            let arms = attributes.iter().map(|(name, source)| {
                let value = source.attribute(home);
                quote!(#name => #value,)
            });
            let body = by(&name, arms, None);
            quote!(#kind => #body,)
        })
        .collect();
    // The first that knows it; where one has the key of the kind, the kind is its own.
    let nested = chain(&model.nested, |Source { of, .. }, context, rest| {
        let found = quote!(<#of as #home::Context>::attribute(#context, #kind, #name));
        match rest {
            None => found,
            Some(rest) => quote! {
                match #found {
                    ::core::option::Option::None
                        if ::core::option::Option::is_none(
                            &<#of as #home::Context>::key(#context, #kind)
                        ) => #rest,
                    found => found,
                }
            },
        }
    });
    let asks = !arms.is_empty() || nested.is_some();
    let [kind_parameter, name_parameter] =
        if asks { [quote!(#kind), quote!(#name)] } else { [quote!(_), quote!(_)] };
    let body = by(&kind, arms, nested);
    quote! {
        #[inline]
        fn attribute(
            &self,
            #kind_parameter: &::core::primitive::str,
            #name_parameter: &::core::primitive::str,
        ) -> ::core::option::Option<#home::AttributeValue<'_>> {
            #body
        }
    }
}

/// A parameter which no name in the user's code can mean.
fn parameter(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// A match over a text, without one where there is nothing to tell apart.
fn by(
    text: &Ident,
    arms: impl IntoIterator<Item = TokenStream>,
    otherwise: Option<TokenStream>,
) -> TokenStream {
    let mut arms = arms.into_iter().peekable();
    let otherwise = otherwise.unwrap_or_else(|| quote!(::core::option::Option::None));
    if arms.peek().is_none() {
        return otherwise;
    }
    quote! {
        match #text {
            #(#arms)*
            _ => #otherwise,
        }
    }
}

/// Asks one context after the other: `ask` is given one, a reference to it, and what follows.
fn chain(
    nested: &[Source],
    ask: impl Fn(&Source, TokenStream, Option<TokenStream>) -> TokenStream,
) -> Option<TokenStream> {
    nested.iter().rev().fold(None, |rest, source| Some(ask(source, source.reference(), rest)))
}

impl Source {
    fn reference(&self) -> TokenStream {
        let member = &self.member;
        quote!(&self.#member)
    }

    fn key(&self, home: &Path) -> TokenStream {
        let (of, field) = (&self.of, self.reference());
        let Some(with) = &self.with else {
            return quote!(<#of as #home::ContextKey>::text(#field));
        };
        let (at, lent) = self.lent_by(with);
        quote_spanned! {at=>
            ::core::convert::Into::<::core::option::Option<&::core::primitive::str>>::into(#lent)
        }
    }

    fn attribute(&self, home: &Path) -> TokenStream {
        let (of, field) = (&self.of, self.reference());
        let Some(with) = &self.with else {
            return quote!(<#of as #home::Attribute>::value(#field));
        };
        let (at, lent) = self.lent_by(with);
        quote_spanned!(at=> #home::__private::Lent::lent(#lent))
    }

    /// What is wrong with the function or its result is said at its name.
    fn lent_by(&self, with: &ExprPath) -> (Span, TokenStream) {
        let (at, field) = (Span::call_site().located_at(with.span()), &self.member);
        (at, quote_spanned!(at=> #with(&self.#field)))
    }
}

/// The struct's generics, and what the types of the fields must be where they depend on them.
fn bounded(generics: &Generics, model: &Model) -> Generics {
    let parameters: Vec<&Ident> = generics
        .params
        .iter()
        .filter_map(|parameter| match parameter {
            GenericParam::Type(parameter) => Some(&parameter.ident),
            GenericParam::Const(parameter) => Some(&parameter.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    let mut bounded = generics.clone();
    let mut bound = |source: &Source, to: &str| {
        let (of, home) = (&source.of, &model.home);
        if source.with.is_none() && mentions(of.to_token_stream(), &parameters) {
            let to = Ident::new(to, Span::call_site());
            bounded.make_where_clause().predicates.push(parse_quote!(#of: #home::#to));
        }
    };
    for kind in &model.kinds {
        bound(&kind.key, "ContextKey");
        kind.attributes.iter().for_each(|(_, source)| bound(source, "Attribute"));
    }
    model.nested.iter().for_each(|source| bound(source, "Context"));
    bounded
}

fn mentions(tokens: TokenStream, parameters: &[&Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => parameters.contains(&&ident),
        TokenTree::Group(group) => mentions(group.stream(), parameters),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
