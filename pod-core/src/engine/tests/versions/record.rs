//! Records a session of a worker and its manager, as the frames that went over their links.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    super::within,
    session::{Line, Session, program},
};
use crate::{
    Pod,
    domain::WorkerId,
    link::{FrameError, FrameReader, FrameWriter, Transport},
    provisioner::{Admission, Backend, BackendContext, ProvisionError, Provisioner, WorkerGateway},
    store::MemoryStore,
    testing::in_process::InProcess,
};

/// What was heard so far.
#[derive(Clone, Debug, Default)]
struct Tape {
    lines: Arc<Mutex<Vec<Line>>>,
    /// Ends the link that is open.
    cut: Arc<Mutex<CancellationToken>>,
}

impl Tape {
    fn note(&self, line: Line) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Hands links on, and listens.
#[derive(Debug)]
struct Listening {
    inner: Arc<dyn WorkerGateway>,
    tape: Tape,
}

#[derive(Debug)]
struct Heard<T> {
    inner: T,
    tape: Tape,
    cut: CancellationToken,
}

#[async_trait]
impl WorkerGateway for Listening {
    fn accept(&self, transport: Transport, admission: Admission) {
        let cut = CancellationToken::new();
        *self.tape.cut.lock().unwrap_or_else(PoisonError::into_inner) = cut.clone();
        self.tape.note(Line::Dialled);
        let Transport { reader, writer, peer } = transport;
        let reader = Box::new(Heard { inner: reader, tape: self.tape.clone(), cut: cut.clone() });
        let writer = Box::new(Heard { inner: writer, tape: self.tape.clone(), cut });
        self.inner.accept(Transport { reader, writer, peer }, admission);
    }

    async fn report_progress(&self, worker: WorkerId, note: String) {
        self.inner.report_progress(worker, note).await;
    }

    async fn report_lost(&self, worker: WorkerId, reason: String) {
        self.inner.report_lost(worker, reason).await;
    }
}

fn closed() -> FrameError {
    FrameError::Io(std::io::ErrorKind::UnexpectedEof.into())
}

#[async_trait]
impl FrameReader for Heard<Box<dyn FrameReader>> {
    async fn read(&mut self, most: usize) -> Result<Bytes, FrameError> {
        let frame = tokio::select! {
            frame = self.inner.read(most) => frame?,
            () = self.cut.cancelled() => return Err(closed()),
        };
        self.tape.note(Line::Up(frame.to_vec()));
        Ok(frame)
    }
}

#[async_trait]
impl FrameWriter for Heard<Box<dyn FrameWriter>> {
    async fn write(&mut self, frame: Bytes) -> Result<(), FrameError> {
        if self.cut.is_cancelled() {
            return Err(closed());
        }
        self.tape.note(Line::Down(frame.to_vec()));
        self.inner.write(frame).await
    }
}

#[derive(Debug)]
struct Recorder {
    inner: InProcess,
    tape: Tape,
}

#[async_trait]
impl Backend for Recorder {
    async fn start(self: Box<Self>, mut context: BackendContext) -> Result<Arc<dyn Provisioner>, ProvisionError> {
        context.links = Arc::new(Listening { inner: context.links, tape: self.tape });
        Box::new(self.inner).start(context).await
    }
}

/// Plays the session that is recorded, and keeps it in the file that `POD_RECORD` names, if it does. A recording is made
/// once, when a version is new, and never again: it shows what is said by the workers of that version that are out there.
#[tokio::test]
async fn a_session_can_be_recorded() {
    let tape = Tape::default();
    let backend = Recorder { inner: InProcess::new(program), tape: tape.clone() };
    let pod = Pod::builder().store(MemoryStore::new()).backend(backend).start().await.unwrap();
    for act in Session::ACTS {
        let before = tape.lines().len();
        tape.note(Line::Act(act));
        let cut = || tape.cut.lock().unwrap_or_else(PoisonError::into_inner).cancel();
        within(act.perform(&pod, cut)).await;
        let welcomed_again = || tape.lines()[before..].iter().any(|line| matches!(line, Line::Down(_)));
        within(act.seen(&pod, welcomed_again)).await;
    }
    let session = Session { lines: tape.lines() };
    assert_eq!(session.to_string().parse(), Ok(session.clone()));
    let acts = session.lines.iter().filter(|line| matches!(line, Line::Act(_))).count();
    let links = session.lines.iter().filter(|line| **line == Line::Dialled).count();
    assert!(acts == Session::ACTS.len() && links >= 2, "{session}");
    if let Some(path) = std::env::var_os("POD_RECORD") {
        std::fs::write(path, session.to_string()).unwrap();
    }
    pod.shutdown().await;
}
