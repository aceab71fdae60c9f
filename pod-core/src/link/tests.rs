//! What a stranger's frame costs, whatever it is of.

use std::mem::size_of;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{bounded, *};
use crate::domain::{
    ActivityId, AttemptKey, AttemptNo, AttemptOutcome, Epoch, ExecutionId, Millis, Payload, RevisionNo, SessionId,
    StoreId, Stream, Timestamp, WorkerId,
};

const KEY: AttemptKey = AttemptKey { execution: ExecutionId(1), attempt: AttemptNo(1) };
const ACTIVITY: ActivityId = ActivityId(1);
const REVISION: RevisionNo = RevisionNo(1);

fn hello() -> Hello {
    Hello::new(1, 1)
}

fn ended() -> EndReport {
    let nothing = Bytes::new;
    let end = AttemptOutcome::Exited(0);
    let (stdout, stderr, order) = (nothing(), nothing(), nothing());
    EndReport {
        key: KEY,
        started_at: None,
        ended_at: Timestamp(0),
        end,
        stdout,
        stdout_from: 0,
        stderr,
        stderr_from: 0,
        order,
        order_from: 0,
    }
}

fn from_worker() -> Vec<FromWorker> {
    let (key, activity, revision, bytes) = (KEY, ACTIVITY, REVISION, Bytes::new());
    vec![
        FromWorker::Hello(Box::new(hello())),
        FromWorker::Heartbeat,
        FromWorker::Running { key, at: Timestamp(0) },
        FromWorker::Interleaving { key, offset: 0, bytes: bytes.clone() },
        FromWorker::Output { key, stream: Stream::Stdout, offset: 0, bytes: bytes.clone() },
        FromWorker::Tail { key, stream: Stream::Stdout, offset: 0, bytes: bytes.clone() },
        FromWorker::Ended(Box::new(ended())),
        FromWorker::Recalled { key },
        FromWorker::InstallOutput { activity, revision, restart: false, bytes },
        FromWorker::InstallEnded { activity, revision, outcome: InstallOutcome::Installed },
        FromWorker::Removed { activity, revision },
        FromWorker::Goodbye { reason: String::new() },
    ]
}

fn welcome() -> Welcome {
    Welcome {
        store: StoreId(Default::default()),
        epoch: Epoch(1),
        worker: WorkerId(1),
        session: SessionId(1),
        heartbeat: Millis(1),
        orphan_timeout: Millis(1),
        output_cap: 1,
        discard: Vec::new(),
        remove: Vec::new(),
        version: NEWEST_VERSION,
    }
}

fn start() -> StartCommand {
    StartCommand {
        key: KEY,
        activity: ACTIVITY,
        activity_name: "".into(),
        revision: REVISION,
        input: None,
        env: Default::default(),
        timeout: None,
        grace: Millis(1),
        workdir: crate::domain::Workdir::Private,
        network: crate::domain::Network::Default,
    }
}

fn to_worker() -> Vec<ToWorker> {
    let (key, activity, revision) = (KEY, ACTIVITY, REVISION);
    let payload = Payload::Script(Bytes::new());
    vec![
        ToWorker::Welcome(Box::new(welcome())),
        ToWorker::Refused(Rejection::Transient(String::new())),
        ToWorker::Heartbeat,
        ToWorker::Install { activity, revision, payload, env: Default::default(), timeout: Millis(1) },
        ToWorker::Remove { activity, revision },
        ToWorker::Start(Box::new(start())),
        ToWorker::Stop { key, grace: Millis(1) },
        ToWorker::Recall { key },
        ToWorker::OutputAck { key, stdout: 1, stderr: 1, order: 1 },
        ToWorker::EndAck { key },
        ToWorker::Shutdown { reason: String::new() },
    ]
}

/// A frame of so many of one message.
fn frame_of<M: Serialize>(message: &M, count: usize) -> Bytes {
    let mut frame = postcard::to_stdvec(&count).unwrap();
    frame.extend(postcard::to_stdvec(message).unwrap().repeat(count));
    frame.into()
}

/// The most messages that are there at a time while a frame is worked off, and how many it had.
fn worked_off<M: DeserializeOwned>(frame: Bytes) -> Result<(usize, usize), FrameError> {
    let mut messages = Messages::<M>::of(frame)?;
    let (mut most, mut all) = (0, 0);
    while !messages.is_empty() {
        let some = messages.some(64 << 10)?.len();
        (most, all) = (most.max(some), all + some);
    }
    Ok((most, all))
}

