//! Completes the whole document in one place: the statuses that every operation may answer, the token, where `null` may
//! stand, and the bounds of numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{requests, streams::CONTENT_SCHEMA};
use crate::api::problem::ProblemKind;

/// Statuses with a problem that any request may get, whatever it asks for.
const ANY: [u16; 6] = [401, 403, 422, 429, 500, 503];
/// Those of a request that changes something.
const CHANGING: [u16; 2] = [409, 507];
/// Those of a request with a body.
const WITH_BODY: [u16; 3] = [408, 413, 415];
/// That of a request with a condition.
const CONDITIONAL: [u16; 1] = [412];
/// Those of a path that names something.
const NAMING: [u16; 1] = [404];

/// What can be asked of a path.
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Schemas that are only ever part of others: they have no name of their own in the document.
const INLINE: [&str; 6] = ["Moment", "Binary", "EventStream", "OutputStream", "True", "Input"];

/// Completes what was derived from the handlers.
pub(super) fn finish(document: &mut Value) {
    take_in(document);
    say_what_may_be_null(document);
    each_object(document, &mut |schema| {
        bound(schema);
        make_constant(schema);
        if let Some(content) = schema.remove(CONTENT_SCHEMA) {
            schema.insert("contentSchema".to_owned(), content);
        }
    });
    for (path, method, operation) in operations(document) {
        summarize(operation);
        requests::complete(&path, &method, operation);
        name_statuses(&path, &method, operation);
    }
    let mut used = BTreeSet::new();
    references(&document["paths"], "responses", &mut used);
    document["components"]["responses"] = problems(&used);
    document["components"]["securitySchemes"] = json!({"token": {
        "type": "http", "scheme": "bearer",
        "description": "The token of the manager. One that was started without serves its own user without any.",
    }});
    document["security"] = json!([{"token": []}, {}]);
}

/// Every operation, where a path may have several.
fn operations(document: &mut Value) -> impl Iterator<Item = (String, String, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let operations = item.as_object_mut().into_iter().flatten();
        let operations = operations.filter(|(method, _)| METHODS.contains(&method.as_str()));
        operations.map(|(method, operation)| (path.clone(), method.clone(), operation)).collect::<Vec<_>>()
    })
}

/// What a handler says of itself first is the summary, and all of it the description.
fn summarize(operation: &mut Value) {
    let said = |member: &str| operation.get(member).and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
    let (first, more) = (said("summary"), said("description"));
    let whole = if more.is_empty() { first.clone() } else { format!("{first} {more}") };
    let sentence = first.split_once(". ").map_or(first.as_str(), |(sentence, _)| sentence).trim_end_matches('.');
    operation["summary"] = sentence.into();
    operation["description"] = whole.into();
}

/// Names every status that the operation may answer with a problem; each is described once, for all.
fn name_statuses(path: &str, method: &str, operation: &mut Value) {
    let has_body = operation["requestBody"].is_object();
    let statuses = ANY
        .into_iter()
        .chain(CHANGING.into_iter().filter(|_| method != "get"))
        .chain(WITH_BODY.into_iter().filter(|_| has_body))
        .chain(CONDITIONAL.into_iter().filter(|_| requests::is_conditional(path, method)))
        .chain(NAMING.into_iter().filter(|_| path.contains('{')));
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for status in statuses {
        responses.insert(status.to_string(), Value::Null);
    }
    for (status, response) in responses {
        match status.parse() {
            Ok(status @ 400..) => *response = json!({"$ref": format!("#/components/responses/{}", name_of(status))}),
            _ if response["description"] == "" => response["description"] = "What was asked for".into(),
            _ => {}
        }
    }
}

/// The name of a response: that of its status, in one word.
fn name_of(status: u16) -> String {
    let known = axum::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    known.unwrap_or("Problem").split(' ').collect()
}

