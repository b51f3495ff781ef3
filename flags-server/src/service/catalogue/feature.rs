use flags_core::{
    Diagnostic, FEATURE, FeatureDefinition, Field, Shape, check_feature, check_grant,
};
use serde_json::{Map, Value};

use super::needs::Needs;
use super::planned::{WantedCatalogue, WantedSold};
use super::sold::Sold;
use super::users::Users;
use crate::limits::MAX_FEATURES;
use crate::service::fault::Fault;
use crate::store::{EnvironmentId, ObjectKind, Reference, View};

static PATCH: Shape = Shape::Object(&[
    Field::optional("name", &Shape::Any),
    Field::optional("description", &Shape::Any),
    Field::optional("type", &Shape::Any),
    Field::optional("combine", &Shape::Any),
    Field::optional("options", &Shape::Any),
    Field::optional("over_limit", &Shape::Any),
]);

impl Sold for FeatureDefinition {
    const KIND: ObjectKind = ObjectKind::Feature;
    const NAME: &'static str = "Feature";
    const SHAPE: &'static Shape = &FEATURE;
    const PATCH: &'static Shape = &PATCH;
    const LIMIT: (&'static str, u64) = ("features", MAX_FEATURES);
    const COPY: &'static str = "feature.copy";

    fn check(&self) -> Vec<Diagnostic> {
        check_feature(self)
    }

    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    fn faults(&self, _: &mut Needs<'_>) -> Result<Vec<Diagnostic>, Fault> {
        Ok(Vec::new())
    }

    fn want(item: WantedSold<Self>, wanted: &mut WantedCatalogue) {
        wanted.features.push(item);
    }

    fn announce(&self, key: &str, needs: &mut Needs<'_>) {
        needs.feature_will_be(key, self.clone());
    }

    /// What is granted of it has to stay a grant of it.
    fn check_change(
        &self,
        after: &Self,
        view: &dyn View,
        environment: EnvironmentId,
        key: &str,
    ) -> Result<(), Fault> {
        let place = (environment, Self::KIND, key);
        if self.feature_type != after.feature_type {
            let users = Users::of(view, place)?;
            return users.refuse(&format!("the type of the feature `{key}` cannot change"));
        }
        let gone: Vec<&String> =
            self.options.iter().filter(|option| !after.options.contains(option)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let names_one = |value: &Value| {
            let options = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            options.into_iter().any(|option| gone.iter().any(|gone| *gone == option))
        };
        let users = Users::that_grant(view, place, names_one)?;
        let gone: Vec<String> = gone.iter().map(|option| format!("`{option}`")).collect();
        users.refuse(&format!("the feature `{key}` cannot lose the options {}", gone.join(", ")))
    }
}

/// Everything that is wrong with grants, which stand at `at`.
pub(super) fn grant_faults(
    grants: &Map<String, Value>,
    at: &str,
    needs: &mut Needs<'_>,
) -> Result<Vec<Diagnostic>, Fault> {
    let mut faults = Vec::new();
    for (key, value) in grants {
        let token = key.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{at}/grants/{token}");
        match needs.feature(key)? {
            None => faults.push(needs.unknown(&pointer, ObjectKind::Feature, key)),
            Some(feature) => faults.extend(check_grant(feature, value).into_iter().map(|found| {
                Diagnostic { pointer: format!("{pointer}{}", found.pointer), ..found }
            })),
        }
    }
    Ok(faults)
}

/// References to all features that are granted.
pub(super) fn granted<'a>(
    grants: impl IntoIterator<Item = &'a Map<String, Value>>,
) -> Vec<Reference> {
    let mut keys: Vec<&String> = grants.into_iter().flat_map(Map::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let reference =
        |key: &String| Reference { kind: ObjectKind::Feature, key: key.clone(), names: Vec::new() };
    keys.into_iter().map(reference).collect()
}
