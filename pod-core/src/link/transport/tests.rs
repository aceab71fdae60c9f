//! Frames arrive whole and in order, however the bytes come and however often a read is given up.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use proptest::prelude::*;
use tokio::io::ReadBuf;

use super::*;
use crate::{
    domain::{AttemptKey, AttemptNo, AttemptOutcome, ExecutionId, Millis, Timestamp},
    link::{EndReport, FromWorker, MAX_FIRST_FRAME, ToWorker, decode, encode},
};

/// Gives its bytes in pieces of the given sizes, and says "not yet" between them.
#[derive(Debug)]
struct Trickle {
    bytes: Bytes,
    sizes: std::vec::IntoIter<usize>,
    not_yet: bool,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.not_yet = !self.not_yet;
        if self.not_yet {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let size = self.sizes.next().unwrap_or(usize::MAX).max(1);
        let size = size.min(self.bytes.len()).min(buffer.remaining());
        buffer.put_slice(&self.bytes.split_to(size));
        Poll::Ready(Ok(()))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// What a writer puts on the wire.
async fn written(frames: &[Vec<u8>]) -> Bytes {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (read, write) = (tokio::io::empty(), near);
    let mut transport = over_stream(read, write, "a test".into());
    let collect = async {
        let mut bytes = Vec::new();
        let mut far = far;
        far.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let send = async {
        for frame in frames {
            transport.writer.write(frame.clone().into()).await.unwrap();
        }
        drop(transport);
    };
    tokio::join!(collect, send).0.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_survive_any_cut_and_any_cancelled_read(
        lengths in prop::collection::vec(prop_oneof![0_usize..40, 0_usize..70_000], 1..8),
        sizes in prop::collection::vec(1_usize..9_000, 0..200),
    ) {
        runtime().block_on(async {
            let frames: Vec<Vec<u8>> =
                lengths.iter().enumerate().map(|(n, length)| vec![u8::try_from(n).unwrap(); *length]).collect();
            let bytes = written(&frames).await;
            let source = Trickle { bytes, sizes: sizes.into_iter(), not_yet: false };
            let mut reader = over_stream(source, tokio::io::sink(), "a test".into()).reader;
            for frame in &frames {
                // Each read is given up whenever it would have to wait, and begun anew.
                let read = loop {
                    let given_up = std::future::poll_fn(|context| {
                        let mut reading = std::pin::pin!(reader.read(MAX_FRAME));
                        match reading.as_mut().poll(context) {
                            Poll::Ready(read) => Poll::Ready(Some(read)),
                            Poll::Pending => Poll::Ready(None),
                        }
                    });
                    if let Some(read) = given_up.await {
                        break read.unwrap();
                    }
                };
                assert_eq!(&read[..], &frame[..]);
            }
            assert!(matches!(reader.read(MAX_FRAME).await, Err(FrameError::Io(_))), "then the link has ended");
        });
    }

    #[test]
    fn what_is_encoded_is_decoded(
        execution in any::<u64>(), attempt in any::<u32>(), at in any::<i64>(), code in any::<i32>(),
        stdout in prop::collection::vec(any::<u8>(), 0..300), from in any::<u64>(), grace in any::<u64>(),
    ) {
        let key = AttemptKey { execution: ExecutionId(execution), attempt: AttemptNo(attempt) };
        let report = EndReport {
            key,
            started_at: Some(Timestamp(at)),
            ended_at: Timestamp(at),
            end: AttemptOutcome::Exited(code),
            stdout: stdout.into(),
            stdout_from: from,
            stderr: Bytes::new(),
            stderr_from: 0,
            order: Bytes::new(),
            order_from: 0,
        };
        let said = [FromWorker::Heartbeat, FromWorker::Ended(Box::new(report)), FromWorker::Recalled { key }];
        prop_assert_eq!(&decode::<FromWorker>(&encode(&said).unwrap()).unwrap()[..], &said[..]);
        let ordered = [ToWorker::Heartbeat, ToWorker::Stop { key, grace: Millis(grace) }, ToWorker::EndAck { key }];
        prop_assert_eq!(&decode::<ToWorker>(&encode(&ordered).unwrap()).unwrap()[..], &ordered[..]);
    }

    #[test]
    fn bytes_of_a_stranger_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<FromWorker>(&bytes);
        let _ = decode::<ToWorker>(&bytes);
    }
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
    let mut bytes = u32::try_from(MAX_FRAME + 1).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(b"...");
    let mut reader = over_stream(std::io::Cursor::new(bytes), tokio::io::sink(), "a test".into()).reader;
    assert!(matches!(reader.read(MAX_FRAME).await, Err(FrameError::TooLong(_))));
}

#[tokio::test]
async fn before_it_is_known_who_sends_a_frame_is_short() {
    for length in [MAX_FIRST_FRAME, MAX_FIRST_FRAME + 1] {
        let bytes = written(&[vec![1; length]]).await;
        let mut reader = over_stream(std::io::Cursor::new(bytes), tokio::io::sink(), "a test".into()).reader;
        assert_eq!(reader.read(MAX_FIRST_FRAME).await.is_ok(), length == MAX_FIRST_FRAME);
        let (mut here, mut there) = in_process();
        here.writer.write(vec![1; length].into()).await.unwrap();
        assert_eq!(there.reader.read(MAX_FIRST_FRAME).await.is_ok(), length == MAX_FIRST_FRAME);
    }
}

#[tokio::test]
async fn a_link_that_ends_within_a_frame_ends_with_an_error() {
    let bytes = written(&[vec![1; 100]]).await;
    let mut reader = over_stream(std::io::Cursor::new(bytes.slice(..50)), tokio::io::sink(), "a test".into()).reader;
    assert!(matches!(reader.read(MAX_FRAME).await, Err(FrameError::Io(_))));
}

#[tokio::test]
async fn a_link_within_a_process_carries_frames_both_ways_and_ends() {
    let (mut here, mut there) = in_process();
    here.writer.write(vec![1, 2].into()).await.unwrap();
    there.writer.write(vec![3].into()).await.unwrap();
    assert_eq!(&there.reader.read(MAX_FRAME).await.unwrap()[..], [1, 2]);
    assert_eq!(&here.reader.read(MAX_FRAME).await.unwrap()[..], [3]);
    drop(there);
    assert!(here.reader.read(MAX_FRAME).await.is_err() && here.writer.write(vec![4].into()).await.is_err());
}
