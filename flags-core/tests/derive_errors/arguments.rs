//! What the derive itself refuses.

use flags_core::Context;

#[derive(Context)]
enum Caller {
    User,
}

#[derive(Context)]
#[context(key = "user")]
struct KeyOnStruct;

#[derive(Context)]
#[context(kinds = "user")]
struct UnknownOnStruct;

#[derive(Context)]
#[context(kind = "user.name")]
struct KindWithDot;

#[derive(Context)]
struct Nothing {
    #[context(skip)]
    id: String,
}

#[derive(Context)]
#[context(kind = "user")]
struct WithoutKey {
    id: String,
    #[context(kind = "tenant")]
    country: String,
}

#[derive(Context)]
#[context(kind = "user")]
struct Fields {
    #[context(key)]
    id: String,
    #[context(key)]
    second: String,
    #[context(renamed = "x")]
    unknown: String,
    #[context(crate = "flags")]
    elsewhere: String,
    #[context(rename = "a", rename = "b")]
    twice: String,
    #[context(rename = "")]
    short: String,
    name: String,
    #[context(rename = "name")]
    same: String,
    key: String,
    #[context(key, kind = "tenant", rename = "id")]
    tenant: String,
    #[context(kind = "-device")]
    device: String,
    #[context(skip, kind = "device")]
    skipped: String,
    #[context(nested, with = String::as_str)]
    nested: String,
    #[context(nested, skip)]
    both: String,
    #[context(with = "String::as_str")]
    quoted: String,
    #[context(rename)]
    bare: String,
    #[context]
    empty: String,
}

#[derive(Context)]
struct OfNoKind {
    #[context(key, kind = "user")]
    id: String,
    email: String,
}

#[derive(Context)]
#[context(kind = "user")]
struct Tuple(#[context(key)] String, String);

fn main() {}
