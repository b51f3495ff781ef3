//! The sample product: `examples/data/saas.json`.

use anyhow::{Context as _, Result};
use flags_client::Context;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A small B2B product: what its team releases, to whom, what it sells, and its tenants.
#[derive(Deserialize)]
pub(crate) struct Sample {
    pub(crate) segments: Vec<Value>,
    pub(crate) flags: Vec<SampleFlag>,
    pub(crate) features: Vec<Value>,
    pub(crate) plans: Vec<Value>,
    pub(crate) tenants: Vec<Tenant>,
}

#[derive(Deserialize)]
pub(crate) struct SampleFlag {
    /// The body that creates it.
    pub(crate) create: Map<String, Value>,
    /// What is then merged into its state.
    pub(crate) state: Option<Value>,
}

/// A customer, as the product's own database has it.
///
/// Rules ask its fields where they lie: nothing is copied or put together for a question.
#[derive(Context, Deserialize)]
#[context(kind = "tenant")]
pub(crate) struct Tenant {
    #[context(key)]
    pub(crate) key: String,
    pub(crate) plan: String,
    country: String,
    industry: String,
    employees: i64,
    uses_api_v1: bool,
    #[serde(default)]
    beta: bool,
}

impl Sample {
    pub(crate) fn read() -> Result<Self> {
        let text = include_str!("../../../data/saas.json");
        serde_json::from_str(text).context("examples/data/saas.json")
    }
}
