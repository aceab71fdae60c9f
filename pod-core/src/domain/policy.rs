//! Policies: how the fleet of workers grows and shrinks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{activity::ActivityName, ids::PolicyId, time::Millis};

/// A named set of rules. One policy is active at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its identity; 0 is the built-in default.
    pub id: PolicyId,
    /// Its unique name.
    pub name: ActivityName,
    /// The rules as they were given (and `maxWait` where it was added).
    pub rules: BTreeMap<String, String>,
}

/// The rules of a policy, understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Never fewer workers than this.
    pub min_workers: u32,
    /// Never more workers than this.
    pub max_workers: u32,
    /// How long an execution may wait before the fleet grows.
    pub max_wait: Millis,
    /// How long a worker is idle before it is let go.
    pub idle_timeout: Millis,
}

impl Default for Rules {
    fn default() -> Self {
        Self { min_workers: 0, max_workers: 4, max_wait: Millis(60_000), idle_timeout: Millis(2_700_000) }
    }
}

/// Why rules were refused, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// Not `name=value`.
    #[error("Invalid rule {0}. It must have the form ruleName=ruleValue")]
    Form(String),
    /// No such rule.
    #[error("Unknown rule {0}. The rules are minWorkers, maxWorkers, fixedWorkers, maxWait and terminationTime")]
    Unknown(String),
    /// Not a number in range.
    #[error("The value {value} of rule {rule} is not a whole number between {min} and {max}")]
    Number {
        /// The rule.
        rule: String,
        /// What was given.
        value: String,
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
    },
    /// The same rule twice.
    #[error("The rule {0} is given twice")]
    Twice(String),
    /// `minWorkers` above `maxWorkers`.
    #[error("minWorkers ({min}) is above maxWorkers ({max})")]
    Order {
        /// The minimum that was given.
        min: u32,
        /// The maximum that was given, or the default one.
        max: u32,
    },
    /// `fixedWorkers` beside `minWorkers` or `maxWorkers`.
    #[error("fixedWorkers sets minWorkers and maxWorkers at once; give either it or them")]
    FixedAndRange,
}

/// The most workers a policy may name.
const MAX_WORKERS: u64 = 10_000;
/// The longest wait or idle time a policy may name: a year.
const MAX_MILLIS: u64 = 365 * 24 * 3600 * 1000;

impl Policy {
    /// The built-in policy that applies where no other was: one worker, always.
    #[must_use]
    pub fn built_in() -> Self {
        Self {
            id: PolicyId(0),
            name: ActivityName::new("default").unwrap_or_else(|_| unreachable!("'default' is a valid name")),
            rules: BTreeMap::from([("fixedWorkers".to_owned(), "1".to_owned())]),
        }
    }

