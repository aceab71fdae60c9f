//! Output, on its way from a worker to those who follow it.

use futures::StreamExt;

use super::{Stage, StageWorker, within};
use crate::{
    OutputChunk, OutputFollower, OutputPosition,
    domain::{AttemptKey, AttemptNo, AttemptOutcome, Execution, Gap, Millis, OutputSegment, Stream, Timestamp},
    link::{EndReport, FromWorker, ToWorker},
    provisioner::Admission,
};

/// Everything up to the end.
async fn follow(mut follower: OutputFollower) -> (Vec<u8>, Vec<OutputChunk>, Execution) {
    let (mut stdout, mut others) = (Vec::new(), Vec::new());
    loop {
        match within(follower.next()).await.unwrap().expect("Ended comes first") {
            OutputChunk::Bytes { stream: Stream::Stdout, bytes, position, .. } => {
                stdout.extend_from_slice(&bytes);
                assert!(position.stdout >= stdout.len() as u64 || !others.is_empty());
            }
            OutputChunk::Ended(execution) => {
                assert!(within(follower.next()).await.unwrap().is_none());
                return (stdout, others, *execution);
            }
            other => others.push(other),
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn a_follower_sees_every_byte_once_across_a_lost_link() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    // Both follow from before the start; one stops in the middle and resumes.
    let whole = tokio::spawn(follow(stage.pod.follow(id).await.unwrap()));
    let mut first = stage.pod.follow(id).await.unwrap();
    let key = worker.order().await.key;
    let bytes = pattern(300_000);
    let order = StageWorker::order_of(key, &[OutputSegment { stream: Stream::Stdout, len: 300_000, since: Millis(3) }]);
    let running = FromWorker::Running { key, at: Timestamp(1) };
    worker.say([running, order, StageWorker::output(key, 0, &bytes[..100_000])]).await;
    let Some(Ok(OutputChunk::Bytes { bytes: head, position, .. })) = within(StreamExt::next(&mut first)).await else {
        panic!("no output")
    };
    drop(first);
    let rest = stage.pod.follow_from(id, position).await.unwrap();

    let mut worker = worker.redial(&stage.links, &[key]).await;
    // Sent again from what was acknowledged, which may be nothing.
    worker.say([StageWorker::output(key, 0, &bytes[..200_000])]).await;
    worker.say([StageWorker::end(key, 200_000, &bytes[200_000..])]).await;

    let (stdout, others, ended) = within(whole).await.unwrap();
    assert!(stdout == bytes, "{} of {} bytes, or others", stdout.len(), bytes.len());
    assert_eq!((others, ended.attempt), (Vec::new(), AttemptNo(1)));
    let (rest, ..) = follow(rest).await;
    assert!([&head[..], &rest].concat() == bytes, "the resumed one has a gap or a repeat");
}

#[tokio::test]
async fn much_output_is_acknowledged_while_it_comes() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    stage.start().await.unwrap();
    let key = worker.order().await.key;
    worker.say([StageWorker::output(key, 0, &pattern(400_000))]).await;
    loop {
        if let ToWorker::OutputAck { key: acknowledged, stdout, stderr, .. } = worker.next().await {
            assert_eq!((acknowledged, stdout, stderr), (key, 400_000, 0));
            break;
        }
    }
}

/// Only a worker of the manager's machine can have written into a file of its store.
#[tokio::test]
async fn a_worker_from_elsewhere_is_told_of_no_file_and_cannot_say_it_wrote_one() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    stage.start().await.unwrap();
    let key = worker.order().await.key;
    let bytes = pattern(400_000);
    worker.say([FromWorker::AskOutputFile { key, stream: Stream::Stdout }, StageWorker::output(key, 0, &bytes)]).await;
    loop {
        match worker.next().await {
            ToWorker::OutputAck { .. } => break,
            ToWorker::OutputFile { file, .. } => panic!("it was told of {file:?}"),
            _ => {}
        }
    }
    worker.say([FromWorker::Wrote { key, stream: Stream::Stdout, from: 0, to: 400_000 }]).await;
    while worker.try_next().await.is_ok() {}
}

