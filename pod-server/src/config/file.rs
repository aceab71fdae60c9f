//! The TOML file of `--config`: the flags' names as keys, plain values.

use std::{collections::BTreeMap, path::Path};

use super::{ConfigError, SETTINGS};

/// Reads the file as text per setting. Unknown keys are errors: a typo would silently change nothing.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("the configuration file {} cannot be read: {error}", path.display())))?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        ConfigError(format!("the configuration file {} is not TOML: {}", path.display(), error.to_string().trim()))
    })?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let name = key.replace('_', "-");
        if !SETTINGS.contains(&name.as_str()) {
            return Err(ConfigError(format!(
                "{key:?} in {} is not a setting; the settings are {}",
                path.display(),
                SETTINGS.join(", ")
            )));
        }
        let text = as_text(&value).ok_or_else(|| {
            ConfigError(format!("{key} in {} must be a text, a number, true or false", path.display()))
        })?;
        values.insert(name, text);
    }
    Ok(values)
}

fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_flags_names() {
        let values = parse(Path::new("pod.toml"), "slots = 3\ndata_dir = \"/d\"\nallow-host = [\"a\", \"b\"]").unwrap();
        assert_eq!(values["slots"], "3");
        assert_eq!(values["data-dir"], "/d");
        assert_eq!(values["allow-host"], "a,b");
    }

    #[test]
    fn mistakes_name_the_key_and_the_file() {
        let unknown = parse(Path::new("pod.toml"), "sluts = 3").unwrap_err().to_string();
        assert!(unknown.contains("\"sluts\" in pod.toml is not a setting"), "{unknown}");
        assert!(unknown.contains("slots"), "{unknown}");
        let nested = parse(Path::new("pod.toml"), "[slots]\na = 1").unwrap_err().to_string();
        assert!(nested.contains("slots in pod.toml must be"), "{nested}");
        assert!(parse(Path::new("pod.toml"), "slots 3").unwrap_err().to_string().contains("is not TOML"));
    }
}
