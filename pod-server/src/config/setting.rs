//! One setting: where its value came from, and what is said when the value is wrong.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use pod_core::domain::Millis;

use super::{
    duration::{parse_duration, parse_size},
    error::ConfigError,
};

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Flag,
    Environment(String),
    File(PathBuf),
}

/// A value in the form in which it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettingValue {
    pub(super) flag: &'static str,
    pub(super) source: Source,
    pub(super) text: String,
}

impl fmt::Display for SettingValue {
    /// What names the setting in a sentence: `--slots (from the environment variable POD_SLOTS)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Flag => write!(f, "--{}", self.flag),
            Source::Environment(name) => write!(f, "--{} (from the environment variable {name})", self.flag),
            Source::File(path) => write!(f, "{} in {}", self.flag, path.display()),
        }
    }
}

impl SettingValue {
    /// The value is wrong: `problem` goes on after the name of the setting.
    pub(super) fn wrong(&self, problem: impl fmt::Display) -> ConfigError {
        ConfigError(format!("{self} {problem}"))
    }

    pub(super) fn duration(&self) -> Result<Millis, ConfigError> {
        parse_duration(&self.text).map_err(|problem| self.wrong(problem))
    }

    pub(super) fn size(&self) -> Result<u64, ConfigError> {
        parse_size(&self.text).map_err(|problem| self.wrong(problem))
    }

    pub(super) fn number(&self, min: u32, max: u32) -> Result<u32, ConfigError> {
        match self.text.trim().parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(self.wrong(format!("must be a whole number from {min} to {max}, not {:?}", self.text))),
        }
    }

    /// The items of a list, which stand on lines of their own.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim).filter(|line| !line.is_empty())
    }

    pub(super) fn switch(&self) -> Result<bool, ConfigError> {
        match self.text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(self.wrong(format!("must be true or false, not {:?}", self.text))),
        }
    }
}

/// The three places where values come from, the strongest first.
pub(super) struct Layers<'a> {
    pub(super) flags: BTreeMap<&'static str, String>,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) file: Option<(PathBuf, BTreeMap<String, String>)>,
}

impl Layers<'_> {
    /// The value of a setting from the strongest place that has one. An empty environment variable is as good as none.
    pub(super) fn find(&self, flag: &'static str) -> Option<SettingValue> {
        if let Some(text) = self.flags.get(flag) {
            return Some(SettingValue { flag, source: Source::Flag, text: text.clone() });
        }
        let variable = format!("POD_{}", flag.to_ascii_uppercase().replace('-', "_"));
        if let Some(text) = (self.environment)(&variable).filter(|text| !text.is_empty()) {
            return Some(SettingValue { flag, source: Source::Environment(variable), text });
        }
        let (path, values) = self.file.as_ref()?;
        let text = values.get(flag)?.clone();
        Some(SettingValue { flag, source: Source::File(path.clone()), text })
    }
}