#[tokio::test]
async fn a_follower_goes_on_into_the_next_attempt() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let following = tokio::spawn(follow(stage.pod.follow(id).await.unwrap()));
    let first = worker.order().await.key;
    worker.say([StageWorker::output(first, 0, b"first ")]).await;
    // Another process under the same id holds nothing of it. It comes by the way in that only this worker has.
    worker.hello.incarnation += 1;
    let own = Admission::Only(worker.hello.worker.unwrap());
    let mut worker = StageWorker::knock_at(&stage.links, own, worker.hello.clone()).await;
    let second = worker.order().await.key;
    assert_eq!((first.attempt, second.attempt), (AttemptNo(1), AttemptNo(2)));
    worker.say([StageWorker::output(first, 6, b"too late"), StageWorker::end(first, 0, b"x")]).await;
    worker.say([StageWorker::end(second, 0, b"second")]).await;
    let (stdout, others, ended) = within(following).await.unwrap();
    assert_eq!(String::from_utf8(stdout).unwrap(), "first second");
    assert_eq!((others, ended.lost_attempts), (vec![OutputChunk::NextAttempt(AttemptNo(2))], 1));
}

#[tokio::test]
async fn a_follower_is_told_of_the_gap_before_the_tail() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    let tail = FromWorker::Tail { key, stream: Stream::Stdout, offset: 100, bytes: "tail".into() };
    let end = EndReport {
        key,
        started_at: Some(Timestamp(1)),
        ended_at: Timestamp(2),
        end: AttemptOutcome::Exited(0),
        stdout: "".into(),
        stdout_from: 0,
        stderr: "".into(),
        stderr_from: 0,
        order: bytes::Bytes::new(),
        order_from: 0,
    };
    worker.say([StageWorker::output(key, 0, b"head"), tail, FromWorker::Ended(Box::new(end))]).await;
    let (stdout, others, _) = follow(stage.pod.follow(id).await.unwrap()).await;
    assert_eq!(stdout, b"headtail");
    let position = OutputPosition { attempt: key.attempt, stdout: 100, stderr: 0 };
    let gap = OutputChunk::Gap { stream: Stream::Stdout, gap: Gap { start: 4, end: 100 }, position };
    assert_eq!(others, [gap]);
}

fn run(stream: Stream, len: u64, since: u64) -> OutputSegment {
    OutputSegment { stream, len, since: Millis(since) }
}

fn errors(key: AttemptKey, bytes: &'static [u8]) -> FromWorker {
    FromWorker::Output { key, stream: Stream::Stderr, offset: 0, bytes: bytes.into() }
}

/// Whatever comes, as text, with how long after the first piece it came.
async fn read_all(mut follower: OutputFollower) -> Vec<(String, Option<i64>)> {
    let (mut pieces, mut first) = (Vec::new(), None);
    while let Some(chunk) = within(follower.next()).await.unwrap() {
        if let OutputChunk::Bytes { stream, bytes, at, .. } = chunk {
            let since = at.map(|at| at.0 - first.get_or_insert(at).0);
            pieces.push((format!("{}: {}", stream.as_str(), std::str::from_utf8(&bytes).unwrap()), since));
        }
    }
    pieces
}

#[tokio::test]
async fn both_streams_are_read_in_the_order_they_came_while_it_runs_and_after() {
    use Stream::{Stderr, Stdout};
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    let live = tokio::spawn(read_all(stage.pod.follow(id).await.unwrap()));
    let runs = [run(Stdout, 4, 10), run(Stderr, 5, 20), run(Stdout, 6, 130), run(Stderr, 4, 130)];
    let all =
        [StageWorker::order_of(key, &runs), StageWorker::output(key, 0, b"one\nthree\n"), errors(key, b"two!\nfour")];
    worker.say([FromWorker::Running { key, at: Timestamp(1) }]).await;
    worker.say(all).await;
    worker.say([StageWorker::end(key, 10, b"")]).await;
    let expected = [
        ("stdout: one\n".to_owned(), Some(0)),
        ("stderr: two!\n".to_owned(), Some(10)),
        ("stdout: three\n".to_owned(), Some(120)),
        ("stderr: four".to_owned(), Some(120)),
    ];
    let texts = |pieces: &[(String, Option<i64>)]| pieces.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&within(live).await.unwrap()), texts(&expected));
    assert_eq!(read_all(stage.pod.follow(id).await.unwrap()).await, expected);
    // From every place on the way, and from places that are on no way.
    for (stdout, stderr, rest) in [
        (4, 0, &["stderr: two!\n", "stdout: three\n", "stderr: four"][..]),
        (4, 5, &["stdout: three\n", "stderr: four"]),
        (6, 5, &["stdout: ree\n", "stderr: four"]),
        (10, 0, &["stderr: two!\n", "stderr: four"]),
        (0, 7, &["stdout: one\n", "stdout: three\n", "stderr: ur"]),
        (i64::MAX as u64, 0, &["stderr: two!\n", "stderr: four"]),
        (10, 9, &[]),
    ] {
        let position = OutputPosition { attempt: key.attempt, stdout, stderr };
        for follower in [
            stage.pod.follow_from(id, position).await.unwrap(),
            stage.pod.follow_attempt(id, position).await.unwrap(),
            stage.pod.read_available(id, position).await.unwrap(),
        ] {
            assert_eq!(texts(&read_all(follower).await), rest, "from {stdout}, {stderr}");
        }
    }
}

