//! The link with sides of earlier versions: sessions that were recorded when these were new, replayed against this code.

mod record;
mod session;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;

use self::session::{Act, Line, MUCH, Session};
use super::{Stage, within};
use crate::{
    Pod,
    domain::{AttemptKey, AttemptOutcome, Stream, Timestamp},
    executor::RunEvent,
    link::{self, FromWorker, Hello, MAX_FRAME, OLDEST_VERSION, ToWorker, Transport, in_process},
    provisioner::Admission,
    store::MemoryStore,
    worker::{
        Identity, SpoolMemory,
        state::{Effect, Input, Now, WorkerState},
    },
};

/// All that this code has to get on with.
fn recorded() -> Vec<(u32, Session)> {
    let sessions = [(3, include_str!("v3.txt")), (4, include_str!("v4.txt"))];
    let sessions = sessions.into_iter().filter(|(version, _)| *version >= OLDEST_VERSION);
    sessions.map(|(version, text)| (version, text.parse().unwrap())).collect()
}

fn from_worker(frame: &[u8]) -> Vec<FromWorker> {
    link::decode(frame).unwrap()
}

fn to_worker(frame: &[u8]) -> Vec<ToWorker> {
    link::decode(frame).unwrap()
}

fn first_hello(session: &Session) -> Hello {
    let hello = session.lines.iter().find_map(|line| match line {
        Line::Up(frame) => match &from_worker(frame)[..] {
            [FromWorker::Hello(hello)] => Some((**hello).clone()),
            _ => None,
        },
        _ => None,
    });
    hello.expect("a session begins with a hello")
}

/// What an order says, without what is another one in every run; nothing of what comes when it comes.
fn order(message: &ToWorker) -> Option<String> {
    Some(match message {
        ToWorker::Heartbeat | ToWorker::OutputAck { .. } => return None,
        ToWorker::Welcome(welcome) => {
            format!("welcome {} {:?} {:?} {}", welcome.worker, welcome.discard, welcome.remove, welcome.version)
        }
        ToWorker::Offer(offer) => format!("offer {} {}", offer.activity, offer.revision),
        other => format!("{other:?}"),
    })
}

/// What a worker says, in the same way. How much output goes where is not told, but what there is in all.
fn report(message: FromWorker, output: &mut BTreeMap<(AttemptKey, Stream), Vec<u8>>) -> Option<String> {
    let mut print = |key, stream, offset: u64, bytes: &[u8]| {
        let printed = output.entry((key, stream)).or_default();
        printed.truncate(usize::try_from(offset).unwrap());
        printed.extend_from_slice(bytes);
    };
    Some(match message {
        FromWorker::Heartbeat | FromWorker::Running { .. } | FromWorker::Interleaving { .. } => return None,
        FromWorker::Output { key, stream, offset, bytes } => {
            print(key, stream, offset, &bytes);
            return None;
        }
        FromWorker::Hello(hello) => {
            let attempts: Vec<_> = hello.attempts.iter().map(|report| (report.key, report.ended)).collect();
            format!("hello {:?} {attempts:?} {:?} {:?}", hello.worker, hello.installed, hello.installing)
        }
        FromWorker::Ended(end) => {
            print(end.key, Stream::Stdout, end.stdout_from, &end.stdout);
            print(end.key, Stream::Stderr, end.stderr_from, &end.stderr);
            format!("ended {} {:?}", end.key, end.end)
        }
        other => format!("{other:?}"),
    })
}

#[test]
fn what_was_said_is_said_in_the_same_bytes_and_only_hello_and_welcome_have_grown() {
    for (version, session) in recorded() {
        for line in &session.lines {
            let (frame, again, may_grow) = match line {
                Line::Up(frame) => {
                    let messages = from_worker(frame);
                    (frame, link::encode(&messages).unwrap(), matches!(messages[..], [FromWorker::Hello(_)]))
                }
                Line::Down(frame) => {
                    let messages = to_worker(frame);
                    (frame, link::encode(&messages).unwrap(), matches!(messages[..], [ToWorker::Welcome(_)]))
                }
                Line::Act(_) | Line::Dialled => continue,
            };
            assert!(again.starts_with(frame), "version {version}: {again:?} does not begin as {frame:?}");
            assert!(may_grow || again.len() == frame.len(), "version {version}: {again:?} has grown: {frame:?}");
        }
    }
}

