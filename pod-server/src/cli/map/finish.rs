//! Seeing one line through: waiting for its execution, running it once more where that is wanted, and bringing its
//! output to where it belongs.

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

/// So many outputs are kept in memory until their turn comes; what is beyond is read again then.
const KEPT: usize = 256;
/// No larger output is kept.
const KEPT_BYTES: usize = 64 << 10;

/// Sees lines through. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Finisher {
    client: Client,
    results: Results,
    unfinished: Unfinished,
    retry_failed: bool,
    kept: Arc<Semaphore>,
}

/// A line that is over.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) number: u64,
    pub(super) exit: Exit,
    sentence: Option<String>,
    /// The execution that counts, and its last attempt; there is none of a line that cannot be run.
    execution: Option<(u64, u32)>,
    output: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    stdout: Bytes,
    stderr: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Finisher {
    pub(super) fn new(client: Client, results: Results, unfinished: Unfinished, retry_failed: bool) -> Self {
        Self { client, results, unfinished, retry_failed, kept: Arc::new(Semaphore::new(KEPT)) }
    }

    /// Waits for the end of a line's execution.
    pub(super) async fn finish(&self, number: u64, submitted: u64) -> Result<Finished, Failure> {
        let mut execution = wait_for_end(&self.client, submitted).await?;
        if self.retry_failed && describe_end(&execution).0 != Exit::DONE {
            let again = self.unfinished.retry(&self.client, submitted).await?;
            self.unfinished.remove(submitted);
            execution = wait_for_end(&self.client, again).await?;
        }
        let (exit, sentence) = describe_end(&execution);
        let id = execution.id;
        let mut finished = Finished { number, exit, sentence, execution: Some((id, execution.attempt)), output: None };
        if self.results.is_directory() {
            self.save(&finished).await?;
        } else if let Ok(room) = Arc::clone(&self.kept).try_acquire_owned() {
            finished.output = self.keep(id, room).await?;
        }
        self.unfinished.remove(id);
        Ok(finished)
    }

    /// A line that cannot be run has failed.
    pub(super) async fn refuse(&self, number: u64, why: &str) -> Result<Finished, Failure> {
        let sentence = Some(format!("line {number} of the input cannot be run: {why}"));
        let finished = Finished { number, exit: Exit::ERROR, sentence, execution: None, output: None };
        if self.results.is_directory() {
            self.results.begin(number, None)?;
            self.save(&finished).await?;
        }
        Ok(finished)
    }

    /// Reads both streams into memory, unless they are large.
    async fn keep(&self, id: u64, room: OwnedSemaphorePermit) -> Result<Option<Kept>, Failure> {
        let read = |stream| {
            self.whole(id, stream, async |mut output: OutputBytes| {
                let mut whole = BytesMut::new();
                while let Some(bytes) = output.next().await? {
                    if whole.len() + bytes.len() > KEPT_BYTES {
                        return Ok(None);
                    }
                    whole.extend_from_slice(&bytes);
                }
                Ok(Some(whole.freeze()))
            })
        };
        let (stdout, stderr) = tokio::try_join!(read(Stream::Stdout), read(Stream::Stderr))?;
        Ok(stdout.zip(stderr).map(|(stdout, stderr)| Kept { stdout, stderr, _room: room }))
    }

    /// Reads a stream from its beginning to its end, and again from the beginning where it breaks off.
    async fn whole<T>(
        &self,
        execution: u64,
        stream: Stream,
        read: impl AsyncFn(OutputBytes) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        let request = OutputRequest { execution, stream, attempt: None, offset: 0, follow: false };
        let mut tries = self.client.tries();
        loop {
            match read(self.client.output(request).await?).await {
                Ok(whole) => return Ok(whole),
                Err(error) => tries.wait_or_fail(error).await?,
            }
        }
    }

    /// Writes a line's files; the exit code last, as the sign that they are complete.
    async fn save(&self, finished: &Finished) -> Result<(), Failure> {
        for stream in Stream::BOTH {
            let file: ResultFile = match finished.execution {
                None => self.results.create(finished.number, stream),
                Some((id, _)) => {
                    self.whole(id, stream, async |mut output: OutputBytes| {
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
    pub(super) async fn write_out(&self, finished: Finished) -> Result<(), Failure> {
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
        if let Some(kept) = finished.output {
            Sink::of(Stream::Stderr)?.write(&kept.stderr).await?;
            return Ok(Sink::of(Stream::Stdout)?.write(&kept.stdout).await?);
        }
        if attempt > 0 {
            for stream in [Stream::Stderr, Stream::Stdout] {
                relay_stream(&self.client, id, attempt, stream).await?;
            }
        }
        Ok(())
    }
}