#[tokio::test]
async fn the_order_goes_on_behind_a_gap() {
    use Stream::{Stderr, Stdout};
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    let runs = [run(Stdout, 4, 0), run(Stderr, 4, 20), run(Stdout, 4, 40), run(Stdout, 3, 900), run(Stderr, 4, 950)];
    let tail = FromWorker::Tail { key, stream: Stdout, offset: 100, bytes: "end".into() };
    worker
        .say([StageWorker::order_of(key, &runs), StageWorker::output(key, 0, b"one two "), errors(key, b"bad worse")])
        .await;
    worker.say([tail, StageWorker::end(key, 8, b"")]).await;
    within(stage.pod.wait(id)).await.unwrap();
    let all = ["stdout: one ", "stderr: bad ", "stdout: two ", "stdout: end", "stderr: wors", "stderr: e"];
    for (stdout, stderr, skipped) in
        [(0, 0, 0), (4, 0, 1), (8, 4, 3), (50, 4, 3), (100, 4, 3), (103, 4, 4), (103, 8, 5)]
    {
        let position = OutputPosition { attempt: key.attempt, stdout, stderr };
        let read = read_all(stage.pod.follow_from(id, position).await.unwrap()).await;
        assert_eq!(read.iter().map(|(text, _)| &**text).collect::<Vec<_>>(), all[skipped..], "from {stdout}, {stderr}");
        assert_eq!(read.last().unwrap().1, None, "the last byte is in no run: nobody knows when it came");
    }
}

#[tokio::test]
async fn without_an_order_stdout_comes_first() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    worker.say([errors(key, b"wrong"), StageWorker::output(key, 0, b"right"), StageWorker::end(key, 5, b"")]).await;
    within(stage.pod.wait(id)).await.unwrap();
    let read = read_all(stage.pod.follow(id).await.unwrap()).await;
    assert_eq!(read, [("stdout: right".to_owned(), None), ("stderr: wrong".to_owned(), None)]);
}

#[tokio::test]
async fn output_for_an_attempt_of_another_worker_is_not_taken() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    let mut hello = StageWorker::stranger();
    hello.incarnation = 8;
    let mut other = StageWorker::dial(&stage.links, hello).await;
    other.say([StageWorker::output(key, 0, b"forged"), StageWorker::end(key, 0, b"forged")]).await;
    // Its end is acknowledged, so that it forgets it; that is all.
    while other.next().await != (ToWorker::EndAck { key }) {}
    worker.say([StageWorker::end(key, 0, b"true")]).await;
    let (stdout, ..) = follow(stage.pod.follow(id).await.unwrap()).await;
    assert_eq!(stdout, b"true");
}

#[tokio::test]
async fn a_link_that_leaves_a_hole_ends_alone() {
    let (stage, mut worker) = Stage::new().await.ready().await;
    let id = stage.start().await.unwrap();
    let key = worker.order().await.key;
    let mut other = StageWorker::dial(&stage.links, StageWorker::stranger()).await;
    worker.say([StageWorker::output(key, 10, b"later")]).await;
    while worker.try_next().await.is_ok() {}
    other.say([FromWorker::Heartbeat]).await;
    let mut worker = worker.redial(&stage.links, &[key]).await;
    worker.say([StageWorker::end(key, 0, b"0123456789later")]).await;
    let (stdout, ..) = follow(stage.pod.follow(id).await.unwrap()).await;
    assert_eq!(stdout, b"0123456789later");
}
