//! The command line of POD: a file per command.

mod classic;
mod connection;
mod console;
mod drain;
mod embedded_manager;
mod excluded;
mod executions;
mod exit_code;
mod failure;
mod filter;
mod fleet;
mod handover;
mod ids;
mod input;
mod launch_watch;
mod listing;
mod logs;
mod manager;
mod map;
mod pack;
pub(crate) mod printable;
mod ps;
mod reconnect;
mod relay;
mod reporting_dialer;
mod run;
mod serve;
mod settings;
mod show;
mod subject;
mod submit;
mod suggestions;
mod symlinks;
mod times;
mod top;
mod wait_reporter;
mod worker;

use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use console::note;
pub(crate) use failure::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  pod run docs/examples/hello Ada    Run a directory's main.sh
  pod map thumbs names.txt           One execution per line
  pod serve                          Start a manager
  POD=http://10.0.0.7:8080 pod ps    Talk to another one

Exit codes: 0 done, 1 error, 2 wrong usage, 3 no manager answers, 4 not allowed, 5 the address leads to no manager; `run` and `wait --exit-status` give the program's own code, \
128+N where signal N ended it; 130 after Ctrl-C, 141 when the reader of stdout went away.";

/// Processing On Demand: your code, run on demand, on machines that come and go
#[derive(Parser, Debug)]
#[command(name = "pod", version, max_term_width = 120, after_help = format!("{}\n\n{EXAMPLES}", classic::OVERVIEW))]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Whether this process is a worker.
    pub(crate) fn is_worker(&self) -> bool {
        matches!(self.command, Command::Worker(_))
    }
}

#[derive(Subcommand, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one, for the length of the process")]
pub(crate) enum Command {
    Run(run::Run),
    Submit(submit::Submit),
    Map(map::Map),
    Serve(serve::Serve),
    Worker(worker::Worker),
    Ps(ps::Ps),
    Show(show::Show),
    Status(show::Status),
    Logs(logs::Logs),
    Wait(executions::Wait),
    Terminate(executions::Terminate),
    Retry(executions::Retry),
    Explain(executions::Explain),
    Top(top::Top),
    Activities(fleet::Activities),
    Workers(fleet::Workers),
    Drain(drain::Drain),
    Policy(fleet::PolicyCommand),
    /// Prints the completions for a shell
    #[command(after_help = "\
Examples:
  source <(pod completions bash)
  pod completions fish > ~/.config/fish/completions/pod.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    #[command(flatten)]
    Classic(classic::Classic),
}

/// Carries out a command.
pub(crate) async fn run(cli: Cli) -> Result<Exit, Failure> {
    match cli.command {
        Command::Run(run) => run.run().await,
        Command::Submit(submit) => submit.run().await,
        Command::Map(map) => map.run().await,
        Command::Serve(serve) => serve.run().await,
        Command::Worker(worker) => worker.run().await,
        Command::Ps(ps) => ps.run().await,
        Command::Show(show) => show.run().await,
        Command::Status(status) => status.run().await,
        Command::Logs(logs) => logs.run().await,
        Command::Wait(wait) => wait.run().await,
        Command::Terminate(terminate) => terminate.run().await,
        Command::Retry(retry) => retry.run().await,
        Command::Explain(explain) => explain.run().await,
        Command::Top(top) => top.run().await,
        Command::Activities(activities) => activities.run().await,
        Command::Workers(workers) => workers.run().await,
        Command::Drain(drain) => drain.run().await,
        Command::Policy(policy) => policy.run().await,
        Command::Completions { shell } => completions(shell),
        Command::Classic(classic) => classic.run().await,
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    // Into memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pod", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script)?;
    Ok(Exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_a_terminal_of_80_columns() {
        let mut root = Cli::command();
        root.build();
        let helps = root.get_subcommands().filter_map(clap::Command::get_after_help);
        for help in helps.chain(root.get_after_help()) {
            let help = help.to_string();
            let mut follows_prose = false;
            for line in help.lines() {
                let is_prose = !line.is_empty() && !line.starts_with("  ") && !line.ends_with(':');
                if line.starts_with("  ") {
                    assert!(line.chars().count() <= 80, "clap would wrap it: {line}");
                }
                assert!(!(is_prose && follows_prose), "clap wraps a paragraph itself: {line}");
                follows_prose = is_prose;
            }
        }
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        let mut root = Cli::command();
        root.build();
        for command in root.get_subcommands_mut().filter(|command| command.get_name() != "help") {
            let help = command.render_long_help().to_string();
            assert!(command.get_about().is_some(), "{}", command.get_name());
            let shows = ["Example", "Instead"].iter().any(|word| help.contains(word));
            assert!(shows, "{} has no example", command.get_name());
        }
    }
}
