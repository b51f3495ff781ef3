//! Blocks of a tenant: one of each lane.

use flags_core::{
    BLOCK_FIELDS, BlockDefinition, BlockEffect, Field, Lane, Revision, Shape, check_contract,
};
use serde::Deserialize;

use crate::service::fault::Fault;
use crate::service::precondition::Precondition;
use crate::service::publish::Unit;
use crate::service::received::all_right;
use crate::service::tenant::{self, Written, write};
use crate::service::uses::Over;
use crate::store::View;

/// What a lane is to do.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Block {
    effect: BlockEffect,
    start: Option<String>,
    end: Option<String>,
}

impl Block {
    /// The shape of a body.
    pub(crate) const SHAPE: &'static Shape = &Shape::Object(&FIELDS);
}

/// The lane stands in the path.
static FIELDS: [Field; 3] = {
    let [_, effect, start, end] = BLOCK_FIELDS;
    [effect, start, end]
};

/// The blocks of a tenant, the tenant's version and, after a write, the revision of the environment.
#[derive(Debug, Clone)]
pub(crate) struct Blocks {
    pub(crate) blocks: Vec<BlockDefinition>,
    pub(crate) version: Revision,
    pub(crate) revision: Option<Revision>,
    /// What the tenant uses above its limits, after a write.
    pub(crate) over_limit: Vec<Over>,
}

/// The lane of a name.
fn lane(name: &str) -> Result<Lane, Fault> {
    let lanes = [Lane::Billing, Lane::Fraud, Lane::Manual, Lane::Legal];
    let lane = lanes.into_iter().find(|lane| lane.name() == name);
    lane.ok_or_else(|| Fault::NotFound(format!("there is no lane `{name}`")))
}

pub(crate) fn list(view: &dyn View, path: &tenant::Path) -> Result<Blocks, Fault> {
    let tenant = tenant::get(view, path)?;
    let blocks = tenant.definition.contract.blocks;
    let (version, over_limit) = (tenant.version, Vec::new());
    Ok(Blocks { blocks, version, revision: None, over_limit })
}

/// Has a lane block, or not.
pub(crate) fn set(
    unit: &mut Unit<'_>,
    path: &tenant::Path,
    name: &str,
    precondition: &Precondition,
    block: Option<Block>,
) -> Result<Blocks, Fault> {
    let lane = lane(name)?;
    let (place, before) = tenant::find(unit.tx, path)?;
    precondition.check(Some(before.version))?;
    let action = if block.is_some() { "tenant.block" } else { "tenant.unblock" };
    let mut after = before.clone();
    let blocks = &mut after.definition.contract.blocks;
    blocks.retain(|block| block.lane != lane);
    let at = format!("/blocks/{}", blocks.len());
    blocks.extend(block.map(|Block { effect, start, end }| BlockDefinition {
        lane,
        effect,
        start,
        end,
    }));
    let faults = check_contract(&after.definition.contract).into_iter().map(|mut fault| {
        if let Some(pointer) = fault.pointer.strip_prefix(&at) {
            fault.pointer = pointer.to_owned();
        }
        fault
    });
    all_right(faults.collect())?;
    after.definition.contract.blocks.sort_by_key(|block| block.lane);
    let blocks = after.definition.contract.blocks.clone();
    let (present, changed) = (before.version, before.definition != after.definition);
    let Written { revision, over_limit } = write(unit, place, Some(before), after, action)?;
    let version = if changed { revision } else { present };
    Ok(Blocks { blocks, version, revision: Some(revision), over_limit })
}
