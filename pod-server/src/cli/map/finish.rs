//! Seeing one line through: waiting for its execution, running it once more where that is wanted, and bringing its
//! output to where it belongs.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pod_core::domain::Stream;
use pod_server::client::{Client, ClientError, OutputRequest};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::results::Results;
use crate::cli::{
    console::{self, Sink},
    failure::{Exit, Failure},
    patience::persist,
    relay::wait_for_end,
    verdict::verdict,
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
    retry_failed: bool,
    kept: Arc<Semaphore>,
}

/// A line whose execution has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) number: u64,
    /// The execution that was submitted for it.
    pub(super) submitted_id: u64,
    /// The execution that counts: the same one, or the one that repeated it.
    id: u64,
    pub(super) exit: Exit,
    sentence: Option<String>,
    output: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    stdout: Bytes,
    stderr: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Finisher {
    pub(super) fn new(client: Client, results: Results, retry_failed: bool) -> Self {
        Self { client, results, retry_failed, kept: Arc::new(Semaphore::new(KEPT)) }
    }

    /// Waits for the end of a line's execution.
    pub(super) async fn finish(&self, number: u64, submitted_id: u64) -> Result<Finished, Failure> {
        let mut execution = wait_for_end(&self.client, submitted_id).await?;
        if self.retry_failed && verdict(&execution).0 != Exit::DONE {
            let again = self.client.retry(submitted_id).await?.id;
            execution = wait_for_end(&self.client, again).await?;
        }
        let (exit, sentence) = verdict(&execution);
        let id = execution.id;
        let mut finished = Finished { number, submitted_id, id, exit, sentence, output: None };
        if self.results.is_directory() {
            self.save(&finished).await?;
        } else if let Ok(room) = Arc::clone(&self.kept).try_acquire_owned() {
            finished.output = self.keep(id, room).await?;
        }
        Ok(finished)
    }

    /// Reads both streams into memory, unless they are large.
    async fn keep(&self, id: u64, room: OwnedSemaphorePermit) -> Result<Option<Kept>, Failure> {
        let read = |stream| {
            persist(&self.client, move |client| async move {
                let mut whole = BytesMut::new();
                let mut output = client.output(request(id, stream)).await?;
                while let Some(bytes) = output.next().await? {
                    if whole.len() + bytes.len() > KEPT_BYTES {
                        return Ok(None);
                    }
                    whole.extend_from_slice(&bytes);
                }
                Ok::<_, ClientError>(Some(whole.freeze()))
            })
        };
        let (stdout, stderr) = tokio::try_join!(read(Stream::Stdout), read(Stream::Stderr))?;
        Ok(stdout.zip(stderr).map(|(stdout, stderr)| Kept { stdout, stderr, _room: room }))
    }

    /// Writes a line's files; the exit code last, as the sign that they are complete.
    async fn save(&self, finished: &Finished) -> Result<(), Failure> {
        self.results.begin(finished.number)?;
        for stream in Stream::BOTH {
            persist(&self.client, |client| async move {
                // From the beginning, should the connection break on the way.
                let mut output = client.output(request(finished.id, stream)).await?;
                let mut file = self.results.create(finished.number, stream);
                while let Some(bytes) = output.next().await? {
                    file.write(&bytes).await;
                }
                Ok(file)
            })
            .await?
            .close()
            .await?;
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
        if let Some(sentence) = &finished.sentence {
            console::note(format!("line {}: {sentence}", finished.number));
        }
        if let Some(kept) = finished.output {
            Sink::of(Stream::Stderr)?.write(&kept.stderr).await?;
            return Ok(Sink::of(Stream::Stdout)?.write(&kept.stdout).await?);
        }
        for stream in [Stream::Stderr, Stream::Stdout] {
            let mut sink = Sink::of(stream)?;
            let mut output = persist(&self.client, |client| client_output(client, finished.id, stream)).await?;
            while let Some(bytes) = output.next().await? {
                sink.write(&bytes).await?;
            }
        }
        Ok(())
    }
}

async fn client_output(
    client: Client,
    id: u64,
    stream: Stream,
) -> Result<pod_server::client::OutputBytes, ClientError> {
    client.output(request(id, stream)).await
}

const fn request(execution: u64, stream: Stream) -> OutputRequest {
    OutputRequest { execution, stream, attempt: None, offset: 0, follow: false }
}
