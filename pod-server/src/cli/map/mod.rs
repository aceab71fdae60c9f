//! `pod map`: one execution per line of input.
//!
//! Lines are read, submitted in batches and finished within a window, so that memory stays bounded however long the
//! input is: what waits, waits in the manager.

mod finish;
mod lines;
mod progress;
mod results;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
};

use clap::Args;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pod_server::client::Client;
use tokio::{sync::mpsc, time::Instant};

use self::{
    finish::{Finished, Finisher},
    lines::Line,
    progress::Progress,
    results::Results,
};
use super::{
    connection::{HostOptions, ManagerOptions},
    console::{self, Interrupts},
    failure::{Exit, Failure},
    host::Workers,
    launches::{self, Host},
    manager::Reached,
    nearest,
    patience::persist,
    relay::wait_for_end,
    run::terminate,
    settings::SubjectOptions,
    subject::Subject,
    waiting::{self, Waiting},
};

/// At most so many lines are submitted at once.
const BATCH: usize = 1000;
/// At most so many lines are submitted and not yet written out.
const WINDOW: usize = 4000;
/// So many executions are waited for at a time, the oldest ones.
const WATCHED: usize = 64;
/// So many are terminated at a time.
const TERMINATED_AT_ONCE: usize = 32;
/// So many of the failed lines are named at the end.
const NAMED: usize = 10;

const EXAMPLES: &str = "\
Examples:
  pod map thumbs names.txt      One execution of thumbs per line of names.txt
  ls *.png | pod map ./thumbs   The lines from stdin, for a directory's main.sh
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
    /// A directory that holds main.sh (and, if it needs one, install.sh), or the name of an activity
    #[arg(value_name = "ACTIVITY|DIR")]
    what: String,

    /// The file with the lines; `-` is stdin
    #[arg(value_name = "FILE|-", default_value = "-")]
    file: PathBuf,

    /// Write each line's output into this directory, in files named by the number of the line
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,

    /// Terminate the rest when so many lines have failed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_fails: Option<u64>,

    /// Run a line that fails once more; with --results, leave out the lines that succeeded there before
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
        let subject = Subject::of(&self.what, &self.subject)?;
        let results = Results::new(self.results.as_deref())?;
        let lines = lines::read(&self.file)?;
        let mut interrupts = Interrupts::listen()?;
        let manager = tokio::select! {
            reached = Reached::open(&self.manager, &self.host) => reached?,
            exit = interrupts.next() => return Err(Failure::quiet(exit)),
        };
        let outcome = self.map(manager.client(), manager.host(), subject, results, lines, &mut interrupts).await;
        manager.close(outcome.as_ref().map_or_else(Failure::workers, |_| Workers::EndIfIdle)).await;
        outcome
    }

    async fn map(
        &self,
        client: &Client,
        host: Host,
        subject: Subject,
        results: Results,
        lines: mpsc::Receiver<Result<Line, Failure>>,
        interrupts: &mut Interrupts,
    ) -> Result<Exit, Failure> {
        let activity = tokio::select! {
            name = subject.prepare(client) => name?,
            never = launches::watch(client, host) => return Err(never),
            exit = interrupts.next() => return Err(Failure::quiet(exit)),
        };
        let mut work = Work {
            client,
            progress: Progress::new(),
            finisher: Finisher::new(client.clone(), results.clone(), self.retry_failed),
            submitting: None,
            submitted: VecDeque::new(),
            unfinished: BTreeSet::new(),
            unwritten: BTreeMap::new(),
            next_written: 1,
            total: 0,
            failed: Vec::new(),
            fails: 0,
            activity,
            results,
            skip_succeeded: self.retry_failed,
        };
        let outcome = tokio::select! {
            outcome = work.run(lines, self.max_fails) => outcome,
            never = launches::watch(client, host) => Err(never),
            exit = interrupts.next() => Err(Failure::quiet(exit)),
        };
        let Err(failure) = outcome else { return Ok(work.conclude(None)) };
        work.progress.clear();
        tokio::select! {
            ended = work.terminate_rest() => ended?,
            exit = interrupts.next() => return Err(Failure::at_once(exit)),
        }
        if failure.message.is_none() && !failure.is_broken_pipe() {
            console::note(work.interrupted());
        }
        match failure.message.as_deref() {
            Some(TOO_MANY_FAILED) => Ok(work.conclude(Some("the rest was terminated"))),
            _ => Err(failure),
        }
    }
}

/// The reason to stop that is not an error of its own.
const TOO_MANY_FAILED: &str = "too many lines failed";

/// The numbers of lines, each with the id of its execution.
type Batch = Vec<(u64, u64)>;

/// Everything about the lines that are under way.
struct Work<'a> {
    client: &'a Client,
    activity: String,
    results: Results,
    finisher: Finisher,
    progress: Progress,
    skip_succeeded: bool,
    /// The batch on its way to the manager. Kept here, not in the future that waits for it: when that is dropped, the
    /// executions of the batch are there all the same, and must become known to be terminated.
    submitting: Option<BoxFuture<'static, Result<Batch, Failure>>>,
    /// Submitted and not yet waited for, in the order of the lines.
    submitted: VecDeque<(u64, u64)>,
    /// The ids of all executions that were submitted and have not ended.
    unfinished: BTreeSet<u64>,
    /// Ended, and not yet written because an earlier line has not.
    unwritten: BTreeMap<u64, Option<Finished>>,
    next_written: u64,
    total: u64,
    /// The numbers of the first lines that failed.
    failed: Vec<u64>,
    fails: u64,
}

