//! The commands of the original client: they send a request of the action API and print its answer, as JSON.

use clap::Subcommand;
use serde_json::Value;

use super::{
    connection::ManagerOptions,
    console::print_json,
    failure::{Exit, Failure},
};

/// The commands, by their names and short forms of old.
#[derive(Subcommand, Debug)]
pub(crate) enum Classic {
    /// Registers an activity by the address of its installation script (short: na)
    #[command(
        name = "newActivity",
        alias = "na",
        hide = true,
        after_help = "\
Examples:
  pod newActivity thumbs https://example.org/thumbs/install.sh
  pod na thumbs https://example.org/thumbs/install.sh"
    )]
    NewActivity {
        /// Its name
        name: String,
        /// Where its installation script is
        #[arg(value_name = "URL")]
        url: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Shows an activity and its installations (short: ga)
    #[command(name = "getActivity", alias = "ga", hide = true, after_help = "Example:\n  pod getActivity thumbs")]
    GetActivity {
        /// Its name
        name: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Deletes an activity (short: da)
    #[command(name = "deleteActivity", alias = "da", hide = true, after_help = "Example:\n  pod deleteActivity thumbs")]
    DeleteActivity {
        /// Its name
        name: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Starts an execution (short: ne)
    #[command(
        name = "newExecution",
        alias = "ne",
        hide = true,
        after_help = "\
Examples:
  pod newExecution thumbs cat.png
  pod ne thumbs \"$(cat input.txt)\""
    )]
    NewExecution {
        /// The name of the activity
        name: String,
        /// The argument for main.sh
        #[arg(allow_hyphen_values = true)]
        input: Option<String>,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Shows an execution; once it has ended, its result is handed out this one time (short: ge)
    #[command(name = "getExecution", alias = "ge", hide = true, after_help = "Example:\n  pod getExecution 17")]
    GetExecution {
        /// Its id
        id: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Shows all executions whose results were not handed out (short: gae)
    #[command(name = "getAllExecutions", alias = "gae", hide = true, after_help = "Example:\n  pod getAllExecutions")]
    GetAllExecutions {
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Terminates an execution (short: te)
    #[command(
        name = "terminateExecution",
        alias = "te",
        hide = true,
        after_help = "Example:\n  pod terminateExecution 17"
    )]
    TerminateExecution {
        /// Its id
        id: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Makes a policy (short: np)
    #[command(
        name = "newPolicy",
        alias = "np",
        hide = true,
        after_help = "\
Example:
  pod newPolicy busy minWorkers=1,maxWorkers=8"
    )]
    NewPolicy {
        /// Its name
        name: String,
        /// rule=value,rule=value
        rules: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Makes a policy the active one (short: ap)
    #[command(name = "applyPolicy", alias = "ap", hide = true, after_help = "Example:\n  pod applyPolicy busy")]
    ApplyPolicy {
        /// Its name
        name: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Deletes a policy (short: dp)
    #[command(name = "deletePolicy", alias = "dp", hide = true, after_help = "Example:\n  pod deletePolicy busy")]
    DeletePolicy {
        /// Its name
        name: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Shows the active policy (short: gap)
    #[command(name = "getActivePolicy", alias = "gap", hide = true, after_help = "Example:\n  pod getActivePolicy")]
    GetActivePolicy {
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Shows all policies (short: gp)
    #[command(name = "getPolicies", alias = "gp", hide = true, after_help = "Example:\n  pod getPolicies")]
    GetPolicies {
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Makes the default policy the active one (short: rp)
    #[command(name = "resetPolicies", alias = "rp", hide = true, after_help = "Example:\n  pod resetPolicies")]
    ResetPolicies {
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Counts and lists workers (short: gw)
    #[command(name = "getWorkers", alias = "gw", hide = true, after_help = "Example:\n  pod getWorkers")]
    GetWorkers {
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Shows the last lines of a log of the manager
    #[command(name = "log", hide = true, after_help = "Example:\n  pod log server")]
    Log {
        /// setup, properties or server
        #[arg(value_name = "TYPE")]
        kind: String,
        #[command(flatten)]
        manager: ManagerOptions,
    },
    /// Was: launched the manager on a cloud machine. Says what takes its place
    #[command(name = "deploy", hide = true, after_help = "Instead:\n  pod serve")]
    Deploy {
        /// What it was given
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        given: Vec<String>,
    },
    /// Was: launched the manager on a cloud machine again. Says what takes its place
    #[command(name = "redeploy", hide = true, after_help = "Instead:\n  pod serve")]
    Redeploy {
        /// What it was given
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        given: Vec<String>,
    },
}

/// What the help says about these commands, which it does not list one by one.
pub(crate) const OVERVIEW: &str = "\
Commands of the original client, printing JSON:
  newActivity (na), getActivity (ga), deleteActivity (da), newExecution (ne),
  getExecution (ge), getAllExecutions (gae), terminateExecution (te),
  newPolicy (np), applyPolicy (ap), deletePolicy (dp), getActivePolicy (gap),
  getPolicies (gp), resetPolicies (rp), getWorkers (gw), log TYPE";

/// The manager to ask, the action, and its parameters.
type ClassicRequest = (ManagerOptions, &'static str, Vec<(&'static str, String)>);

impl Classic {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let (manager, action, parameters) = self.request()?;
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let key = uuid::Uuid::new_v4().to_string();
        let answer = manager.client().await?.action(action, &parameters, &key).await?;
        print_json(answer.to_string())?;
        Ok(exit_of(&answer))
    }

    fn request(self) -> Result<ClassicRequest, Failure> {
        Ok(match self {
            Self::NewActivity { name, url, manager } => {
                (manager, "newActivity", vec![("name", name), ("installationScriptLocation", url)])
            }
            Self::GetActivity { name, manager } => (manager, "getActivityStatus", vec![("name", name)]),
            Self::DeleteActivity { name, manager } => (manager, "deleteActivity", vec![("name", name)]),
            Self::NewExecution { name, input, manager } => {
                let input = input.map(|input| ("input", input));
                (manager, "newExecution", [("name", name)].into_iter().chain(input).collect())
            }
            Self::GetExecution { id, manager } => (manager, "getExecutionStatus", vec![("executionId", id)]),
            Self::GetAllExecutions { manager } => (manager, "getAllExecutions", Vec::new()),
            Self::TerminateExecution { id, manager } => (manager, "terminateExecution", vec![("executionId", id)]),
            Self::NewPolicy { name, rules, manager } => (manager, "newPolicy", vec![("name", name), ("rules", rules)]),
            Self::ApplyPolicy { name, manager } => (manager, "applyPolicy", vec![("name", name)]),
            Self::DeletePolicy { name, manager } => (manager, "deletePolicy", vec![("name", name)]),
            Self::GetActivePolicy { manager } => (manager, "getActivePolicy", Vec::new()),
            Self::GetPolicies { manager } => (manager, "getPolicies", Vec::new()),
            Self::ResetPolicies { manager } => (manager, "resetPolicies", Vec::new()),
            Self::GetWorkers { manager } => (manager, "getWorkers", Vec::new()),
            Self::Log { kind, manager } => (manager, "logs", vec![("type", kind)]),
            Self::Deploy { .. } | Self::Redeploy { .. } => return Err(replaced()),
        })
    }
}

/// Launching a manager in a cloud is not this program's any more: no machine is to cost money by surprise.
fn replaced() -> Failure {
    Failure::new(
        "the manager is no longer launched from here; run `pod serve` on the machine that is to be the manager, and set \
         POD to its address",
    )
}

fn exit_of(answer: &Value) -> Exit {
    if answer.get("error").is_some() { Exit::ERROR } else { Exit::DONE }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
    use serde_json::json;

    fn request_of(line: &[&str]) -> (&'static str, Vec<(&'static str, String)>) {
        let cli = Cli::try_parse_from(["pod"].iter().chain(line)).expect("a command");
        let Command::Classic(classic) = cli.command else { panic!("{line:?} is not one of them") };
        let (_, action, parameters) = classic.request().expect("a request");
        (action, parameters)
    }

    #[test]
    fn names_and_short_forms_send_the_same_request() {
        let cases: [(&str, &str, &[&str], &str); 15] = [
            ("newActivity", "na", &["a", "http://h/i.sh"], "newActivity"),
            ("getActivity", "ga", &["a"], "getActivityStatus"),
            ("deleteActivity", "da", &["a"], "deleteActivity"),
            ("newExecution", "ne", &["a", "-x"], "newExecution"),
            ("getExecution", "ge", &["3"], "getExecutionStatus"),
            ("getAllExecutions", "gae", &[], "getAllExecutions"),
            ("terminateExecution", "te", &["3"], "terminateExecution"),
            ("newPolicy", "np", &["p", "maxWorkers=3"], "newPolicy"),
            ("applyPolicy", "ap", &["p"], "applyPolicy"),
            ("deletePolicy", "dp", &["p"], "deletePolicy"),
            ("getActivePolicy", "gap", &[], "getActivePolicy"),
            ("getPolicies", "gp", &[], "getPolicies"),
            ("resetPolicies", "rp", &[], "resetPolicies"),
            ("getWorkers", "gw", &[], "getWorkers"),
            ("log", "log", &["server"], "logs"),
        ];
        for (name, short, arguments, action) in cases {
            let by_name = request_of(&[&[name], arguments].concat());
            assert_eq!(by_name, request_of(&[&[short], arguments].concat()), "{name}");
            assert_eq!(by_name.0, action);
        }
    }

    #[test]
    fn an_execution_without_input_sends_none() {
        assert_eq!(request_of(&["ne", "a"]).1, [("name", "a".to_owned())]);
        assert_eq!(request_of(&["ne", "a", ""]).1, [("name", "a".to_owned()), ("input", String::new())]);
    }

    #[test]
    fn an_error_in_the_answer_is_an_error() {
        assert_eq!(exit_of(&json!({"error": "no"})), Exit(1));
        assert_eq!(exit_of(&json!({"execution": {"error": "lost"}})), Exit(0));
    }
}
