//! What a struct means: its kinds, each with a key and attributes, and the contexts inside it.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, ExprPath, Field, LitStr, Member, Path, Result, Type};

use crate::arguments::{Alone, FieldArguments, StructArguments};

/// Longest name of a kind and of an attribute, in bytes: `MAX_KEY_BYTES` of `flags_core`.
const MAX_NAME_BYTES: usize = 128;

/// A struct that is right.
pub(crate) struct Model {
    /// Where the traits are.
    pub(crate) home: Path,
    /// No two have the same name.
    pub(crate) kinds: Vec<Kind>,
    /// The fields that are contexts themselves, in order.
    pub(crate) nested: Vec<Source>,
}

/// A kind of which the struct itself has fields.
pub(crate) struct Kind {
    pub(crate) name: LitStr,
    pub(crate) key: Source,
    /// No two have the same name.
    pub(crate) attributes: Vec<(LitStr, Source)>,
}

/// Where a value comes from.
pub(crate) struct Source {
    pub(crate) member: Member,
    pub(crate) of: Type,
    pub(crate) with: Option<ExprPath>,
}

/// A kind of which not everything has been read.
struct Draft {
    name: LitStr,
    is_of_struct: bool,
    key: Option<Source>,
    attributes: Vec<(LitStr, Source)>,
}

impl Model {
    /// # Errors
    /// Everything that is wrong, each at its field.
    pub(crate) fn read(input: &DeriveInput, home: Path) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new_spanned(
                &input.ident,
                "only a struct is a context by derive; for an enum or a union, implement \
                 `Context` by hand",
            ));
        };
        let arguments = StructArguments::read(&input.attrs)?;
        let mut reader = Reader::new(arguments.kind)?;
        let mut problems = Problems::default();
        for (field, member) in data.fields.iter().zip(data.fields.members()) {
            problems.take(reader.read_field(field, member));
        }
        problems.report()?;
        if reader.drafts.is_empty() && reader.nested.is_empty() {
            return Err(Error::new_spanned(
                &input.ident,
                "nothing is known here: a context has a field that is a key, \
                 `#[context(key, kind = \"…\")]`, or one that is a context, `#[context(nested)]`",
            ));
        }
        let finished = reader.drafts.into_values().map(Draft::finish);
        let kinds = finished.filter_map(|kind| problems.take(kind)).collect();
        problems.report()?;
        Ok(Self { home: arguments.home.unwrap_or(home), kinds, nested: reader.nested })
    }
}

/// Reads field after field.
struct Reader {
    /// Of fields that name none.
    kind: Option<LitStr>,
    drafts: BTreeMap<String, Draft>,
    nested: Vec<Source>,
}

impl Reader {
    fn new(kind: Option<LitStr>) -> Result<Self> {
        let mut reader = Self { kind: None, drafts: BTreeMap::new(), nested: Vec::new() };
        if let Some(kind) = &kind {
            reader.draft(kind, true)?;
        }
        Ok(Self { kind, ..reader })
    }

    fn read_field(&mut self, field: &Field, member: Member) -> Result<()> {
        let arguments = FieldArguments::read(&field.attrs)?;
        let at = field.ident.as_ref().map_or_else(|| field.ty.span(), Ident::span);
        let source = Source { member, of: field.ty.clone(), with: arguments.with.clone() };
        if let Some(alone) = arguments.alone()? {
            if alone == Alone::Nested {
                self.nested.push(source);
            }
            return Ok(());
        }
        let is_of_struct = arguments.kind.is_none();
        let Some(kind) = arguments.kind.or_else(|| self.kind.clone()) else {
            return Err(Error::new(
                at,
                "this field belongs to no kind: name one here or on the struct, \
                 `#[context(kind = \"…\")]`; a field that is a context itself is \
                 `#[context(nested)]`, and one to leave out `#[context(skip)]`",
            ));
        };
        let draft = self.draft(&kind, is_of_struct)?;
        match (arguments.key, arguments.rename) {
            (Some(_), Some(name)) => {
                Err(Error::new_spanned(name, "a key has no name of its own to change"))
            }
            (Some(at), None) => draft.set_key(at, source),
            (None, Some(name)) => draft.add_attribute(name, source),
            (None, None) => match &source.member {
                Member::Named(name) => {
                    draft.add_attribute(LitStr::new(&name.unraw().to_string(), at), source)
                }
                Member::Unnamed(_) => Err(Error::new(
                    at,
                    "this field has no name: give the attribute one, `#[context(rename = \"…\")]`",
                )),
            },
        }
    }

    fn draft(&mut self, kind: &LitStr, is_of_struct: bool) -> Result<&mut Draft> {
        let text = kind.value();
        if !is_kind(&text) {
            return Err(Error::new_spanned(
                kind,
                format!(
                    "`{text}` cannot name a kind: expected 1 to {MAX_NAME_BYTES} letters, digits, \
                     `-` and `_`, the first a letter or a digit"
                ),
            ));
        }
        Ok(self.drafts.entry(text).or_insert_with(|| Draft {
            name: kind.clone(),
            is_of_struct,
            key: None,
            attributes: Vec::new(),
        }))
    }
}

impl Draft {
    fn set_key(&mut self, at: Span, source: Source) -> Result<()> {
        if self.key.is_some() {
            return Err(Error::new(at, format!("`{}` has two keys", self.name.value())));
        }
        self.key = Some(source);
        Ok(())
    }

    fn add_attribute(&mut self, name: LitStr, source: Source) -> Result<()> {
        let (kind, text) = (self.name.value(), name.value());
        if text == "key" {
            return Err(Error::new_spanned(
                name,
                format!(
                    "`{kind}.key` is the key itself: mark the field with `#[context(key)]`, or \
                     give it another name with `#[context(rename = \"…\")]`"
                ),
            ));
        }
        if !(1..=MAX_NAME_BYTES).contains(&text.len()) {
            return Err(Error::new_spanned(
                name,
                format!("the name of an attribute is 1 to {MAX_NAME_BYTES} bytes long"),
            ));
        }
        if self.attributes.iter().any(|(known, _)| known.value() == text) {
            return Err(Error::new_spanned(name, format!("`{kind}.{text}` is there twice")));
        }
        self.attributes.push((name, source));
        Ok(())
    }

    fn finish(self) -> Result<Kind> {
        let Self { name, is_of_struct, key, attributes } = self;
        let Some(key) = key else {
            let kind = name.value();
            let mark = if is_of_struct { "key".into() } else { format!("key, kind = \"{kind}\"") };
            return Err(Error::new_spanned(
                name,
                format!("`{kind}` has no key: mark the field that holds it, `#[context({mark})]`"),
            ));
        };
        Ok(Kind { name, key, attributes })
    }
}

/// The grammar of `flags_core`: `[A-Za-z0-9][A-Za-z0-9_-]{0,127}`.
fn is_kind(kind: &str) -> bool {
    kind.len() <= MAX_NAME_BYTES
        && kind.starts_with(|c: char| c.is_ascii_alphanumeric())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// What is wrong so far.
#[derive(Default)]
struct Problems {
    all: Option<Error>,
}

impl Problems {
    fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        match &mut self.all {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
        None
    }

    /// Gives them away.
    fn report(&mut self) -> Result<()> {
        self.all.take().map_or(Ok(()), Err)
    }
}
