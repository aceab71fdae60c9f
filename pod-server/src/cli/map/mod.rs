//! `pod map`: one execution per line of input.
//!
//! Lines are read, submitted in batches and finished within a window, so that memory stays bounded for any input: the
//! queue is in the manager.

mod finish;
mod lines;
mod progress;
mod results;
mod unfinished;
mod work;

use std::path::PathBuf;

use clap::Args;
use pod_server::client::Client;
use tokio::sync::mpsc;

use self::{
    lines::Line,
    results::Results,
    work::{EarlyEnd, Work},
};
use super::{
    connection::{HostOptions, ManagerOptions},
    console::{self, Interrupts},
    embedded_manager::WorkerShutdown,
    excluded::ExcludedDir,
    failure::{Exit, Failure},
    launch_watch::{self, ManagerOwner},
    manager::ManagerSession,
    settings::SubjectOptions,
    subject::Subject,
};

const EXAMPLES: &str = "\
Examples:
  pod map thumbs names.txt      One execution of thumbs per line of names.txt
  realpath *.png | pod map ./thumbs
                                The lines from stdin, for a directory's main.sh,
                                which runs in a directory of its own
  pod map thumbs names.txt --results out
                                Each line's output in out/1.out and out/1.err,
                                and its exit code in out/1.exit
  pod map thumbs names.txt --results out --retry-failed
                                Only the lines that failed or are missing there
  pod map ./thumbs names.txt --timeout 30s --retries 2
                                A time limit, and two more tries, for each line

Without --results, what the executions print goes to our stdout and stderr, in the order of the lines. \
A line is given to main.sh without its line end. The exit code is 0 when all of them exited with 0, else 1. \
Ctrl-C terminates what was submitted and waits until its processes are gone; a second Ctrl-C leaves at once.";

/// Runs a directory or an activity once per line of input
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Map {
    /// A directory that holds main.sh (and, if it needs one, install.sh), or the name of an activity. Where there are
    /// both, ./NAME is the directory and activity:NAME the activity
    #[arg(value_name = "ACTIVITY|DIR")]
    what: String,

    /// The file with the lines; `-` is stdin
    #[arg(value_name = "FILE|-", default_value = "-", allow_negative_numbers = true)]
    file: PathBuf,

    /// Write each line's output into this directory, in files named by the number of the line. What is there of an
    /// earlier map goes
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,

    /// Terminate the rest when so many lines have failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_fails: Option<u64>,

    /// Run a line that fails once more; with --results, leave out the lines that succeeded there before, with the same
    /// program and settings
    #[arg(long)]
    retry_failed: bool,

    #[command(flatten)]
    subject: SubjectOptions,

    #[command(flatten)]
    manager: ManagerOptions,

    #[command(flatten)]
    host: HostOptions,
}

impl Map {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut excluded = self.manager.excluded();
        excluded.extend(self.results.clone().map(|path| ExcludedDir { path, option: "--results" }));
        let subject = Subject::of(&self.what, &self.subject, &excluded)?;
        let results = Results::new(self.results.as_deref())?;
        let lines = lines::read(&self.file)?;
        let mut interrupts = Interrupts::listen()?;
        let manager = tokio::select! {
            session = ManagerSession::open(&self.manager, &self.host) => session?,
            exit = interrupts.next() => return Err(Failure::quiet(exit)),
        };
        let outcome = self.map(manager.client(), manager.host(), subject, results, lines, &mut interrupts).await;
        manager.close(outcome.as_ref().map_or_else(WorkerShutdown::after, |_| WorkerShutdown::IfIdle)).await;
        outcome
    }

    async fn map(
        &self,
        client: &Client,
        host: ManagerOwner,
        subject: Subject,
        results: Results,
        lines: mpsc::Receiver<Result<Line, Failure>>,
        interrupts: &mut Interrupts,
    ) -> Result<Exit, Failure> {
        let preparing = async {
            let program = subject.program(client).await?;
            Ok::<_, Failure>((subject.prepare(client).await?, program))
        };
        let (prepared, (program, current)) = tokio::select! {
            prepared = preparing => prepared?,
            never = launch_watch::watch(client, host) => return Err(never),
            exit = interrupts.next() => return Err(Failure::quiet(exit)),
        };
        let mut work = Work::new(client, prepared, current, program, results, self.retry_failed);
        let outcome = tokio::select! {
            outcome = work.run(lines, self.max_fails) => outcome,
            never = launch_watch::watch(client, host) => Err(never.into()),
            exit = interrupts.next() => Err(Failure::quiet(exit).into()),
        };
        let Err(stop) = outcome else { return Ok(work.conclude(None)) };
        let rest = if matches!(&stop, EarlyEnd::Failed(failure) if failure.exit == Exit::NO_ANSWER) {
            // The manager is gone and cannot be asked to end it.
            Ok("the rest is left to itself".to_owned())
        } else {
            tokio::select! {
                ended = work.terminate_rest() => ended.map(|count| match count {
                    1 => "1 was terminated".to_owned(),
                    count => format!("{count} were terminated"),
                }),
                exit = interrupts.next() => {
                    work.tell_early_end("the rest was asked to end and is left to itself");
                    return Err(Failure::at_once(exit));
                }
            }
        };
        let ended = match stop {
            EarlyEnd::TooManyFailed => Ok(work.conclude(Some("the rest was terminated"))),
            EarlyEnd::Failed(failure) => Err(failure),
        };
        match rest {
            Ok(rest) => work.tell_early_end(&rest),
            Err(unended) => {
                work.tell_early_end("the rest is left to itself");
                console::note(unended.to_string());
            }
        }
        ended
    }
}