/// The recorded worker against this manager: it is told what it was told then.
#[tokio::test]
async fn a_recorded_worker_is_served_by_this_manager() {
    for (version, session) in recorded() {
        let stage = Stage::with(Pod::builder().store(MemoryStore::new())).await;
        let (theirs, ours) = (first_hello(&session).store.unwrap(), stage.pod.store_id());
        let mut link: Option<Transport> = None;
        let mut arrived: std::collections::VecDeque<ToWorker> = Default::default();
        let mut last: Option<Act> = None;
        for line in &session.lines {
            match line {
                Line::Act(act) => {
                    if let Some(last) = last.replace(*act) {
                        within(last.seen(&stage.pod, || true)).await;
                    }
                    within(act.perform(&stage.pod, || link = None)).await;
                }
                Line::Dialled => {
                    let (near, far) = in_process();
                    stage.links.accept(far, Admission::Known);
                    (link, arrived) = (Some(near), Default::default());
                }
                Line::Up(frame) => {
                    let frame = replace(frame, theirs.0.as_bytes(), ours.0.as_bytes());
                    within(link.as_mut().unwrap().writer.write(frame)).await.unwrap();
                }
                Line::Down(frame) => {
                    for expected in to_worker(frame).iter().filter_map(order) {
                        let said = loop {
                            if let Some(message) = arrived.pop_front() {
                                match order(&message) {
                                    Some(said) => break said,
                                    None => continue,
                                }
                            }
                            let frame = within(link.as_mut().unwrap().reader.read(MAX_FRAME)).await.unwrap();
                            arrived.extend(to_worker(&frame));
                        };
                        assert_eq!(said, expected, "version {version}");
                    }
                }
            }
        }
        within(last.unwrap().seen(&stage.pod, || true)).await;
        let output = |id| stage.pod.output_summary(crate::domain::ExecutionId(id), crate::domain::AttemptNo(1));
        assert_eq!(within(output(1)).await.unwrap().stdout.len, 6);
        assert_eq!(within(output(2)).await.unwrap().stdout.len, MUCH as u64);
    }
}

fn replace(frame: &[u8], from: &[u8], to: &[u8]) -> Bytes {
    let mut frame = frame.to_vec();
    if let Some(at) = frame.windows(from.len()).position(|window| window == from) {
        frame[at..at + to.len()].copy_from_slice(to);
    }
    frame.into()
}

/// What the programs of [`session::program`] do, as an executor would tell.
fn perform(effect: Effect) -> Vec<Input> {
    let at = Timestamp(1_000_000);
    match effect {
        Effect::Install(request) => vec![Input::InstallEnded(request.activity, request.revision, Ok(()))],
        Effect::Remove(activity, revision) => vec![Input::Removed(activity, revision)],
        Effect::Start(request) => {
            let print = |stream, bytes: Vec<u8>| RunEvent::Output { stream, bytes: bytes.into() };
            let end = |code| RunEvent::Ended { end: AttemptOutcome::Exited(code), at };
            let events = match request.input.as_deref() {
                Some("waiting") => vec![],
                Some("long") => vec![
                    print(Stream::Stdout, vec![b'x'; MUCH]),
                    print(Stream::Stderr, b"and a word on stderr\n".to_vec()),
                    end(3),
                ],
                _ => vec![print(Stream::Stdout, b"hello\n".to_vec()), end(0)],
            };
            let started = RunEvent::Started { at };
            std::iter::once(started).chain(events).map(|event| Input::Run(request.key, event)).collect()
        }
        Effect::Stop(key, _) => vec![Input::Run(key, RunEvent::Ended { end: AttemptOutcome::Terminated, at })],
        Effect::Exit(_) => vec![],
        other => panic!("it is to do {other:?}"),
    }
}

/// The recorded manager against this worker: it does and says what was done and said then.
#[test]
fn a_recorded_manager_is_obeyed_by_this_worker() {
    for (version, session) in recorded() {
        let (mut said, mut expected) = ((Vec::new(), BTreeMap::new()), (Vec::new(), BTreeMap::new()));
        let hello = first_hello(&session);
        let identity = Identity { store: hello.store, worker: hello.worker, ..Identity::new(hello.incarnation) };
        let mut now = Now { wall: Timestamp(1_000_000), uptime: Duration::ZERO };
        let disk = Arc::new(SpoolMemory::new(1 << 20));
        let mut worker = WorkerState::new(identity, hello.slots, 0, Vec::new(), disk, now);
        let mut effects = Vec::new();
        for line in &session.lines {
            let mut inputs = match line {
                Line::Act(Act::Cut) => vec![Input::Disconnected],
                Line::Act(_) => vec![],
                Line::Dialled => vec![Input::Connected],
                Line::Down(frame) => vec![Input::Received(to_worker(frame))],
                Line::Up(frame) => {
                    expected.0.extend(from_worker(frame).into_iter().filter_map(|m| report(m, &mut expected.1)));
                    vec![]
                }
            };
            // What is held back for company is said with the next tick.
            for _ in 0..8 {
                for input in inputs.drain(..).chain([Input::Tick]) {
                    worker.step(input, now, &mut effects);
                }
                inputs = effects.drain(..).flat_map(perform).collect();
                let frame = worker.collect(now);
                said.0.extend(frame.into_iter().filter_map(|message| report(message, &mut said.1)));
                now.uptime += Duration::from_millis(5);
            }
        }
        assert_eq!(said, expected, "version {version}");
    }
}