#[test]
fn a_message_of_a_byte_takes_little_memory() {
    assert!(size_of::<FromWorker>() <= 72, "{}", size_of::<FromWorker>());
    assert!(size_of::<ToWorker>() <= 96, "{}", size_of::<ToWorker>());
}

#[test]
fn a_frame_is_a_bounded_number_of_messages_of_any_kind() {
    fn check<M: Serialize + DeserializeOwned + std::fmt::Debug>(kinds: &[M]) {
        for message in kinds {
            let length = postcard::to_stdvec(message).unwrap().len();
            let many = (16 << 20) / length;
            let refused = worked_off::<M>(frame_of(message, many));
            assert!(matches!(refused, Err(FrameError::TooMany(count)) if count == many), "{message:?}: {refused:?}");
            let (most, all) = worked_off::<M>(frame_of(message, MAX_MESSAGES)).unwrap();
            assert_eq!(all, MAX_MESSAGES);
            assert!(most <= (64 << 10) / length + 1, "{most} of {message:?} at a time");
        }
    }
    check(&from_worker());
    check(&to_worker());
}

#[test]
fn a_frame_is_what_it_claims_to_be_or_an_error() {
    let frame = |bytes: &[u8]| worked_off::<FromWorker>(Bytes::copy_from_slice(bytes));
    assert_eq!(frame(&[2, 1, 1]).unwrap(), (2, 2));
    assert_eq!(frame(&[0]).unwrap(), (0, 0));
    for wrong in [&[][..], &[3, 1, 1], &[0xff; 10], &[1, 99], &[0xff, 0xff, 3, 1]] {
        assert!(frame(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn lists_and_texts_of_a_message_are_bounded() {
    let key_times = |count| vec![KEY; count];
    let here = |count| vec![(ACTIVITY, REVISION); count];
    let report = |key| AttemptReport { key, started_at: None, ended: false };
    let hello = |attempts, installed| {
        let attempts = key_times(attempts).into_iter().map(report).collect();
        encode(&[FromWorker::Hello(Box::new(Hello { attempts, installed: here(installed), ..hello() }))]).unwrap()
    };
    let many = 1 << 20;
    assert!(decode::<FromWorker>(&hello(bounded::ATTEMPTS, bounded::INSTALLATIONS)).is_ok());
    assert!(decode::<FromWorker>(&hello(many, 0)).is_err() && decode::<FromWorker>(&hello(0, many)).is_err());
    let welcome = |discard, remove| {
        let welcome = Welcome { discard: key_times(discard), remove: here(remove), ..welcome() };
        encode(&[ToWorker::Welcome(Box::new(welcome))]).unwrap()
    };
    assert!(decode::<ToWorker>(&welcome(bounded::ATTEMPTS, bounded::INSTALLATIONS)).is_ok());
    assert!(decode::<ToWorker>(&welcome(many, 0)).is_err() && decode::<ToWorker>(&welcome(0, many)).is_err());
    let env = (0..bounded::VARIABLES + 1)
        .map(|at| (at.to_string(), String::new()))
        .collect::<std::collections::BTreeMap<_, _>>();
    let order = StartCommand { env: env.clone().into(), ..start() };
    assert!(decode::<ToWorker>(&encode(&[ToWorker::Start(Box::new(order))]).unwrap()).is_err());
    let (activity, revision, payload) = (ACTIVITY, REVISION, Payload::Script(Bytes::new()));
    let install = ToWorker::Install { activity, revision, payload, env, timeout: Millis(1) };
    assert!(decode::<ToWorker>(&encode(&[install]).unwrap()).is_err());
    let reason = "ä".repeat(1 << 20);
    let goodbye = decode::<FromWorker>(&encode(&[FromWorker::Goodbye { reason }]).unwrap()).unwrap();
    let [FromWorker::Goodbye { reason }] = &goodbye[..] else { panic!("{goodbye:?}") };
    assert!(reason.starts_with("ää") && reason.len() <= 64 << 10);
}

#[test]
fn a_hello_fits_into_a_first_frame() {
    let many = Hello { installed: (0..100_000).map(|at| (ActivityId(at), REVISION)).collect(), ..hello() };
    let hello = many.fitting();
    assert!(hello.installed.len() > 1000);
    assert!(encode(&[FromWorker::Hello(Box::new(hello))]).unwrap().len() <= MAX_FIRST_FRAME);
}
