//! Finishes single lines: waits for the execution, retries it once if that is wanted, and stores or prints its output.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pod_core::domain::Stream;
use pod_server::client::{Client, ClientError, OutputBytes, OutputRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    results::{ResultFile, Results},
    unfinished::Unfinished,
};
use crate::cli::{
    console::{self, Sink},
    exit_code::describe_end,
    failure::{Exit, Failure},
    relay::{relay_stream, wait_for_end},
};

/// Outputs that are buffered until their turn; others are read again then.
const MAX_BUFFERED_OUTPUTS: usize = 256;
/// The largest output that is buffered.
const MAX_BUFFERED_SIZE: usize = 64 << 10;

/// Finishes lines. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Finisher {
    client: Client,
    results: Results,
    unfinished: Unfinished,
    retry_failed: bool,
    buffers: Arc<Semaphore>,
}

/// The outcome of a line.
#[derive(Debug)]
pub(super) struct LineResult {
    pub(super) number: u64,
    pub(super) exit: Exit,
    sentence: Option<String>,
    /// The execution that counts, and its last attempt; there is none of a line that cannot be run.
    execution: Option<(u64, u32)>,
    output: Option<BufferedOutput>,
}

#[derive(Debug)]
struct BufferedOutput {
    stdout: Bytes,
    stderr: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Finisher {
    pub(super) fn new(client: Client, results: Results, unfinished: Unfinished, retry_failed: bool) -> Self {
        Self { client, results, unfinished, retry_failed, buffers: Arc::new(Semaphore::new(MAX_BUFFERED_OUTPUTS)) }
    }

    /// Waits for the end of a line's execution.
    pub(super) async fn finish(&self, number: u64, submitted: u64) -> Result<LineResult, Failure> {
        let mut execution = wait_for_end(&self.client, submitted).await?;
        if self.retry_failed && describe_end(&execution).0 != Exit::DONE {
            let again = self.unfinished.retry(&self.client, submitted).await?;
            self.unfinished.remove(submitted);
            execution = wait_for_end(&self.client, again).await?;
        }
        let (exit, sentence) = describe_end(&execution);
        let id = execution.id;
        let mut finished =
            LineResult { number, exit, sentence, execution: Some((id, execution.attempt)), output: None };
        if self.results.is_directory() {
            self.save(&finished).await?;
        } else if let Ok(room) = Arc::clone(&self.buffers).try_acquire_owned() {
            finished.output = self.keep(id, room).await?;
        }
        self.unfinished.remove(id);
        Ok(finished)
    }

    /// A line that cannot be run has failed.
    pub(super) async fn refuse(&self, number: u64, why: &str) -> Result<LineResult, Failure> {
        let sentence = Some(format!("line {number} of the input cannot be run: {why}"));
        let finished = LineResult { number, exit: Exit::ERROR, sentence, execution: None, output: None };
        if self.results.is_directory() {
            self.results.begin(number, None)?;
            self.save(&finished).await?;
        }
        Ok(finished)
    }

    /// Reads both streams into memory, unless they are large.
    async fn keep(&self, id: u64, room: OwnedSemaphorePermit) -> Result<Option<BufferedOutput>, Failure> {
        let read = |stream| {
            self.read_fully(id, stream, async |mut output: OutputBytes| {
                let mut whole = BytesMut::new();
                while let Some(bytes) = output.next().await? {
                    if whole.len() + bytes.len() > MAX_BUFFERED_SIZE {
                        return Ok(None);
                    }
                    whole.extend_from_slice(&bytes);
                }
                Ok(Some(whole.freeze()))
            })
        };
        let (stdout, stderr) = tokio::try_join!(read(Stream::Stdout), read(Stream::Stderr))?;
        Ok(stdout.zip(stderr).map(|(stdout, stderr)| BufferedOutput { stdout, stderr, _room: room }))
    }

    /// Reads a stream from its beginning to its end, and again from the beginning where it breaks off.
    async fn read_fully<T>(
        &self,
        execution: u64,
        stream: Stream,
        read: impl AsyncFn(OutputBytes) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        let request = OutputRequest { execution, stream, attempt: None, offset: 0, follow: false };
        let mut tries = self.client.retry_state();
        loop {
            match read(self.client.output(request).await?).await {
                Ok(whole) => return Ok(whole),
                Err(error) => tries.wait_or_fail(error).await?,
            }
        }
    }

    /// Writes a line's files; the exit code last, as the sign that they are complete.
    async fn save(&self, finished: &LineResult) -> Result<(), Failure> {
        for stream in Stream::BOTH {
            let file: ResultFile = match finished.execution {
                None => self.results.create(finished.number, stream),
                Some((id, _)) => {
                    self.read_fully(id, stream, async |mut output: OutputBytes| {
                        let mut file = self.results.create(finished.number, stream);
                        while let Some(bytes) = output.next().await? {
                            file.write(&bytes).await;
                        }
                        Ok(file)
                    })
                    .await?
                }
            };
            file.close().await?;
        }
        let word = match &finished.sentence {
            Some(sentence) => sentence.clone(),
            None => finished.exit.0.to_string(),
        };
        self.results.end(finished.number, &word)
    }

    /// Writes a line's output to our own stdout and stderr, when its turn has come.
    pub(super) async fn write_out(&self, finished: LineResult) -> Result<(), Failure> {
        if self.results.is_directory() {
            return Ok(());
        }
        let Some((id, attempt)) = finished.execution else {
            finished.sentence.iter().for_each(console::note);
            return Ok(());
        };
        if let Some(sentence) = &finished.sentence {
            console::note(format!("line {}: {sentence}", finished.number));
        }
        if let Some(buffers) = finished.output {
            Sink::of(Stream::Stderr)?.write(&buffers.stderr).await?;
            return Ok(Sink::of(Stream::Stdout)?.write(&buffers.stdout).await?);
        }
        if attempt > 0 {
            for stream in [Stream::Stderr, Stream::Stdout] {
                relay_stream(&self.client, id, attempt, stream).await?;
            }
        }
        Ok(())
    }
}
