//! Relays the output of an execution to our own stdout and stderr while it runs, each byte once, also across broken
//! connections.
//!
//! If both go to the same file, they are interleaved as they were printed. Otherwise each stream has a request of its own,
//! and a stream that is not read holds up only itself.

use std::time::Duration;

use pod_core::domain::Stream;
use pod_server::client::{Client, Execution, Gap, OutputEvent, OutputEventsRequest, OutputRequest};

use super::{
    console::{self, Sink},
    failure::Failure,
};

/// How long one request waits for the end.
const LONG_POLL_TIMEOUT: Duration = Duration::from_secs(30);
/// The same while the execution may also start again.
const RETRY_POLL_TIMEOUT: Duration = Duration::from_secs(1);

/// The id of an event before everything of the first attempt.
const FIRST_ATTEMPT: &str = "1:0:0";

/// Relays both streams, attempt after attempt, and returns the execution when it has ended.
pub(crate) async fn relay_to_end(client: &Client, id: u64) -> Result<Execution, Failure> {
    if console::is_one_place() {
        return relay_in_order(client, id).await;
    }
    let mut attempt = 1;
    loop {
        if attempt > 1 {
            note_attempt(id, attempt);
        }
        tokio::try_join!(
            relay_stream(client, id, attempt, Stream::Stdout),
            relay_stream(client, id, attempt, Stream::Stderr),
        )?;
        attempt += 1;
        let execution = begun(client, id, attempt).await?;
        if execution.attempt < attempt {
            return Ok(execution);
        }
    }
}

/// Relays both streams in the order in which they came.
async fn relay_in_order(client: &Client, id: u64) -> Result<Execution, Failure> {
    let (mut stdout, mut stderr) = (Sink::of(Stream::Stdout)?, Sink::of(Stream::Stderr)?);
    let after = Some(FIRST_ATTEMPT.to_owned());
    let mut request = OutputEventsRequest { execution: id, stream: None, attempt: None, follow: true, after };
    let mut tries = client.retry_state();
    loop {
        let mut events = client.output_events(&request).await?;
        let error = loop {
            let event = match events.next().await {
                Ok(event) => event,
                Err(error) => break error,
            };
            tries.answered();
            match event {
                OutputEvent::Bytes { stream: Stream::Stdout, bytes, .. } => stdout.write(&bytes).await?,
                OutputEvent::Bytes { stream: Stream::Stderr, bytes, .. } => stderr.write(&bytes).await?,
                OutputEvent::Gap(stream, gap) => note_gap(id, stream, gap),
                OutputEvent::Attempt(attempt) => note_attempt(id, attempt),
                OutputEvent::Now => {}
                OutputEvent::End(execution) => return Ok(*execution),
            }
            request.after = events.last_id().map(str::to_owned).or(request.after);
        };
        tries.wait_or_fail(error).await?;
    }
}

fn note_attempt(id: u64, attempt: u32) {
    console::note(format!("execution {id} is run again: attempt {attempt}"));
}

/// Reports a gap, since the reader must know that the output is incomplete.
pub(crate) fn note_gap(id: u64, stream: Stream, gap: Gap) {
    console::note(format!(
        "{} bytes of the {} of execution {id} are missing here after byte {}: it is more than a manager keeps \
         (--output-cap), or than the disk had room for",
        gap.end - gap.start,
        stream.as_str(),
        gap.start
    ));
}

/// The execution as soon as it has that attempt, or has ended without one.
async fn begun(client: &Client, id: u64, attempt: u32) -> Result<Execution, Failure> {
    loop {
        let execution = client.wait(id, RETRY_POLL_TIMEOUT).await?;
        if execution.status.is_terminal() || execution.attempt >= attempt {
            return Ok(execution);
        }
    }
}

/// Waits for the end of an execution.
pub(crate) async fn wait_for_end(client: &Client, id: u64) -> Result<Execution, Failure> {
    loop {
        let execution = client.wait(id, LONG_POLL_TIMEOUT).await?;
        if execution.status.is_terminal() {
            return Ok(execution);
        }
    }
}

