//! The environment of an activity in bodies and answers. Values may be secret: answers mask them, and a body that sends
//! the mask back keeps the stored value.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use pod_core::{ActivityView, PodError};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema},
};

use super::{openapi::bodies::True, problem::Problem};
use crate::serve::app::App;

/// A value that is there and is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Masked {
    /// Always true.
    #[schema(value_type = True)]
    masked: bool,
}

/// An environment in an answer.
pub(crate) type MaskedEnv = BTreeMap<String, Masked>;

/// An environment as answers show it: names, with masked values.
pub(crate) fn masked(env: &BTreeMap<String, String>) -> MaskedEnv {
    env.keys().map(|name| (name.clone(), Masked { masked: true })).collect()
}

/// The value of a variable in a body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum EnvValue {
    /// This one.
    Plain(String),
    /// The one that is there.
    Unchanged(Masked),
}

/// The shape of an environment in a body.
#[derive(Debug)]
pub(super) struct GivenEnv;

impl PartialSchema for GivenEnv {
    fn schema() -> RefOr<Schema> {
        let name = ObjectBuilder::new().pattern(Some("^(?!POD_)[^=\\u0000]+$"));
        ObjectBuilder::new()
            .property_names(Some(name))
            .additional_properties(Some(Ref::from_schema_name(EnvValue::name())))
            .into()
    }
}

impl ToSchema for GivenEnv {
    fn name() -> Cow<'static, str> {
        "Environment".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((EnvValue::name().into_owned(), EnvValue::schema()));
        EnvValue::schemas(schemas);
    }
}

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = EnvValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or {\"masked\": true} for the value that is there,")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<EnvValue, E> {
        Ok(EnvValue::Plain(value.to_owned()))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<EnvValue, M::Error> {
        let mut masked = false;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "masked" => masked = map.next_value()?,
                name => return Err(M::Error::unknown_field(name, &["masked"])),
            }
        }
        if masked { Ok(EnvValue::Unchanged(Masked { masked })) } else { Err(M::Error::custom(NOT_MASKED)) }
    }
}

const NOT_MASKED: &str = "the value of a variable is a text, or {\"masked\": true} for the one that is there";

/// The activity of this name, where a body means values of it. It may not be there yet.
pub(super) async fn before(
    app: &App,
    activity: &str,
    env: &BTreeMap<String, EnvValue>,
) -> Result<Option<ActivityView>, Problem> {
    if !env.values().any(|value| matches!(value, EnvValue::Unchanged(_))) {
        return Ok(None);
    }
    match app.pod.activity(activity).await {
        Ok(view) => Ok(Some(view)),
        Err(PodError::NoSuchActivity(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// With the values that are there in the place of those that are masked.
pub(super) fn filled(
    env: BTreeMap<String, EnvValue>,
    before: Option<&ActivityView>,
) -> Result<BTreeMap<String, String>, Problem> {
    let value = |(name, value): (String, EnvValue)| match value {
        EnvValue::Plain(value) => Ok((name, value)),
        EnvValue::Unchanged(_) => match before.and_then(|before| before.env_value(&name)) {
            Some(value) => {
                let value = value.to_owned();
                Ok((name, value))
            }
            None => Err(Problem::invalid(format!(
                "env: {name} is masked, and the activity has no value for it; give the value itself"
            ))),
        },
    };
    env.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_text_or_masked() {
        let read = |text: &str| serde_json::from_str::<EnvValue>(text).map_err(|error| error.to_string());
        assert_eq!(read("\"x\""), Ok(EnvValue::Plain("x".to_owned())));
        assert_eq!(read("{\"masked\":true}"), Ok(EnvValue::Unchanged(Masked { masked: true })));
        for wrong in ["5", "null", "[]", "{}", "{\"masked\":false}", "{\"masked\":1}", "{\"secret\":\"x\"}"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_masked_needs_a_value_that_is_there() {
        let env = BTreeMap::from([("KEY".to_owned(), EnvValue::Unchanged(Masked { masked: true }))]);
        assert!(filled(env, None).unwrap_err().detail.contains("KEY"));
        let env = BTreeMap::from([("KEY".to_owned(), EnvValue::Plain("v".to_owned()))]);
        assert_eq!(filled(env, None).unwrap(), BTreeMap::from([("KEY".to_owned(), "v".to_owned())]));
    }
}
