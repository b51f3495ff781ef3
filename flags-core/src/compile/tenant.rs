use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::context::{JsonAttribute, read_attribute};
use crate::definition::TenantDefinition;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::entitlement::check_contract;
use crate::key::is_attribute_name;
use crate::limits::{MAX_KEY_BYTES, MAX_LIST_ELEMENTS, MAX_TENANT_ATTRIBUTES, MAX_TENANT_BYTES};

/// Everything that is wrong with a stored tenant; empty for one whose attributes rules will see, and
/// whose contract counts as far as there are such plans, add-ons and features.
///
/// ```
/// use flags_core::{TenantDefinition, check_tenant};
///
/// let tenant: TenantDefinition =
///     serde_json::from_value(serde_json::json!({"attributes": {"key": "x", "tags": [1]}}))?;
/// let problems = check_tenant(&tenant);
/// let at: Vec<_> = problems.iter().map(|p| (&*p.pointer, &*p.code)).collect();
/// assert_eq!(at, [("/attributes/key", "invalid_name"), ("/attributes/tags", "wrong_type")]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use]
pub fn check_tenant(definition: &TenantDefinition) -> Vec<Diagnostic> {
    let mut diagnostics = Diagnostics::default();
    diagnostics.extend(compile_attributes(&definition.attributes).err().unwrap_or_default());
    diagnostics.extend(check_contract(&definition.contract));
    diagnostics.into_vec()
}

/// The attributes with their names.
pub(crate) fn compile_attributes(
    said: &Map<String, Value>,
) -> Result<Vec<(&str, JsonAttribute<&str>)>, Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::default();
    let attributes = diagnostics.at("attributes", |d| {
        if said.len() > MAX_TENANT_ATTRIBUTES {
            d.report(
                "too_many",
                format!("a stored tenant has at most {MAX_TENANT_ATTRIBUTES} attributes"),
            );
        }
        let mut bytes = 0;
        let mut attributes = Vec::with_capacity(said.len());
        for (name, value) in said {
            d.at(name, |d| {
                check_name(name, d);
                let Some(value) = read_attribute(value) else {
                    return d.report(
                        "wrong_type",
                        "an attribute is a boolean, a number within 64 bits, a string or a list \
                         of strings",
                    );
                };
                bytes += name.len() + check_size(&value, d);
                attributes.push((name.as_str(), value));
            });
        }
        if bytes > MAX_TENANT_BYTES {
            d.report(
                "too_large",
                format!(
                    "the names and texts of a stored tenant have at most {MAX_TENANT_BYTES} bytes \
                     together, not {bytes}"
                ),
            );
        }
        attributes
    });
    if diagnostics.is_clean() { Ok(attributes) } else { Err(diagnostics.into_vec()) }
}

fn check_name(name: &str, d: &mut Diagnostics) {
    if !(1..=MAX_KEY_BYTES).contains(&name.len()) {
        d.report("invalid_name", format!("a name is 1 to {MAX_KEY_BYTES} bytes"));
    } else if !is_attribute_name(name) {
        d.report("invalid_name", "`key` and names that begin with `$` are not attributes");
    }
}

/// How many bytes the texts of a value have.
fn check_size(value: &JsonAttribute<&str>, d: &mut Diagnostics) -> usize {
    match value {
        JsonAttribute::String(text) => text.len(),
        JsonAttribute::List(texts) => {
            if texts.len() > MAX_LIST_ELEMENTS {
                d.report("too_many", format!("a list has at most {MAX_LIST_ELEMENTS} strings"));
            }
            texts.iter().map(|text| text.len()).sum()
        }
        _ => 0,
    }
}
