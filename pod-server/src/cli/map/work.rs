//! The lines of a map that are in progress: submitted in batches, finished within a window, written out in order.

use std::collections::{BTreeMap, VecDeque};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use pod_server::client::Client;
use tokio::{sync::mpsc, time::Instant};

use super::{
    finish::{Finisher, LineResult},
    lines::Line,
    progress::Progress,
    results::{EarlierResult, ResultOrigin, Results},
    unfinished::Unfinished,
};
use crate::cli::{
    console,
    failure::{Exit, Failure},
    relay::wait_for_end,
    run::terminate,
    subject::PreparedActivity,
    suggestions,
    wait_reporter::{self, WaitReporter},
};

/// Lines per submitted batch.
const MAX_BATCH_LEN: usize = 1000;
/// Lines that are submitted and not yet written out.
const MAX_UNFINISHED_LINES: usize = 4000;
/// Executions that are waited for at a time, the oldest first.
const WAIT_CONCURRENCY: usize = 64;
/// Executions that are terminated at a time.
const TERMINATE_CONCURRENCY: usize = 32;
/// Failed lines that the summary names.
const MAX_LISTED_FAILURES: usize = 10;

/// Why a map ends early.
pub(super) enum EarlyEnd {
    /// As many lines failed as `--max-fails` allows.
    TooManyFailed,
    /// It cannot go on, or is not to.
    Failed(Failure),
}