    /// Tells it from what it was before a change and will be after the next.
    #[must_use]
    pub fn version(&self) -> String {
        let mut hash = Sha256::new();
        for (rule, value) in &self.rules {
            hash.update(format!("{rule}={value}\n"));
        }
        format!("{}.{}", self.id, hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    /// What its rules mean.
    pub fn parsed(&self) -> Result<Rules, InvalidRule> {
        Rules::parse(self.rules.iter().map(|(rule, value)| (rule.as_str(), value.as_str())))
    }
}

impl Rules {
    /// Splits `rule=value,rule=value`, checks it, and adds `maxWait=60000` unless `fixedWorkers` or `maxWait` is given.
    pub fn parse_text(text: &str) -> Result<BTreeMap<String, String>, InvalidRule> {
        let mut rules = BTreeMap::new();
        for part in text.split(',') {
            let part = part.trim();
            let Some((rule, value)) = part.split_once('=') else { return Err(InvalidRule::Form(part.to_owned())) };
            let (rule, value) = (rule.trim(), value.trim());
            if rule.is_empty() || value.is_empty() || value.contains('=') {
                return Err(InvalidRule::Form(part.to_owned()));
            }
            // There are five.
            if rules.len() == 64 {
                return Err(InvalidRule::Unknown(rule.to_owned()));
            }
            if rules.insert(rule.to_owned(), value.to_owned()).is_some() {
                return Err(InvalidRule::Twice(rule.to_owned()));
            }
        }
        Self::complete(rules)
    }

    /// Checks rules given as an object, and adds `maxWait` as [`Rules::parse_text`] does.
    pub fn complete(mut rules: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, InvalidRule> {
        Self::parse(rules.iter().map(|(rule, value)| (rule.as_str(), value.as_str())))?;
        if !rules.contains_key("fixedWorkers") && !rules.contains_key("maxWait") {
            rules.insert("maxWait".to_owned(), "60000".to_owned());
        }
        Ok(rules)
    }

    /// Understands rules; those not named keep their defaults.
    pub fn parse<'a>(rules: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidRule> {
        let mut parsed = Self::default();
        let (mut min, mut max, mut fixed) = (None, None, None);
        for (rule, value) in rules {
            match rule {
                "minWorkers" => min = Some(workers(rule, value)?),
                "maxWorkers" => max = Some(workers(rule, value)?),
                "fixedWorkers" => fixed = Some(workers(rule, value)?),
                "maxWait" => parsed.max_wait = Millis(number(rule, value, 0, MAX_MILLIS)?),
                "terminationTime" => parsed.idle_timeout = Millis(number(rule, value, 0, MAX_MILLIS)?),
                _ => return Err(InvalidRule::Unknown(rule.to_owned())),
            }
        }
        match (fixed, min, max) {
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) => return Err(InvalidRule::FixedAndRange),
            (Some(fixed), None, None) => (parsed.min_workers, parsed.max_workers) = (fixed, fixed),
            (None, min, max) => {
                parsed.min_workers = min.unwrap_or(parsed.min_workers);
                // A minimum above the default maximum raises it; above a given one it is a mistake.
                parsed.max_workers = max.unwrap_or(parsed.max_workers.max(parsed.min_workers));
            }
        }
        if parsed.min_workers > parsed.max_workers {
            return Err(InvalidRule::Order { min: parsed.min_workers, max: parsed.max_workers });
        }
        Ok(parsed)
    }
}

fn workers(rule: &str, value: &str) -> Result<u32, InvalidRule> {
    number(rule, value, 0, MAX_WORKERS).map(|n| u32::try_from(n).unwrap_or(u32::MAX))
}

fn number(rule: &str, value: &str, min: u64, max: u64) -> Result<u64, InvalidRule> {
    match value.parse::<u64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(InvalidRule::Number { rule: rule.to_owned(), value: value.to_owned(), min, max }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(text: &str) -> Result<Rules, InvalidRule> {
        let rules = Rules::parse_text(text)?;
        Rules::parse(rules.iter().map(|(rule, value)| (rule.as_str(), value.as_str())))
    }

    #[test]
    fn max_wait_is_added_unless_it_or_fixed_workers_is_given() {
        assert_eq!(Rules::parse_text("minWorkers=1").unwrap()["maxWait"], "60000");
        assert_eq!(Rules::parse_text("maxWait=5").unwrap()["maxWait"], "5");
        assert!(!Rules::parse_text("fixedWorkers=2").unwrap().contains_key("maxWait"));
    }

    #[test]
    fn fixed_workers_sets_both_ends() {
        let rules = understood("fixedWorkers=3").unwrap();
        assert_eq!((rules.min_workers, rules.max_workers), (3, 3));
    }

    #[test]
    fn every_mistake_is_named() {
        assert_eq!(
            understood("x").unwrap_err().to_string(),
            "Invalid rule x. It must have the form ruleName=ruleValue"
        );
        assert!(matches!(understood("wat=1"), Err(InvalidRule::Unknown(_))));
        assert!(matches!(understood("minWorkers=-1"), Err(InvalidRule::Number { .. })));
        assert!(matches!(understood("minWorkers=5,maxWorkers=2"), Err(InvalidRule::Order { .. })));
        assert!(matches!(understood("minWorkers=1,minWorkers=2"), Err(InvalidRule::Twice(_))));
        assert!(matches!(understood("fixedWorkers=1,maxWorkers=2"), Err(InvalidRule::FixedAndRange)));
        assert!(matches!(understood(""), Err(InvalidRule::Form(_))));
    }
}
