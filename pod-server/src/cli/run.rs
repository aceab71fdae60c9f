//! `pod run`: the main job in one command.

use clap::Args;
use pod_server::client::Client;

use super::{
    connection::{HostOptions, ManagerOptions},
    console::{self, Interrupts},
    embedded_manager::WorkerShutdown,
    exit_code::{describe_end, left, program_failed},
    failure::{Exit, Failure},
    input,
    launch_watch::{self, ManagerOwner},
    manager::ManagerSession,
    relay::relay_to_end,
    settings::SubjectOptions,
    subject::Subject,
    suggestions,
    wait_reporter::WaitReporter,
};

const EXAMPLES: &str = "\
Examples:
  pod run docs/examples/hello Ada    Run the directory's main.sh with Ada
  pod run thumbs \"$PWD/cat.png\"      Run the activity thumbs
  pod run ./level -5                 A number is an input, also below 0
  pod run ./search -- --count        So is what comes after --
  pod run . - < input.json           The input from stdin, exactly as it is
  pod run words < /dev/null | sort   Its stdout is ours, and its exit code
  pod run --backend docker --docker-image python:3.12-slim . 7
                                     In a container of that image
  pod run . --timeout 5m --retries 2 -e LEVEL=9 -e API_KEY
                                     With a time limit, two more tries, and two
                                     variables, the second with our own value

Without --server and POD, the manager that holds the data directory is used, or one is started for the run. \
Ctrl-C terminates the execution and waits until all its processes are gone; a second Ctrl-C leaves at once. \
When the reader of our stdout goes away, the execution is terminated, as a program in a pipe would be.";

/// Runs a directory or an activity once, streams its output, and exits with its exit code
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// A directory that holds main.sh (and, if it needs one, install.sh), or the name of an activity. Where there are
    /// both, ./NAME is the directory and activity:NAME the activity
    #[arg(value_name = "DIR|ACTIVITY")]
    what: String,

    /// The argument for main.sh; `-` reads it from stdin. One that begins with a dash comes after `--`
    #[arg(value_name = "INPUT|-", allow_negative_numbers = true)]
    input: Option<String>,

    #[command(flatten)]
    subject: SubjectOptions,

    #[command(flatten)]
    manager: ManagerOptions,

    #[command(flatten)]
    host: HostOptions,
}

impl Run {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let subject = Subject::of(&self.what, &self.subject, &self.manager.excluded())?;
        let input = input::read(self.input)?;
        let mut interrupts = Interrupts::listen()?;
        let manager = tokio::select! {
            session = ManagerSession::open(&self.manager, &self.host) => session?,
            exit = interrupts.next() => return Err(Failure::quiet(exit)),
        };
        let outcome = run_once(manager.client(), manager.host(), subject, input, &mut interrupts).await;
        manager.close(outcome.as_ref().map_or_else(WorkerShutdown::after, |_| WorkerShutdown::IfIdle)).await;
        outcome
    }
}

async fn run_once(
    client: &Client,
    host: ManagerOwner,
    subject: Subject,
    input: Option<String>,
    interrupts: &mut Interrupts,
) -> Result<Exit, Failure> {
    let mut prepared = tokio::select! {
        prepared = subject.prepare(client) => prepared?,
        never = launch_watch::watch(client, host) => return Err(never),
        exit = interrupts.next() => return Err(Failure::quiet(exit)),
    };
    let key = uuid::Uuid::new_v4().to_string();
    // Not raced against Ctrl-C: whether it was accepted must be known, so that it can be terminated.
    let id = match client.start(&prepared.name, prepared.revision(), input.as_deref(), &key).await {
        Ok(execution) => execution.id,
        Err(error) => return Err(suggestions::subject_failure(client, &prepared.name, error).await),
    };
    tokio::select! {
        installed = prepared.installed(client) => installed?,
        never = launch_watch::watch(client, host) => {
            terminate(client, id).await?;
            return Err(never);
        }
        exit = interrupts.next() => {
            terminate(client, id).await?;
            return Err(Failure::quiet(exit));
        }
    }

    let relaying = async {
        tokio::select! {
            relayed = relay_to_end(client, id) => relayed,
            never = WaitReporter::default().watch(client, id) => match never {},
        }
    };
    tokio::pin!(relaying);
    let asked = tokio::select! {
        relayed = &mut relaying => return conclude(client, id, relayed).await,
        never = launch_watch::watch(client, host) => {
            terminate(client, id).await?;
            return Err(never);
        }
        exit = interrupts.next() => exit,
    };
    tokio::select! {
        ended = async {
            terminate(client, id).await?;
            let execution = relaying.await?;
            describe_end(&execution).1.or_else(|| program_failed(&execution)).into_iter().for_each(console::note);
            Ok::<_, Failure>(asked)
        } => ended.or_else(|failure| if failure.is_output() { Ok(asked) } else { Err(failure) }),
        again = interrupts.next() => {
            console::note(left(id));
            Err(Failure::at_once(again))
        }
    }
}

async fn conclude(
    client: &Client,
    id: u64,
    relayed: Result<pod_server::client::Execution, Failure>,
) -> Result<Exit, Failure> {
    match relayed {
        Ok(execution) => {
            let (exit, sentence) = describe_end(&execution);
            // Where it is the program's own end, only a person is told: whatever reads our stderr gets the program's.
            let sentence = sentence.or_else(|| program_failed(&execution).filter(|_| console::is_watched()));
            if let Some(sentence) = sentence {
                console::note(sentence);
            }
            Ok(exit)
        }
        Err(failure) if failure.is_output() => {
            terminate(client, id).await?;
            super::relay::wait_for_end(client, id).await?;
            Err(failure)
        }
        Err(failure) => Err(failure),
    }
}

/// Asks for the end of an execution; that it has already ended is fine.
pub(crate) async fn terminate(client: &Client, id: u64) -> Result<(), Failure> {
    match client.terminate(id).await {
        Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
        outcome => Ok(outcome?),
    }
}