impl From<Failure> for EarlyEnd {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The numbers of lines, each with the id of its execution.
type Batch = Vec<(u64, u64)>;

/// The state of the lines that are in progress.
pub(super) struct Work<'a> {
    client: &'a Client,
    prepared: PreparedActivity,
    /// Every line runs this revision, whatever becomes current meanwhile.
    revision: u32,
    /// The fingerprint of the program.
    program: String,
    results: Results,
    finisher: Finisher,
    progress: Progress,
    retry_failed: bool,
    /// The batch on its way to the manager. Kept here, not in the future that waits for it: when that is dropped, the
    /// executions of the batch are there all the same, and must become known to be terminated.
    submitting: Option<BoxFuture<'static, Result<Batch, Failure>>>,
    /// Submitted and not yet waited for, in the order of the lines.
    submitted: VecDeque<(u64, u64)>,
    unfinished: Unfinished,
    /// Over, and not yet written because an earlier line is not; nothing where there is nothing to write.
    unwritten: BTreeMap<u64, Option<LineResult>>,
    next_written: u64,
    total: u64,
    /// The number of lines that have ended.
    finished_lines: u64,
    /// The number of lines that ran again although an earlier run had succeeded.
    changed: u64,
    /// The numbers of the first lines that failed.
    failed: Vec<u64>,
    fails: u64,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        client: &'a Client,
        prepared: PreparedActivity,
        current: Option<u32>,
        program: String,
        results: Results,
        retry_failed: bool,
    ) -> Self {
        let unfinished = Unfinished::default();
        Self {
            client,
            revision: prepared.revision().or(current).unwrap_or(1),
            prepared,
            program,
            finisher: Finisher::new(client.clone(), results.clone(), unfinished.clone(), retry_failed),
            results,
            progress: Progress::new(),
            retry_failed,
            submitting: None,
            submitted: VecDeque::new(),
            unfinished,
            unwritten: BTreeMap::new(),
            next_written: 1,
            total: 0,
            finished_lines: 0,
            changed: 0,
            failed: Vec::new(),
            fails: 0,
        }
    }

    pub(super) async fn run(
        &mut self,
        mut lines: mpsc::Receiver<Result<Line, Failure>>,
        max_fails: Option<u64>,
    ) -> Result<(), EarlyEnd> {
        if !self.retry_failed {
            self.results.clear_after(0).await?;
        }
        let finisher = self.finisher.clone();
        let mut watched = FuturesUnordered::new();
        let mut is_read = false;
        let mut batch = Vec::new();
        let mut waiting = WaitReporter::default();
        let mut look_at = Instant::now() + wait_reporter::REPORT_INTERVAL;
        loop {
            while watched.len() < WAIT_CONCURRENCY
                && let Some((number, id)) = self.submitted.pop_front()
            {
                watched.push(finisher.finish(number, id));
            }
            let under_way = watched.len() + self.submitted.len() + self.unwritten.len();
            let room = MAX_UNFINISHED_LINES.saturating_sub(under_way).min(MAX_BATCH_LEN);
            tokio::select! {
                count = lines.recv_many(&mut batch, room), if !is_read && room > 0 => {
                    is_read = count == 0;
                    // What was read before the file could not be read on is run all the same.
                    let unreadable = batch.pop_if(|last: &mut Result<Line, Failure>| last.is_err());
                    self.submit(batch.drain(..).flatten().collect()).await?;
                    if let Some(Err(failure)) = unreadable {
                        return Err(failure.into());
                    }
                    if is_read {
                        // The input has no more lines: result files of further lines are not results of this input.
                        self.results.clear_after(self.total).await?;
                    }
                }
                // The oldest one begins first: where it waits, all do.
                () = tokio::time::sleep_until(look_at), if self.unfinished.first().is_some() => {
                    if let Some(oldest) = self.unfinished.first() {
                        waiting.report_reason(self.client, oldest).await;
                    }
                    waiting.report_trouble(self.client).await;
                    look_at = Instant::now() + wait_reporter::REPORT_INTERVAL;
                }
                Some(finished) = watched.next(), if !watched.is_empty() => self.take(finished?).await?,
                else => return Ok(self.prepared.installed(self.client).await?),
            }
            if max_fails.is_some_and(|limit| self.fails >= limit) {
                return Err(EarlyEnd::TooManyFailed);
            }
        }
    }

    async fn submit(&mut self, lines: Vec<Line>) -> Result<(), Failure> {
        self.total += lines.len() as u64;
        let (mut numbers, mut inputs) = (Vec::new(), Vec::new());
        for Line { number, text } in lines {
            let text = match text {
                Ok(text) => text,
                Err(why) => {
                    let refused = self.finisher.refuse(number, &why).await?;
                    self.take(refused).await?;
                    continue;
                }
            };
            let made = ResultOrigin { line: text, program: self.program.clone() };
            let standing = if self.retry_failed { self.results.standing(number, &made) } else { EarlierResult::Open };
            if standing == EarlierResult::Succeeded {
                self.record_result(number, None).await?;
                continue;
            }
            self.changed += u64::from(standing == EarlierResult::Changed);
            self.results.begin(number, Some(&made))?;
            numbers.push(number);
            inputs.push(made.line);
        }
        self.progress.read(self.total);
        if inputs.is_empty() {
            return Ok(());
        }
        let key = uuid::Uuid::new_v4().to_string();
        let (client, activity, revision) = (self.client.clone(), self.prepared.name.clone(), self.revision);
        let submitting = async move {
            match client.start_batch(&activity, revision, &inputs, &key).await {
                Ok(batch) => Ok(numbers.into_iter().zip(batch.ids).collect()),
                Err(error) => Err(suggestions::subject_failure(&client, &activity, error).await),
            }
        };
        self.submitting = Some(submitting.boxed());
        self.finish_submit().await?;
        self.prepared.installed(self.client).await
    }

    /// Waits for the answer to the batch that is on its way, if there is one. Cancellation safe.
    async fn finish_submit(&mut self) -> Result<(), Failure> {
        let Some(submitting) = &mut self.submitting else { return Ok(()) };
        let submitted = submitting.await;
        self.submitting = None;
        let batch = submitted?;
        self.unfinished.extend(batch.iter().map(|(_, id)| *id));
        self.submitted.extend(batch);
        Ok(())
    }

    async fn take(&mut self, finished: LineResult) -> Result<(), Failure> {
        if finished.exit != Exit::DONE {
            self.fails += 1;
            if self.failed.len() < MAX_LISTED_FAILURES {
                self.failed.push(finished.number);
            }
        }
        self.record_result(finished.number, Some(finished)).await
    }

    /// Records that a line has ended; its output is written in its turn.
    async fn record_result(&mut self, number: u64, finished: Option<LineResult>) -> Result<(), Failure> {
        self.finished_lines += 1;
        self.progress.finished(self.fails);
        self.unwritten.insert(number, finished);
        while let Some(next) = self.unwritten.remove(&self.next_written) {
            self.next_written += 1;
            if let Some(finished) = next {
                self.progress.hide_while(self.finisher.write_out(finished)).await?;
            }
        }
        Ok(())
    }

    /// Ends everything that was submitted and has not ended, and waits for it; how many that were.
    pub(super) async fn terminate_rest(&mut self) -> Result<usize, Failure> {
        self.progress.clear();
        let submitted = self.finish_submit().await;
        let client = self.client;
        // The newest first: what waits must not begin in the place of what was ended.
        let ids = self.unfinished.all().await;
        let mut ending =
            futures::stream::iter(&ids).map(|id| terminate(client, *id)).buffer_unordered(TERMINATE_CONCURRENCY);
        while let Some(asked) = ending.next().await {
            asked?;
        }
        let mut waiting =
            futures::stream::iter(&ids).map(|id| wait_for_end(client, *id)).buffer_unordered(TERMINATE_CONCURRENCY);
        while let Some(ended) = waiting.next().await {
            ended?;
        }
        submitted.map(|()| ids.len())
    }

    /// Prints how far a map came that ended early, the state of the rest, and how to go on.
    pub(super) fn tell_early_end(&mut self, rest: &str) {
        // There was nothing to do yet.
        if self.total == 0 {
            return;
        }
        self.tell_changed();
        let held_back = if self.results.is_directory() { 0 } else { self.unwritten.len() as u64 };
        let done = self.finished_lines - held_back;
        let held_back = match held_back {
            0 => String::new(),
            1 => "; 1 more has ended, and is not written because an earlier one has not".to_owned(),
            more => format!("; {more} more have ended, and are not written because an earlier one has not"),
        };
        let on = match (self.results.is_directory(), self.retry_failed) {
            (true, true) => "the same command goes on with the rest",
            (true, false) => "the same command with --retry-failed goes on with the rest",
            (false, _) => "with --results DIR, a map can go on where it ended, by --retry-failed",
        };
        let total = self.total;
        console::note(format!("{done} of the {total} lines that were read are done{held_back}; {rest}; {on}"));
    }

    /// Prints the summary of the lines, if there is one.
    pub(super) fn conclude(&mut self, more: Option<&str>) -> Exit {
        self.progress.clear();
        self.tell_changed();
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

    /// Says how many results of earlier were not taken, once.
    fn tell_changed(&mut self) {
        let because = "had succeeded, but with another line, another program or other settings";
        match std::mem::take(&mut self.changed) {
            0 => {}
            1 => console::note(format!("1 line was run again: it {because}")),
            lines => console::note(format!("{lines} lines were run again: they {because}")),
        }
    }
}
