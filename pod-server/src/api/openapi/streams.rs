//! Schemas of server-sent event streams.

use std::borrow::Cow;

use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type, extensions::ExtensionsBuilder},
};

use crate::api::{
    objects::{EventObject, ExecutionObject},
    output_events::{OutputAttempt, OutputError, OutputGap, OutputPiece},
};

/// Server-sent events of what happens.
#[derive(Debug)]
pub(in crate::api) struct EventStream;

/// Server-sent events of output.
#[derive(Debug)]
pub(in crate::api) struct OutputStream;

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
