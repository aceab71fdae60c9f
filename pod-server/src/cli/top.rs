//! `pod top`: everything at a glance, live on a terminal.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use clap::Args;
use jiff::Timestamp;
use pod_server::client::{Client, ExecutionFilter, Overview};

use super::{
    connection::ManagerOptions,
    console::Interrupts,
    failure::{Exit, Failure},
    printable::{fitting, padded, printable},
    reconnect, times,
};

/// Between two refreshes of the screen.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// Running executions on the screen.
const MAX_SHOWN_EXECUTIONS: usize = 15;

/// Shows everything at a glance: live on a terminal until Ctrl-C, once otherwise
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  pod top
  pod top | cat                      Once")]
pub(crate) struct Top {
    #[command(flatten)]
    manager: ManagerOptions,
}

impl Top {
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let client = self.manager.client().await?;
        if !io::stdout().is_terminal() {
            io::stdout().write_all(render_screen(&client).await?.as_bytes())?;
            return Ok(Exit::DONE);
        }
        let mut interrupts = Interrupts::listen()?;
        let client = reconnect::for_wait(&client);
        loop {
            let text = tokio::select! {
                text = render_screen(&client) => text?,
                _ = interrupts.next() => return Ok(Exit::DONE),
            };
            // From the top of the screen, line by line over what was there: it does not flicker.
            let drawn = text.replace('\n', "\x1b[K\n");
            let mut out = io::stdout();
            write!(out, "\x1b[H{drawn}\x1b[J")?;
            out.flush()?;
            tokio::select! {
                () = tokio::time::sleep(REFRESH_INTERVAL) => {}
                _ = interrupts.next() => return Ok(Exit::DONE),
            }
        }
    }
}

async fn render_screen(client: &Client) -> Result<String, pod_server::client::ClientError> {
    let running =
        ExecutionFilter { status: Some("running".to_owned()), limit: Some(MAX_SHOWN_EXECUTIONS), ..Default::default() };
    let (overview, running) = tokio::try_join!(client.overview(), client.executions(&running))?;
    let now = Timestamp::now();
    let mut text = summary(&overview, now);
    if !running.items.is_empty() {
        text.push_str("\nRUNNING\n");
    }
    for execution in &running.items {
        let took = execution.started_at.map(|started| times::span(started, now)).unwrap_or_default();
        let input = fitting(&printable(execution.input.as_deref().unwrap_or_default()), 40);
        text.push_str(&format!(
            "{:>8}  {}  {took:>12}  {input}\n",
            execution.id,
            padded(&printable(&execution.activity), 20)
        ));
    }
    if running.next.is_some() {
        text.push_str("          and more: see `pod ps --status running`\n");
    }
    Ok(text)
}

fn summary(overview: &Overview, now: Timestamp) -> String {
    let (executions, workers) = (&overview.executions, &overview.workers);
    let oldest = overview.oldest_waiting_at.map(|at| format!(", the oldest for {}", times::span(at, now)));
    let mut text = format!(
        "executions  {} running, {} waiting{}; {} finished, {} failed, {} terminated, {} timed out\n",
        executions.running,
        executions.waiting,
        oldest.unwrap_or_default(),
        executions.finished,
        executions.failed,
        executions.terminated,
        executions.timed_out,
    );
    text.push_str(&format!(
        "workers     {} working, {} ready, {} coming, {} going, {} silent; {} of {} slots busy\n",
        workers.working,
        workers.ready,
        workers.launching + workers.pending,
        workers.draining,
        workers.unreachable,
        workers.busy_slots,
        workers.slots,
    ));
    if let Some(change) = &overview.clock {
        text.push_str(&format!("clock       {}\n", printable(&change.message)));
    }
    if let Some(trouble) = &overview.trouble {
        text.push_str(&format!("trouble     {}\n", printable(trouble)));
    }
    text
}
