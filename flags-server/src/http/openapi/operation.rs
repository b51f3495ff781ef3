//! What a request takes: told by the arguments of its handler.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::schema::without_null;
use crate::service::Service;

/// What takes a part of a request, as an argument of a handler, and says which. A handler with an
/// argument that does not say it is no route.
pub(in crate::http) trait Describes {
    fn describe(operation: &mut Operation<'_>);
}

/// What is said of an operation on its way to becoming a part of the document.
pub(in crate::http) struct Operation<'g> {
    pub(in crate::http) generator: &'g mut SchemaGenerator,
    /// By where they stand and what they are called.
    pub(super) parameters: BTreeMap<(&'static str, String), Value>,
    pub(super) body: Option<Value>,
    /// How it may be refused, besides the ways of every request.
    pub(super) refusals: BTreeSet<u16>,
    /// Headers of its answers.
    pub(super) headers: BTreeSet<&'static str>,
}

impl<'g> Operation<'g> {
    pub(super) fn new(generator: &'g mut SchemaGenerator) -> Self {
        Self {
            generator,
            parameters: BTreeMap::new(),
            body: None,
            refusals: BTreeSet::new(),
            headers: BTreeSet::new(),
        }
    }

    pub(in crate::http) fn may_be_refused(&mut self, statuses: impl IntoIterator<Item = u16>) {
        self.refusals.extend(statuses);
    }

    /// Its answers have a header, one of those that the document describes.
    pub(in crate::http) fn answers_with(&mut self, header: &'static str) {
        self.headers.insert(header);
    }

    /// It reads these members of the query.
    pub(in crate::http) fn query<Q: JsonSchema>(&mut self) {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let schema = settings.into_generator().into_root_schema_for::<Q>().to_value();
        let members = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in members.into_iter().flatten() {
            let mut schema = schema.as_object().cloned().unwrap_or_default();
            let description = schema.remove("description").unwrap_or_default();
            of_parameter(&mut schema);
            let parameter = json!({
                "name": name,
                "in": "query",
                "description": description,
                "schema": schema,
            });
            self.parameters.insert(("query", name.clone()), parameter);
        }
        self.may_be_refused([400]);
    }

    /// It reads a header, where there is one.
    pub(in crate::http) fn header(&mut self, name: &str, description: &str, schema: &Schema) {
        let parameter = json!({
            "name": name,
            "in": "header",
            "description": description,
            "schema": schema,
        });
        self.parameters.insert(("header", name.to_owned()), parameter);
        self.may_be_refused([400]);
    }

    /// It reads the version that it changes, and does nothing without.
    pub(super) fn demands_version(&mut self) {
        self.parameters.remove(&("header", "If-None-Match".to_owned()));
        let version = self.parameters.get_mut(&("header", "If-Match".to_owned()));
        if let Some(Value::Object(version)) = version {
            version.insert("required".to_owned(), true.into());
        }
    }

    /// It reads a body, such as `example`.
    pub(in crate::http) fn body(&mut self, maximum_bytes: usize, schema: Schema, example: &str) {
        // That examples are JSON, and have their schemas, is tested.
        let example: Value = serde_json::from_str(example).unwrap_or_default();
        self.body = Some(json!({
            "required": true,
            "description": format!("At most {maximum_bytes} bytes."),
            "content": {"application/json": {"schema": schema, "example": example}},
        }));
        self.may_be_refused([400, 408, 413, 422]);
    }

    /// It does without the body that it reads, too.
    pub(in crate::http) fn may_have_no_body(&mut self) {
        if let Some(Value::Object(body)) = &mut self.body {
            body.insert("required".to_owned(), false.into());
        }
    }
}

/// The schema of a parameter that is there.
fn of_parameter(schema: &mut Map<String, Value>) {
    schema.remove("default");
    without_null(schema);
    // Values of a query are text; how many bits a number has is told by its limits.
    if schema.get("type") == Some(&json!("integer")) {
        schema.remove("format");
    }
}

impl Describes for State<Arc<Service>> {
    fn describe(_: &mut Operation<'_>) {}
}

/// What a layer put there.
impl<T> Describes for Extension<T> {
    fn describe(_: &mut Operation<'_>) {}
}

impl<Q: JsonSchema> Describes for Result<Query<Q>, QueryRejection> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query::<Q>();
    }
}

/// All arguments of a handler, in axum's form: something that is none of them comes first.
pub(in crate::http) trait Arguments {
    fn describe(operation: &mut Operation<'_>);
}

macro_rules! arguments {
    ($($argument:ident)*) => {
        impl<Marker, $($argument: Describes),*> Arguments for (Marker, $($argument,)*) {
            fn describe(_operation: &mut Operation<'_>) {
                $($argument::describe(_operation);)*
            }
        }
    };
}

arguments!();
arguments!(A);
arguments!(A B);
arguments!(A B C);
arguments!(A B C D);
arguments!(A B C D E);
arguments!(A B C D E F);
arguments!(A B C D E F G);
