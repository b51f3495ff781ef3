use flags_core::{TenantDefinition, Timestamp, check_tenant};
use serde_json::{Map, Value};

use super::Tenant;
use super::shape::WHOLE;
use crate::service::contract::Named;
use crate::service::fault::Fault;
use crate::service::received::{Received, all_right};

/// What a body says of a tenant.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) definition: TenantDefinition,
    named: Named,
}

impl Said {
    /// What is said in the form of a definition, in which parts of the contract may be `null`.
    pub(super) fn new(mut members: Map<String, Value>) -> serde_json::Result<Self> {
        let named = Named::of(&members);
        members.retain(|_, member| !member.is_null());
        Ok(Self { definition: serde_json::from_value(members.into())?, named })
    }

    /// Reads a body of `key`, and checks it by itself.
    pub(super) fn read(
        mut received: Received,
        key: &str,
        before: Option<&Tenant>,
    ) -> Result<Self, Fault> {
        received.take_sent_back(before.map(|before| before.version));
        received.take_immutable("key", key);
        // An answer to a write has it besides.
        received.take_list("over_limit");
        let since = before.and_then(|before| before.definition.contract.plan_since.as_deref());
        received.take_immutable("plan_since", since.unwrap_or_default());
        received.check(&WHOLE);
        all_right(std::mem::take(&mut received.faults))?;
        let said = Self::new(received.members);
        let said = said.map_err(|error| Fault::at("", "invalid", error.to_string()))?;
        all_right(check_tenant(&said.definition))?;
        Ok(said)
    }

    /// What is to be of the tenant.
    pub(super) fn onto(
        self,
        present: Option<&TenantDefinition>,
        now: Timestamp,
    ) -> TenantDefinition {
        self.named.merge(self.definition, present, &now.to_string())
    }
}
