use flags_core::{ADDON, AddonDefinition, Diagnostic, Field, Shape, check_addon};

use super::feature::{grant_faults, granted};
use super::needs::Needs;
use super::planned::{WantedCatalogue, WantedSold};
use super::sold::Sold;
use crate::limits::MAX_ADDONS;
use crate::service::fault::Fault;
use crate::store::{ObjectKind, Reference};

static PATCH: Shape = Shape::Object(&[
    Field::optional("name", &Shape::Any),
    Field::optional("description", &Shape::Any),
    Field::optional("grants", &Shape::Any),
    Field::optional("priority", &Shape::Any),
]);

impl Sold for AddonDefinition {
    const KIND: ObjectKind = ObjectKind::Addon;
    const NAME: &'static str = "Addon";
    const SHAPE: &'static Shape = &ADDON;
    const PATCH: &'static Shape = &PATCH;
    const LIMIT: (&'static str, u64) = ("addons", MAX_ADDONS);
    const COPY: &'static str = "addon.copy";

    fn check(&self) -> Vec<Diagnostic> {
        check_addon(self)
    }

    fn references(&self) -> Vec<Reference> {
        granted([&self.grants])
    }

    fn faults(&self, needs: &mut Needs<'_>) -> Result<Vec<Diagnostic>, Fault> {
        grant_faults(&self.grants, "", needs)
    }

    fn want(item: WantedSold<Self>, wanted: &mut WantedCatalogue) {
        wanted.addons.push(item);
    }

    fn announce(&self, key: &str, needs: &mut Needs<'_>) {
        needs.addon_comes(key);
    }
}
