//! Bodies that are no JSON, a constant, and an input: shapes that only the document knows.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType},
};

/// Bytes as they are.
#[derive(Debug)]
pub(in crate::api) struct Binary;

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

impl PartialSchema for True {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).into()
    }
}

impl ToSchema for True {}
