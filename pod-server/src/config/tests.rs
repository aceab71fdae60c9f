//! Where settings come from, and what is said when they are wrong.

use std::{collections::BTreeMap, io::Write};

use super::{file::SETTINGS, *};

fn resolve(args: &ServeArgs, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    variables.entry("HOME".to_owned()).or_insert_with(|| "/home/me".to_owned());
    Config::resolve(args, &|name| variables.get(name).cloned())
}

fn flag(set: impl FnOnce(&mut ServeArgs)) -> ServeArgs {
    let mut args = ServeArgs::default();
    set(&mut args);
    args
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "slots = 2").unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let with_file = flag(|args| args.config = Some(path.clone()));
    assert_eq!(resolve(&ServeArgs::default(), &[]).unwrap().slots, Limits::default().slots);
    assert_eq!(resolve(&with_file, &[]).unwrap().slots, 2);
    assert_eq!(resolve(&ServeArgs::default(), &[("POD_CONFIG", &path)]).unwrap().slots, 2);
    assert_eq!(resolve(&with_file, &[("POD_SLOTS", "3")]).unwrap().slots, 3);
    let with_flag = flag(|args| (args.config, args.slots) = (Some(path.clone()), Some("4".to_owned())));
    assert_eq!(resolve(&with_flag, &[("POD_SLOTS", "3")]).unwrap().slots, 4);
    assert_eq!(resolve(&with_file, &[("POD_SLOTS", "")]).unwrap().slots, 2, "an empty variable is none");
}

#[test]
fn the_data_directory_follows_the_xdg_rules() {
    let directory = |variables: &[(&str, &str)]| resolve(&ServeArgs::default(), variables).unwrap().data_dir;
    assert_eq!(directory(&[]), PathBuf::from("/home/me/.local/share/pod"));
    assert_eq!(directory(&[("XDG_DATA_HOME", "/x")]), PathBuf::from("/x/pod"));
    assert_eq!(directory(&[("XDG_DATA_HOME", "x")]), PathBuf::from("/home/me/.local/share/pod"));
    assert_eq!(directory(&[("POD_DATA_DIR", "/d")]), PathBuf::from("/d"));
    assert!(Config::resolve(&ServeArgs::default(), &|_| None).unwrap_err().to_string().contains("--data-dir"));
}

#[test]
fn wrong_values_get_a_sentence_that_names_setting_place_and_what_is_allowed() {
    for (variable, value, expected) in [
        (
            "POD_SLOTS",
            "none",
            "--slots (from the environment variable POD_SLOTS) must be a whole number from 1 to 1024",
        ),
        ("POD_SLOTS", "0", "from 1 to 1024, not \"0\""),
        ("POD_LISTEN", "8080", "must be HOST:PORT"),
        ("POD_BASE_PATH", "pod", "must begin with a slash, for example /pod, not \"pod\""),
        ("POD_BASE_PATH", "/../pod", "must not hold //, . or .."),
        ("POD_BASE_PATH", "/pod?x=1", "without a query"),
        ("POD_BASE_PATH", "/executions/x", "must not begin with /executions, a path of POD's own"),
        ("POD_BASE_PATH", "/POD", "must not begin with /POD"),
        ("POD_LISTEN", "localhost:99999", "must be HOST:PORT"),
        ("POD_LISTEN", "::1:80", "must be HOST:PORT"),
        ("POD_RETENTION", "7", "is not a duration; write a number and ms, s, m, h or d"),
        ("POD_LOST_AFTER", "1ms", "must be at least 1s"),
        ("POD_STORE", "mysql", "must be sqlite"),
        ("POD_STORE", "postgres://me:hunter2@db/pod", "does not support yet; use sqlite"),
        ("POD_BACKEND", "ec2", "does not support yet; use local"),
        ("POD_BACKEND", "external", "does not support yet; use local"),
        ("POD_BACKEND", "moon", "must be local, docker or swarm, not \"moon\""),
        ("POD_DOCKER_MEMORY", "1MiB", "at least 6MiB, the least that container engines allow"),
        ("POD_DOCKER_CPUS", "many", "must be a number of CPUs such as 1.5"),
        ("POD_DOCKER_PIDS", "3", "must be a whole number from 32"),
        ("POD_DOCKER_MOUNT", "/srv:/a\nsrv", "must be SOURCE:TARGET or SOURCE:TARGET:ro"),
        ("POD_DOCKER_ENV", "A=1\nB", "must be NAME=VALUE, not \"B\""),
        ("POD_DOCKER_IMAGE", "two words", "must be the name of an image"),
        ("POD_DOCKER_MANAGER", "ftp://x", "is not the address of a manager"),
        ("POD_ALLOW_FILE_URLS", "maybe", "must be true or false"),
        ("POD_ALLOW_HOST", "a b", "must be host names"),
        ("POD_OUTPUT_CAP", "1", "must be at least 64KiB"),
        ("POD_TOKEN", "two words", "must be one or more printable ASCII characters"),
        ("POD_CONFIG", "/does/not/exist", "the configuration file /does/not/exist cannot be read"),
    ] {
        let error = resolve(&ServeArgs::default(), &[(variable, value)]).unwrap_err().to_string();
        assert!(error.contains(expected), "{variable}={value}: {error}");
        assert!(!error.contains("hunter2"), "a password is repeated: {error}");
    }
}

#[test]
fn beyond_loopback_a_token_is_needed() {
    let open = resolve(&ServeArgs::default(), &[]).unwrap();
    let closed = resolve(&ServeArgs::default(), &[("POD_TOKEN", "s3cret")]).unwrap();
    let address = |text: &str| [text.parse().unwrap()];
    assert!(open.check_reach(&address("127.0.0.1:1")).is_ok());
    assert!(open.check_reach(&address("[::1]:1")).is_ok());
    for reachable in ["0.0.0.0:1", "[::]:1", "192.168.1.5:1"] {
        assert!(open.check_reach(&address(reachable)).unwrap_err().to_string().contains("without a token"));
        assert!(closed.check_reach(&address(reachable)).is_ok());
    }
}

#[test]
fn secrets_are_masked() {
    let config = resolve(
        &ServeArgs::default(),
        &[("POD_TOKEN", "s3cret"), ("POD_WORKER_TOKEN", "w0rker"), ("POD_DOCKER_ENV", "KEY=d0cker")],
    )
    .unwrap();
    let shown = format!("{:?} {}", config, config.lines().join("\n"));
    assert!(!shown.contains("s3cret") && !shown.contains("w0rker") && !shown.contains("d0cker"), "{shown}");
    assert!(shown.contains("token = (set, not shown)"));
}

#[test]
fn every_setting_is_a_flag_and_a_line() {
    let lines = resolve(&ServeArgs::default(), &[]).unwrap().lines();
    let named: Vec<&str> = lines.iter().filter_map(|line| line.split(" = ").next()).collect();
    assert_eq!(named, SETTINGS);
}
