//! The rules of a policy: in a body numbers or texts of numbers, in answers the texts.

use serde::{Deserialize, Deserializer, de::Error};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, OneOfBuilder, RefOr, Schema, Type, schema::AdditionalProperties},
};

/// The most workers that a rule may name.
const MAX_WORKERS: u64 = 10_000;
/// The longest time that a rule may name, in milliseconds: a year.
const MAX_MILLIS: u64 = 365 * 24 * 3600 * 1000;

/// The rules, what each is, and how large it may be.
const RULES: [(&str, &str, u64); 5] = [
    ("minWorkers", "Never fewer workers than this.", MAX_WORKERS),
    ("maxWorkers", "Never more workers than this.", MAX_WORKERS),
    ("fixedWorkers", "So many workers: in the place of both.", MAX_WORKERS),
    ("maxWait", "How long an execution may wait before the fleet grows, in milliseconds.", MAX_MILLIS),
    ("terminationTime", "How long a worker is idle before it is let go, in milliseconds.", MAX_MILLIS),
];

/// The value of a rule: a whole number, or a text of one.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "the value of a rule must be a whole number")]
pub(crate) enum RuleValue {
    Number(u64),
    WithPoint(#[serde(deserialize_with = "with_point")] u64),
    Text(String),
}

/// The whole number that a number with a point is: in JSON, 2.0 is 2.
pub(super) fn whole(number: f64) -> Option<u64> {
    /// Up to here every whole number has a place of its own among those with a point.
    const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within bounds")]
    ((0.0..=MAX_EXACT_INTEGER).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

fn with_point<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    whole(f64::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("not a whole number"))
}

impl From<RuleValue> for String {
    fn from(value: RuleValue) -> Self {
        match value {
            RuleValue::Number(number) | RuleValue::WithPoint(number) => number.to_string(),
            RuleValue::Text(text) => text,
        }
    }
}

/// Rules in a body.
#[derive(Debug)]
pub(super) struct GivenRules;

/// Rules in an answer.
#[derive(Debug)]
pub(super) struct RuleTexts;

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,20}$"))
}

fn rules(description: &str, value: impl Fn(u64) -> RefOr<Schema>) -> RefOr<Schema> {
    let object = ObjectBuilder::new()
        .description(Some(description))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    RULES.into_iter().fold(object, |object, (name, _, most)| object.property(name, value(most))).into()
}

impl PartialSchema for GivenRules {
    fn schema() -> RefOr<Schema> {
        let number = |most: u64| ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(most));
        let names: Vec<_> = RULES.iter().map(|(name, what, _)| format!("`{name}`: {what}")).collect();
        rules(&format!("Rules: numbers, or texts of numbers. {}", names.join(" ")), |most| {
            OneOfBuilder::new().item(number(most)).item(text()).into()
        })
    }
}

impl ToSchema for GivenRules {
    fn name() -> std::borrow::Cow<'static, str> {
        "Rules".into()
    }
}

impl PartialSchema for RuleTexts {
    fn schema() -> RefOr<Schema> {
        rules("The rules of a policy as they were given, each a number as a text.", |_| text().into())
    }
}

impl ToSchema for RuleTexts {}