/// The answers with a problem that operations refer to, by status, with the types that each may be of.
fn problems(used: &BTreeSet<String>) -> Value {
    let mut kinds = BTreeMap::<u16, Vec<ProblemKind>>::new();
    for kind in ProblemKind::ALL.iter().filter(|kind| used.contains(&name_of(kind.status().as_u16()))) {
        kinds.entry(kind.status().as_u16()).or_default().push(*kind);
    }
    let mut responses = Map::new();
    for (status, kinds) in kinds {
        let sentences: Vec<_> = kinds.iter().map(|kind| format!("{} (`{}`)", kind.title(), kind.uri())).collect();
        let example = kinds
            .first()
            .map(|kind| json!({"type": kind.uri(), "title": kind.title(), "status": status, "detail": kind.title()}));
        let mut response = json!({
            "description": format!("{}.", sentences.join("; ")),
            "content": {"application/problem+json": {
                "schema": {"$ref": "#/components/schemas/Problem"}, "example": example,
            }},
        });
        if matches!(status, 429 | 503) {
            response["headers"] = json!({"Retry-After": {
                "description": "After how many seconds to send it again.", "schema": {"type": "integer", "minimum": 0},
            }});
        }
        responses.insert(name_of(status), response);
    }
    responses.into()
}

/// Puts the schemas without a name in the places where they are referred to.
fn take_in(document: &mut Value) {
    for name in INLINE {
        let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
        let Some(schema) = schemas.remove(name) else { continue };
        let reference = json!(format!("#/components/schemas/{name}"));
        each_object(document, &mut |object| {
            if object.get("$ref") == Some(&reference) {
                object.remove("$ref");
                for (member, value) in schema.as_object().into_iter().flatten() {
                    object.entry(member).or_insert_with(|| value.clone());
                }
            }
        });
    }
}

/// A member that is absent from answers is never `null` in them, nor is a parameter; a body may say `null` for absent.
fn say_what_may_be_null(document: &mut Value) {
    let mut read = BTreeSet::new();
    for (_, _, operation) in operations(document) {
        if let Some(body) = operation.get_mut("requestBody") {
            // The whole body is left out, and not null.
            for (_, content) in body["content"].as_object_mut().into_iter().flatten() {
                if let Some(schema) = content["schema"].as_object_mut() {
                    never_null(schema);
                }
            }
            references(body, "schemas", &mut read);
        }
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            each_object(parameter, &mut never_null);
        }
    }
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let mut new: Vec<String> = read.iter().cloned().collect();
    while let Some(name) = new.pop() {
        let mut found = BTreeSet::new();
        references(&schemas[&name], "schemas", &mut found);
        new.extend(found.into_iter().filter(|name| read.insert(name.clone())));
    }
    for (_, schema) in schemas.iter_mut().filter(|(name, _)| !read.contains(*name)) {
        each_object(schema, &mut never_null);
    }
}

/// The names of the components of a kind that something refers to.
fn references(value: &Value, kind: &str, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(Value::as_str) {
                let name =
                    name.strip_prefix("#/components/").and_then(|name| name.strip_prefix(kind)?.strip_prefix('/'));
                names.extend(name.map(str::to_owned));
            }
            object.values().for_each(|value| references(value, kind, names));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, kind, names)),
        _ => {}
    }
}

/// Takes `null` out of what a schema allows.
fn never_null(schema: &mut Map<String, Value>) {
    let only = |values: &mut Vec<Value>| (values.len() == 1).then(|| values.remove(0));
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|kind| kind != "null");
        if let Some(kind) = only(types) {
            schema.insert("type".to_owned(), kind);
        }
    }
    if let Some(choices) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| *choice != json!({"type": "null"}));
        if let Some(Value::Object(choice)) = only(choices) {
            schema.remove("oneOf");
            // The description of the member takes precedence over that of its type.
            for (member, value) in choice {
                schema.entry(member).or_insert(value);
            }
        }
    }
}

/// An unsigned number of 32 bits needs one of 64 where there are none without a sign, and has an upper bound.
fn bound(schema: &mut Map<String, Value>) {
    if schema.get("format") == Some(&json!("int32")) && schema.contains_key("minimum") {
        schema.insert("format".to_owned(), "int64".into());
        schema.entry("maximum").or_insert(u32::MAX.into());
    }
}

/// A choice of one value is a constant.
fn make_constant(schema: &mut Map<String, Value>) {
    if let Some([value]) = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice) {
        let value = value.clone();
        schema.remove("enum");
        schema.insert("const".to_owned(), value);
    }
}

/// Changes every object in a value, the innermost first.
fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(|value| each_object(value, change));
            change(object);
        }
        Value::Array(items) => items.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}
