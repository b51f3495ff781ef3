//! flagd's definitions, as far as a flag's variants and default go.
//!
//! <https://flagd.dev/reference/flag-definitions/>

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

/// A definitions file.
#[derive(Deserialize)]
pub(crate) struct Definitions {
    pub(crate) flags: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FlagdFlag {
    state: State,
    variants: Map<String, Value>,
    default_variant: Option<String>,
    #[serde(default)]
    description: String,
    targeting: Option<Map<String, Value>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Enabled,
    Disabled,
}

/// A flag in the terms of the API.
pub(crate) struct Imported {
    pub(crate) key: String,
    pub(crate) on: bool,
    pub(crate) flag_type: &'static str,
    /// `[{name, value}]`
    pub(crate) variants: Value,
    pub(crate) default_variant: String,
    pub(crate) description: String,
    /// Whether it has rules that are not carried over.
    pub(crate) targeting: bool,
}

/// Reads one flag.
pub(crate) fn import((key, flag): (String, Value)) -> Result<Imported> {
    read(&key, flag).with_context(|| format!("flag `{key}`"))
}

fn read(key: &str, flag: Value) -> Result<Imported> {
    let flag: FlagdFlag = serde_json::from_value(flag)?;
    let default_variant = match flag.default_variant {
        Some(variant) if flag.variants.contains_key(&variant) => variant,
        Some(variant) => bail!("the default variant `{variant}` is not among the variants"),
        None => bail!("without a default variant the code's default would be served"),
    };
    let flag_type = type_of(flag.variants.values())?;
    let variants = flag.variants.into_iter().map(|(name, value)| {
        let value = if flag_type == "float" { as_float(value) } else { value };
        json!({"name": name, "value": value})
    });
    Ok(Imported {
        key: key.to_owned(),
        on: flag.state == State::Enabled,
        flag_type,
        variants: variants.collect(),
        default_variant,
        description: flag.description,
        targeting: flag.targeting.is_some_and(|targeting| !targeting.is_empty()),
    })
}

/// The one type that all values have: numbers are floats as soon as one of them is.
fn type_of<'a>(values: impl Iterator<Item = &'a Value>) -> Result<&'static str> {
    let mut types = values.map(|value| match value {
        Value::Bool(_) => Ok("boolean"),
        Value::String(_) => Ok("string"),
        Value::Number(number) if number.is_i64() => Ok("integer"),
        Value::Number(_) => Ok("float"),
        Value::Object(_) => Ok("json"),
        Value::Null | Value::Array(_) => {
            bail!("a value is neither boolean, text, number nor object")
        }
    });
    let first = types.next().context("it has no variants")??;
    types.try_fold(first, |so_far, next| match (so_far, next?) {
        (so_far, next) if so_far == next => Ok(so_far),
        ("integer", "float") | ("float", "integer") => Ok("float"),
        (so_far, next) => bail!("its values are of several types, {so_far} and {next}"),
    })
}

/// `1` as `1.0`: the same number, in the form in which the API gives floats back.
fn as_float(value: Value) -> Value {
    let float = value.as_f64().and_then(Number::from_f64);
    float.map_or(value, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn imported(flag: Value) -> Result<Imported> {
        import(("a-flag".to_owned(), flag))
    }

    #[test]
    fn names_and_values_are_kept_exactly() {
        let flag = imported(json!({
            "state": "ENABLED", "defaultVariant": "off",
            "variants": {"10%": 0.1, "100%": 1, "off": 0}
        }))
        .unwrap();
        assert_eq!(flag.flag_type, "float");
        assert_eq!(
            flag.variants,
            json!([{"name": "10%", "value": 0.1}, {"name": "100%", "value": 1.0},
                   {"name": "off", "value": 0.0}])
        );
        assert_eq!((flag.on, flag.default_variant.as_str(), flag.targeting), (true, "off", false));
    }

    #[test]
    fn targeting_is_noticed() {
        let flag = imported(json!({
            "state": "DISABLED", "defaultVariant": "a", "variants": {"a": "x"},
            "targeting": {"if": [true, "a"]}
        }))
        .unwrap();
        assert!(flag.targeting && !flag.on);
    }

    #[test]
    fn what_cannot_be_carried_over_is_refused_by_name() {
        for (flag, reason) in [
            (json!({"state": "ENABLED", "variants": {"a": 1}}), "without a default variant"),
            (
                json!({"state": "ENABLED", "defaultVariant": "b", "variants": {"a": 1}}),
                "`b` is not",
            ),
            (
                json!({"state": "ENABLED", "defaultVariant": "a", "variants": {"a": 1, "b": "x"}}),
                "several types",
            ),
            (
                json!({"state": "ENABLED", "defaultVariant": "a", "variants": {"a": null}}),
                "neither",
            ),
            (json!({"state": "MAYBE", "defaultVariant": "a", "variants": {"a": 1}}), "MAYBE"),
        ] {
            let error = format!("{:#}", imported(flag).err().expect(reason));
            assert!(error.contains("a-flag") && error.contains(reason), "{error}");
        }
    }
}
