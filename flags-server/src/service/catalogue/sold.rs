use std::fmt::Debug;

use flags_core::{Diagnostic, Shape};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::needs::Needs;
use super::planned::{WantedCatalogue, WantedSold};
use crate::service::fault::Fault;
use crate::service::received::Received;
use crate::store::{EnvironmentId, ObjectKind, Reference, View};

/// The definition of something in the catalogue, as SDKs get it.
pub(crate) trait Sold:
    Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static
{
    const KIND: ObjectKind;

    /// What the document of the API calls it.
    const NAME: &'static str;

    /// What it looks like.
    const SHAPE: &'static Shape;

    /// The members of a patch, those for people included; their values are checked after merging.
    const PATCH: &'static Shape;

    /// How many there may be in an environment, by the name of that limit.
    const LIMIT: (&'static str, u64);

    /// What the audit log calls a copy from another environment.
    const COPY: &'static str;

    /// Everything that is wrong with it by itself.
    fn check(&self) -> Vec<Diagnostic>;

    /// What it needs of others.
    fn references(&self) -> Vec<Reference>;

    /// Everything that is wrong with what it says of others; pointers lead into it.
    fn faults(&self, needs: &mut Needs<'_>) -> Result<Vec<Diagnostic>, Fault>;

    /// Puts one that is wanted among the others.
    fn want(item: WantedSold<Self>, wanted: &mut WantedCatalogue);

    /// Says that this is what there will be.
    fn announce(&self, key: &str, needs: &mut Needs<'_>);

    /// Fills in what a new one may leave out.
    fn complete(_: &mut Received) {}

    /// Puts what does not change into the body of a write, where that does not say otherwise.
    fn keep(&self, _: &mut Received) {}

    /// What is to be there where this one, from elsewhere or from before, is put in the place of the
    /// `present` one.
    ///
    /// # Errors
    /// Everything that cannot be; pointers lead into this one.
    fn onto(self, _present: Option<&Self>) -> Result<Self, Vec<Diagnostic>> {
        Ok(self)
    }

    /// Refuses to become `after` where that breaks who needs it.
    fn check_change(
        &self,
        _after: &Self,
        _view: &dyn View,
        _environment: EnvironmentId,
        _key: &str,
    ) -> Result<(), Fault> {
        Ok(())
    }
}
