//! Bodies that are no JSON, a constant, and an input: shapes that only the document knows.

use std::borrow::Cow;

use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, extensions::ExtensionsBuilder,
        schema::SchemaType,
    },
};

use crate::api::{
    objects::{EventObject, ExecutionObject},
    output_events::{OutputAttempt, OutputError, OutputGap, OutputPiece},
};

/// Bytes as they are.
#[derive(Debug)]
pub(in crate::api) struct Binary;

/// Server-sent events of what happens.
#[derive(Debug)]
pub(in crate::api) struct EventStream;

/// Server-sent events of output.
#[derive(Debug)]
pub(in crate::api) struct OutputStream;

/// Nothing but true.
#[derive(Debug)]
pub(in crate::api) struct True;

/// The input of one of many executions, or none.
#[derive(Debug)]
pub(in crate::api) struct Input;

impl PartialSchema for Input {
    fn schema() -> RefOr<Schema> {
        let kinds = SchemaType::from_iter([Type::String, Type::Null]);
        ObjectBuilder::new().schema_type(kinds).pattern(Some("^[^\\u0000]*$")).into()
    }
}

impl ToSchema for Input {}

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Binary {}

/// Under this name the schema of what a text holds goes through the builder, which has none for it.
pub(super) const CONTENT_SCHEMA: &str = "x-contentSchema";

/// The text of server-sent events, the data of each of which is one of these.
fn events(kinds: &[Cow<'static, str>]) -> RefOr<Schema> {
    let kind = |name| json!({"$ref": format!("#/components/schemas/{name}")});
    let data = match kinds {
        [one] => kind(one),
        several => json!({"anyOf": several.iter().map(kind).collect::<Vec<_>>()}),
    };
    let content = ExtensionsBuilder::new().add(CONTENT_SCHEMA, data).build();
    let text = ObjectBuilder::new().schema_type(Type::String).content_media_type("text/event-stream");
    text.extensions(Some(content)).into()
}

impl PartialSchema for EventStream {
    fn schema() -> RefOr<Schema> {
        events(&[EventObject::name()])
    }
}

impl ToSchema for EventStream {}

impl PartialSchema for OutputStream {
    fn schema() -> RefOr<Schema> {
        let kinds = [OutputPiece::name(), OutputGap::name(), OutputAttempt::name(), OutputError::name()];
        events(&[kinds.as_slice(), &[ExecutionObject::name()]].concat())
    }
}

impl ToSchema for OutputStream {}

impl PartialSchema for True {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).into()
    }
}

impl ToSchema for True {}
