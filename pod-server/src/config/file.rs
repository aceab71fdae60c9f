//! The TOML file of `--config`: the flags' names as keys, plain values.

use std::{collections::BTreeMap, path::Path};

use super::error::ConfigError;

/// The names of all settings, which are their flags, their keys in the file and, in capitals, their variables.
pub(super) const SETTINGS: &[&str] = &[
    "allow-file-urls",
    "allow-host",
    "backend",
    "base-path",
    "data-dir",
    "docker-cap-add",
    "docker-cpus",
    "docker-env",
    "docker-image",
    "docker-isolation",
    "docker-manager",
    "docker-memory",
    "docker-metadata",
    "docker-mount",
    "docker-network",
    "docker-pids",
    "docker-read-only",
    "docker-user",
    "fetch-timeout",
    "grace",
    "install-timeout",
    "listen",
    "lost-after",
    "output-cap",
    "retention",
    "run-as",
    "slots",
    "store",
    "token",
    "worker-token",
];

/// Reads the file as text per setting. Unknown keys are errors: a typo would silently change nothing.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("the configuration file {} cannot be read: {error}", path.display())))?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        ConfigError(format!("the configuration file {} is not TOML: {}", path.display(), error.to_string().trim()))
    })?;
    let mut values = BTreeMap::new();
    for (key, value) in flat(table) {
        let name = key.replace('_', "-");
        if !SETTINGS.contains(&name.as_str()) {
            return Err(ConfigError(format!(
                "{key:?} in {} is not a setting; the settings are {}",
                path.display(),
                SETTINGS.join(", ")
            )));
        }
        let text = as_text(&name, &value).ok_or_else(|| {
            ConfigError(format!("{key} in {} must be a text, a number, true or false", path.display()))
        })?;
        values.insert(name, text);
    }
    Ok(values)
}

/// The keys of the table `[docker]` as the flags that they are.
fn flat(table: toml::Table) -> Vec<(String, toml::Value)> {
    let mut values = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(docker) if key == "docker" => {
                values.extend(docker.into_iter().map(|(key, value)| (format!("docker-{key}"), value)));
            }
            value => values.push((key, value)),
        }
    }
    values
}

fn as_text(name: &str, value: &toml::Value) -> Option<String> {
    let separator = if name.starts_with("docker-") { "\n" } else { "," };
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            items.map(|items| items.join(separator))
        }
        toml::Value::Float(number) if name == "docker-cpus" => Some(number.to_string()),
        toml::Value::Table(variables) if name == "docker-env" => {
            let lines = variables.iter().map(|(name, value)| Some(format!("{name}={}", as_text("", value)?)));
            lines.collect::<Option<Vec<_>>>().map(|lines| lines.join("\n"))
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
    fn the_containers_have_a_table_of_their_own() {
        let text = "[docker]\nimage = \"a\"\ncpus = 1.5\nmount = [\"/a:/b\", \"c:/d\"]\nenv = { A = \"1,2\", B = 3 }";
        let values = parse(Path::new("pod.toml"), text).unwrap();
        assert_eq!(values["docker-image"], "a");
        assert_eq!(values["docker-cpus"], "1.5");
        assert_eq!(values["docker-mount"], "/a:/b\nc:/d");
        assert_eq!(values["docker-env"], "A=1,2\nB=3");
        assert!(parse(Path::new("pod.toml"), "[docker]\nx = 1").unwrap_err().to_string().contains("docker-x"));
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
