//! The options of `run` and `map` for the activity that they make of a directory.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use pod_core::domain::{ActivityName, ActivitySettings, Isolation, Millis, Network, Workdir};

use super::{failure::Failure, times::parse_duration};

/// What applies to a directory that is made an activity.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "What holds for DIR")]
pub(crate) struct SubjectOptions {
    /// The name of the activity that it becomes; that of the directory unless given
    #[arg(long, value_name = "NAME", value_parser = ActivityName::new)]
    pub(super) name: Option<ActivityName>,

    /// End an attempt that runs for longer, with all its processes: 90s, 5m, 1h30m; no limit unless given
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// Try again so often, with growing pauses, what exits with another code than 0, or by a signal of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1000))]
    retries: Option<u32>,

    /// Set an environment variable, for its installation too; without a value, pass our own on. May be repeated
    #[arg(short = 'e', long = "env", value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// What has a container of its own, where a manager with containers runs it: worker or execution
    #[arg(long, value_name = "WHAT", value_parser = isolation)]
    isolation: Option<Isolation>,

    /// Where it runs: private, in a directory of its own with links to what is in DIR; copy, with a copy of that; or
    /// shared, in one directory for all; private unless given
    #[arg(long, value_name = "WHERE")]
    workdir: Option<Workdir>,

    /// What it reaches over the network: default, or none, which takes a container for each execution
    #[arg(long, value_name = "WHAT", value_parser = network)]
    network: Option<Network>,
}

fn network(given: &str) -> Result<Network, String> {
    let known = [Network::Default, Network::None];
    known.into_iter().find(|network| network.as_str() == given).ok_or_else(|| "give default or none".to_owned())
}

fn isolation(given: &str) -> Result<Isolation, String> {
    match given {
        "worker" => Ok(Isolation::Worker),
        "execution" => Ok(Isolation::Execution),
        _ => Err("give worker or execution".to_owned()),
    }
}

impl SubjectOptions {
    /// The settings of the activity; what was not given is as it is without the option.
    pub(crate) fn settings(&self) -> Result<ActivitySettings, Failure> {
        if self.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return Err(Failure::new("--timeout must be above 0; leave it out for no limit"));
        }
        let mut env = BTreeMap::new();
        for given in &self.env {
            let (name, value) = match given.split_once('=') {
                Some((name, value)) => (name, value.to_owned()),
                None => (given.as_str(), own(given)?),
            };
            env.insert(name.to_owned(), value);
        }
        Ok(ActivitySettings {
            timeout: self.timeout.map(Millis::from),
            retries: self.retries.unwrap_or_default(),
            env,
            isolation: self.isolation,
            workdir: self.workdir.unwrap_or_default(),
            network: self.network.unwrap_or_default(),
            ..ActivitySettings::default()
        })
    }

    /// An existing activity keeps its own settings.
    pub(crate) fn refuse_for_activity(&self, activity: &str) -> Result<(), Failure> {
        let given = [
            ("--name", self.name.is_some()),
            ("--timeout", self.timeout.is_some()),
            ("--retries", self.retries.is_some()),
            ("--env", !self.env.is_empty()),
            ("--isolation", self.isolation.is_some()),
            ("--workdir", self.workdir.is_some()),
            ("--network", self.network.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((option, _)) => Err(Failure::new(format!(
                "{option} is for a directory, and {activity} is an activity, which was registered with its own; leave \
                 it out, or give the activity's directory"
            ))),
        }
    }
}

/// A variable of our own environment.
fn own(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|error| {
        let why = match error {
            std::env::VarError::NotPresent => "is not set here",
            std::env::VarError::NotUnicode(_) => "is not text here",
        };
        Failure::new(format!("--env {name}: it {why}; give it as {name}=VALUE"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_becomes_settings() {
        let options = SubjectOptions {
            name: None,
            timeout: Some(Duration::from_millis(1500)),
            retries: Some(2),
            env: vec!["A=1=2".to_owned(), "B=".to_owned(), "A=3".to_owned(), "PATH".to_owned()],
            isolation: None,
            workdir: Some(Workdir::Copy),
            network: None,
        };
        let settings = options.settings().expect("settings");
        assert_eq!((settings.timeout, settings.retries), (Some(Millis(1500)), 2));
        assert_eq!(settings.workdir, Workdir::Copy);
        let path = std::env::var("PATH").expect("there is one");
        let expected = [("A", "3"), ("B", ""), ("PATH", path.as_str())];
        assert!(settings.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
        assert_eq!(SubjectOptions::default().settings().expect("settings"), ActivitySettings::default());
    }

    #[test]
    fn what_cannot_be_applied_gets_a_sentence() {
        let options = SubjectOptions { env: vec!["POD_NO_SUCH_VARIABLE".to_owned()], ..SubjectOptions::default() };
        let message = options.settings().expect_err("it is not set").to_string();
        assert!(message.contains("is not set here; give it as"), "{message}");
        let nothing = SubjectOptions { timeout: Some(Duration::ZERO), ..SubjectOptions::default() };
        let message = nothing.settings().expect_err("no time at all").to_string();
        assert!(message.contains("--timeout must be above 0"), "{message}");
        let message = options.refuse_for_activity("thumbs").expect_err("it has its own").to_string();
        assert!(message.contains("--env is for a directory, and thumbs is an activity"), "{message}");
    }
}
