//! What `#[context(…)]` says, on a struct and on a field.

use proc_macro2::Span;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned as _;
use syn::{Attribute, Error, ExprPath, LitStr, Path, Result};

/// On a struct.
#[derive(Default)]
pub(crate) struct StructArguments {
    /// `kind = "user"`: of the fields that name none themselves.
    pub(crate) kind: Option<LitStr>,
    /// `crate = "flags"`: where the traits are.
    pub(crate) home: Option<Path>,
}

/// On a field.
#[derive(Default)]
pub(crate) struct FieldArguments {
    /// `kind = "tenant"`: the kind that the field belongs to.
    pub(crate) kind: Option<LitStr>,
    /// `key`: the field is the key of its kind.
    pub(crate) key: Option<Span>,
    /// `rename = "signup"`: the attribute's name.
    pub(crate) rename: Option<LitStr>,
    /// `with = Plan::name`: what makes the value out of a reference to the field.
    pub(crate) with: Option<ExprPath>,
    /// `nested`: the field is a context itself.
    pub(crate) nested: Option<Span>,
    /// `skip`: the field is not part of the context.
    pub(crate) skip: Option<Span>,
}

/// What a field is beside which no other argument means anything.
#[derive(PartialEq, Eq)]
pub(crate) enum Alone {
    Skip,
    Nested,
}

impl StructArguments {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut arguments = Self::default();
        each(attributes, |name, meta| match name {
            "kind" => once(&mut arguments.kind, meta, |meta| meta.value()?.parse()),
            "crate" => once(&mut arguments.home, meta, |meta| {
                meta.value()?.parse::<LitStr>()?.parse_with(Path::parse_mod_style)
            }),
            "key" | "rename" | "with" | "nested" | "skip" => {
                Err(meta.error(format!("`{name}` belongs to a field, not to the struct")))
            }
            _ => {
                Err(meta
                    .error(format!("unknown argument `{name}`: a struct takes `kind` and `crate`")))
            }
        })?;
        Ok(arguments)
    }
}

impl FieldArguments {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut arguments = Self::default();
        let here = |meta: &ParseNestedMeta<'_>| Ok(meta.path.span());
        each(attributes, |name, meta| match name {
            "kind" => once(&mut arguments.kind, meta, |meta| meta.value()?.parse()),
            "key" => once(&mut arguments.key, meta, here),
            "rename" => once(&mut arguments.rename, meta, |meta| meta.value()?.parse()),
            "with" => once(&mut arguments.with, meta, |meta| {
                let value = meta.value()?;
                if value.peek(LitStr) {
                    return Err(value.error("expected a path without quotes, such as `Plan::name`"));
                }
                value.parse()
            }),
            "nested" => once(&mut arguments.nested, meta, here),
            "skip" => once(&mut arguments.skip, meta, here),
            "crate" => Err(meta.error("`crate` belongs to the struct, not to a field")),
            _ => Err(meta.error(format!(
                "unknown argument `{name}`: a field takes `kind`, `key`, `rename`, `with`, \
                 `nested` and `skip`"
            ))),
        })?;
        Ok(arguments)
    }

    /// Which of `skip` and `nested` there is.
    pub(crate) fn alone(&self) -> Result<Option<Alone>> {
        let (at, name, alone) = match (self.skip, self.nested) {
            (None, None) => return Ok(None),
            (Some(at), None) => (at, "skip", Alone::Skip),
            (None, Some(at)) => (at, "nested", Alone::Nested),
            (Some(_), Some(at)) => {
                return Err(Error::new(at, "`skip` and `nested` exclude each other"));
            }
        };
        let others = [
            ("kind", self.kind.is_some()),
            ("key", self.key.is_some()),
            ("rename", self.rename.is_some()),
            ("with", self.with.is_some()),
        ];
        match others.into_iter().find(|(_, is_there)| *is_there) {
            None => Ok(Some(alone)),
            Some((other, _)) => Err(Error::new(
                at,
                format!("`{name}` stands alone: `{other}` means nothing beside it"),
            )),
        }
    }
}

fn each(
    attributes: &[Attribute],
    mut take: impl FnMut(&str, &ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("context")) {
        attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            take(&name, &meta)
        })?;
    }
    Ok(())
}

fn once<T>(
    place: &mut Option<T>,
    meta: &ParseNestedMeta<'_>,
    read: impl FnOnce(&ParseNestedMeta<'_>) -> Result<T>,
) -> Result<()> {
    if place.is_some() {
        let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
        return Err(meta.error(format!("`{name}` is said twice")));
    }
    *place = Some(read(meta)?);
    Ok(())
}