impl Work<'_> {
    async fn run(
        &mut self,
        mut lines: mpsc::Receiver<Result<Line, Failure>>,
        max_fails: Option<u64>,
    ) -> Result<(), Failure> {
        let finisher = self.finisher.clone();
        let mut watched = FuturesUnordered::new();
        let mut is_read = false;
        let mut batch = Vec::new();
        let mut waiting = Waiting::default();
        let mut look_at = Instant::now() + waiting::LOOK;
        loop {
            while watched.len() < WATCHED
                && let Some((number, id)) = self.submitted.pop_front()
            {
                watched.push(finisher.finish(number, id));
            }
            let under_way = watched.len() + self.submitted.len() + self.unwritten.len();
            let room = WINDOW.saturating_sub(under_way).min(BATCH);
            tokio::select! {
                count = lines.recv_many(&mut batch, room), if !is_read && room > 0 => {
                    is_read = count == 0;
                    let batch: Result<Vec<Line>, Failure> = batch.drain(..).collect();
                    self.submit(batch?).await?;
                }
                // The oldest one begins first: where it waits, all do.
                () = tokio::time::sleep_until(look_at), if !self.unfinished.is_empty() => {
                    if let Some(oldest) = self.unfinished.first() {
                        waiting.look(self.client, *oldest).await;
                    }
                    waiting.look_for_trouble(self.client).await;
                    look_at = Instant::now() + waiting::LOOK;
                }
                Some(finished) = watched.next(), if !watched.is_empty() => self.take(finished?).await?,
                else => return Ok(()),
            }
            if max_fails.is_some_and(|limit| self.fails >= limit) {
                return Err(Failure::new(TOO_MANY_FAILED));
            }
        }
    }

    async fn submit(&mut self, mut batch: Vec<Line>) -> Result<(), Failure> {
        self.total += batch.len() as u64;
        if self.skip_succeeded {
            for line in batch.extract_if(.., |line| self.results.has_succeeded(line.number)) {
                self.unwritten.insert(line.number, None);
            }
            self.write_in_order().await?;
        }
        if batch.is_empty() {
            return Ok(());
        }
        let (numbers, inputs): (Vec<u64>, Vec<String>) = batch.into_iter().map(|line| (line.number, line.text)).unzip();
        let key = uuid::Uuid::new_v4().to_string();
        let (client, activity) = (self.client.clone(), self.activity.clone());
        let submitting = async move {
            let (activity, inputs, key) = (&activity, &inputs, &key);
            let submit = |client: Client| async move { client.start_batch(activity, inputs, key).await };
            let ids = match persist(&client, submit).await {
                Ok(batch) => batch.ids,
                Err(error) => return Err(nearest::subject_failure(&client, activity, error).await),
            };
            Ok(numbers.into_iter().zip(ids).collect())
        };
        self.submitting = Some(submitting.boxed());
        self.finish_submit().await?;
        self.progress.read(self.total);
        Ok(())
    }

    /// Waits for the answer to the batch that is on its way, if there is one. Cancellation safe.
    async fn finish_submit(&mut self) -> Result<(), Failure> {
        let Some(submitting) = &mut self.submitting else { return Ok(()) };
        let submitted = submitting.await;
        self.submitting = None;
        let batch = submitted?;
        self.unfinished.extend(batch.iter().map(|(_, id)| id));
        self.submitted.extend(batch);
        Ok(())
    }

    async fn take(&mut self, finished: Finished) -> Result<(), Failure> {
        self.unfinished.remove(&finished.submitted_id);
        if finished.exit != Exit::DONE {
            self.fails += 1;
            if self.failed.len() < NAMED {
                self.failed.push(finished.number);
            }
        }
        self.progress.finished(self.fails);
        self.unwritten.insert(finished.number, Some(finished));
        self.write_in_order().await
    }

    async fn write_in_order(&mut self) -> Result<(), Failure> {
        while let Some(next) = self.unwritten.remove(&self.next_written) {
            self.next_written += 1;
            if let Some(finished) = next {
                self.progress.hide_while(self.finisher.write_out(finished)).await?;
            }
        }
        Ok(())
    }

    /// Ends everything that was submitted and has not ended, and waits for it.
    async fn terminate_rest(&mut self) -> Result<(), Failure> {
        let submitted = self.finish_submit().await;
        let client = self.client;
        // The newest first: what waits must not begin in the place of what was ended.
        let ids: Vec<u64> = self.unfinished.iter().rev().copied().collect();
        let mut ending =
            futures::stream::iter(&ids).map(|id| terminate(client, *id)).buffer_unordered(TERMINATED_AT_ONCE);
        while let Some(asked) = ending.next().await {
            asked?;
        }
        let mut waiting =
            futures::stream::iter(&ids).map(|id| wait_for_end(client, *id)).buffer_unordered(TERMINATED_AT_ONCE);
        while let Some(ended) = waiting.next().await {
            ended?;
        }
        submitted
    }

    /// What Ctrl-C left of the lines.
    fn interrupted(&self) -> String {
        let (total, terminated) = (self.total, self.unfinished.len() as u64);
        let done = total.saturating_sub(terminated);
        format!("{done} of the {total} lines that were read are done; {terminated} were terminated")
    }

    fn conclude(&mut self, more: Option<&str>) -> Exit {
        self.progress.clear();
        if self.fails == 0 {
            return Exit::DONE;
        }
        self.failed.sort_unstable();
        let numbers: Vec<String> = self.failed.iter().map(u64::to_string).collect();
        let etc = if self.fails > numbers.len() as u64 { ", …" } else { "" };
        let more = more.map(|more| format!("; {more}")).unwrap_or_default();
        let (fails, total) = (self.fails, self.total);
        console::note(format!("{fails} of {total} lines failed (line {}{etc}){more}", numbers.join(", ")));
        Exit::ERROR
    }
}
