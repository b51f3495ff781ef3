//! A change that is to be made later: the verb, the object, and what the request of now would have
//! as its body.

use flags_core::{Field, Shape, Text};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::service::fault::Fault;
use crate::service::members::{self, MembersEdit};
use crate::service::model::{json, parse, parse_value};
use crate::service::precondition::Precondition;
use crate::service::publish::Unit;
use crate::service::received::all_right;
use crate::service::rollout::{ROLLOUT, Rollout, roll_out};
use crate::service::{segment, state};
use crate::store::ScheduledChange;

/// The form of a [`Later`].
pub(crate) static CHANGE: Shape = Shape::Object(&[
    Field::required(
        "action",
        &Shape::Word(&[
            "flag_state.on",
            "flag_state.off",
            "flag_state.rollout",
            "flag_state.patch",
            "flag_state.put",
            "segment.patch",
            "segment.put",
            "segment.members",
        ]),
    )
    .says("What is to be done, as the audit log calls it."),
    Field::required("key", &Shape::Text(&Text::KEY)).says("The key of the flag or segment."),
    Field::optional("if_version", &Shape::U64).says("Only if the object has this version then."),
    Field::optional("body", &Shape::Any)
        .says("What the request of that time would have as its body."),
]);

/// Such a change as it is sent and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LaterChange")]
pub(crate) struct Later {
    action: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

/// The verbs that can be scheduled.
#[derive(Debug, Clone, Copy)]
enum Action {
    On,
    Off,
    Rollout,
    PatchState,
    PutState,
    PatchSegment,
    PutSegment,
    Members,
}

impl Action {
    /// As the audit log calls it.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "flag_state.on" => Self::On,
            "flag_state.off" => Self::Off,
            "flag_state.rollout" => Self::Rollout,
            "flag_state.patch" => Self::PatchState,
            "flag_state.put" => Self::PutState,
            "segment.patch" => Self::PatchSegment,
            "segment.put" => Self::PutSegment,
            "segment.members" => Self::Members,
            _ => return None,
        })
    }
}

impl Later {
    /// Reads one that is sent.
    pub(super) fn read(said: Value) -> Result<Self, Fault> {
        all_right(CHANGE.check(&said))?;
        parse_value(said)
    }

    /// The one that is stored; from a list, without its body.
    pub(crate) fn of(change: &ScheduledChange) -> Result<Self, Fault> {
        let ScheduledChange { action, key, if_version, body, .. } = change;
        let (action, key) = (action.clone(), key.clone());
        let body = body.as_deref().map(parse).transpose()?;
        Ok(Self { action, key, if_version: *if_version, body })
    }

    /// Puts it into a change to be stored.
    pub(super) fn put_into(self, change: &mut ScheduledChange) -> Result<(), Fault> {
        let Self { action, key, if_version, body } = self;
        let body = body.as_ref().map(json).transpose()?;
        (change.action, change.key, change.if_version, change.body) =
            (action, key, if_version, body);
        Ok(())
    }

    /// Makes the change; pointers of what is refused lead into it.
    pub(super) fn make(
        self,
        unit: &mut Unit<'_>,
        project: &str,
        environment: &str,
    ) -> Result<(), Fault> {
        let Self { action, key, if_version, body } = self;
        let action = Action::of(&action)
            .ok_or_else(|| Fault::Internal(format!("`{action}` cannot be scheduled")))?;
        let body = match (action, body) {
            (Action::On | Action::Off, None) => Value::Null,
            (Action::On | Action::Off, Some(body)) => {
                all_right(Shape::Object(&[]).check(&body)).map_err(|fault| fault.below("/body"))?;
                Value::Null
            }
            (_, Some(body)) => body,
            (_, None) => return Err(Fault::at("", "missing_field", "`body` is missing")),
        };
        // What the object is when the time comes is what is changed, unless a version is said.
        let precondition = match if_version {
            Some(version) => Precondition::Version(vec![version]),
            None => Precondition::Exists,
        };
        let (project, environment) = (project.to_owned(), environment.to_owned());
        let made = match action {
            Action::On | Action::Off | Action::Rollout | Action::PatchState | Action::PutState => {
                let path = state::Path { project, environment, flag: key };
                make_state(unit, action, &path, &precondition, body)
            }
            Action::PatchSegment | Action::PutSegment | Action::Members => {
                let path = segment::Path { project, environment, segment: key };
                make_segment(unit, action, &path, &precondition, body)
            }
        };
        made.map_err(|fault| fault.below("/body"))
    }
}

fn make_state(
    unit: &mut Unit<'_>,
    action: Action,
    path: &state::Path,
    precondition: &Precondition,
    body: Value,
) -> Result<(), Fault> {
    let state = match action {
        Action::PutState => state::put(unit, path, precondition, body),
        Action::PatchState => state::patch(unit, path, precondition, body),
        Action::Rollout => {
            all_right(ROLLOUT.check(&body))?;
            let rollout: Rollout = parse_value(body)?;
            roll_out(unit, path, precondition, rollout)
        }
        on => state::switch(unit, path, precondition, matches!(on, Action::On)),
    };
    state.map(drop)
}

fn make_segment(
    unit: &mut Unit<'_>,
    action: Action,
    path: &segment::Path,
    precondition: &Precondition,
    body: Value,
) -> Result<(), Fault> {
    match action {
        Action::PutSegment => segment::put(unit, path, precondition, body).map(drop),
        Action::PatchSegment => segment::patch(unit, path, precondition, body).map(drop),
        _ => members::change(unit, path, precondition, &MembersEdit::read(body)?).map(drop),
    }
}