/// Relays one stream of one attempt until the attempt has ended.
pub(crate) async fn relay_stream(client: &Client, execution: u64, attempt: u32, stream: Stream) -> Result<(), Failure> {
    let mut sink = Sink::of(stream)?;
    let mut taken = StreamProgress::default();
    let mut tries = client.retry_state();
    loop {
        // The first attempt may not have begun: then the answer waits for it, where it is not asked for by its number.
        let named = (attempt > 1 || taken.is_named).then_some(attempt);
        let request = OutputRequest { execution, stream, attempt: named, offset: taken.offset(), follow: true };
        let mut output = client.output(request).await?;
        if named.is_none() && output.attempt().is_some() {
            // It has begun; a later attempt may have, too.
            taken.is_named = true;
            if output.attempt() != Some(attempt) {
                continue;
            }
        }
        if taken.learn(output.gap()) {
            // What we have ends behind the gap, which we did not know: ask again from there.
            continue;
        }
        let error = loop {
            match output.next().await {
                Ok(Some(bytes)) => {
                    tries.answered();
                    sink.write(&bytes).await?;
                    taken.count += bytes.len() as u64;
                }
                Ok(None) => return tell_gap(client, request, taken).await,
                Err(error) => break error,
            }
        };
        tries.wait_or_fail(error).await?;
    }
}

/// The smallest output cap that can be configured: less output has no gap.
const MIN_OUTPUT_CAP: u64 = 64 << 10;

/// Reports the gap that the output cap made in a stream, if any.
async fn tell_gap(client: &Client, request: OutputRequest, taken: StreamProgress) -> Result<(), Failure> {
    if taken.count < MIN_OUTPUT_CAP {
        return Ok(());
    }
    let whole = OutputRequest { offset: 0, follow: false, ..request };
    // Only the beginning of the answer is looked at.
    let answer = client.output(whole).await?;
    if let Some(gap) = answer.gap() {
        note_gap(request.execution, request.stream, gap);
    }
    Ok(())
}

/// How far a stream was relayed. The cap may cut a gap into it meanwhile; only the next response tells that.
#[derive(Debug, Default)]
struct StreamProgress {
    count: u64,
    gap: Option<Gap>,
    /// The attempt is known to have begun.
    is_named: bool,
}

impl StreamProgress {
    /// The offset, as the program counts, after what was taken.
    fn offset(&self) -> u64 {
        match self.gap {
            Some(gap) if self.count >= gap.start => self.count + (gap.end - gap.start),
            _ => self.count,
        }
    }

    /// Notes a gap. Returns whether it moves the offset of output that was already received.
    fn learn(&mut self, gap: Option<Gap>) -> bool {
        let before = self.offset();
        // A gap that begins where we are is skipped by the answer itself.
        let skipped = gap.is_some_and(|gap| gap.start == self.count);
        self.gap = gap.or(self.gap);
        self.offset() != before && !skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumes_at_the_offset_of_the_program() {
        let mut taken = StreamProgress { count: 120, gap: None, is_named: false };
        assert_eq!(taken.offset(), 120);
        assert!(taken.learn(Some(Gap { start: 100, end: 1000 })), "20 bytes of what we have came after the gap");
        assert_eq!(taken.offset(), 1020);
        assert!(!taken.learn(Some(Gap { start: 100, end: 1000 })));
    }

    #[test]
    fn a_gap_ahead_changes_nothing() {
        let mut taken = StreamProgress { count: 50, gap: None, is_named: false };
        assert!(!taken.learn(Some(Gap { start: 100, end: 1000 })));
        assert_eq!(taken.offset(), 50);
        taken.count = 100;
        assert_eq!(taken.offset(), 1000);
    }

    #[test]
    fn a_gap_that_begins_here_is_skipped_by_the_answer() {
        let mut taken = StreamProgress { count: 100, gap: None, is_named: false };
        assert!(!taken.learn(Some(Gap { start: 100, end: 1000 })));
        taken.count += 7;
        assert_eq!(taken.offset(), 1007);
    }
}
