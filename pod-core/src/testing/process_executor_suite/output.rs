//! Output: byte for byte, while it runs.

use std::{fs, time::Duration};

use super::harness::{Harness, finish, in_time, line};
use crate::{
    domain::{AttemptOutcome, OutputFile, Stream},
    executor::{RunEvent, Sink},
};

/// Any bytes, no line end at the end, both streams apart.
pub async fn both_streams_are_byte_exact(rig: &Harness) {
    let outcome = rig
        .run_main(
            "#!/bin/sh\nprintf 'a\\000\\377\\r\\n\\n' ; printf '\\200\\001' >&2; printf 'no end' ; printf '%s' 'é' >&2",
        )
        .await;
    assert_eq!(outcome.stdout, b"a\0\xff\r\n\nno end");
    assert_eq!(outcome.stderr, b"\x80\x01\xc3\xa9");
    assert_eq!((outcome.end, outcome.starts), (AttemptOutcome::Exited(0), 1));
    let silent = rig.run_main("#!/bin/sh\n:").await;
    assert_eq!((silent.stdout.len(), silent.stderr.len(), silent.starts), (0, 0, 1));
}

/// 40 MB on one stream while the other is silent block nothing.
pub async fn a_flood_on_stderr_comes_before_stdout(rig: &Harness) {
    let outcome = rig.run_main("#!/bin/sh\nseq 1 6000000 | head -c 40000000 >&2\necho done").await;
    assert_eq!(outcome.text(), "done\n");
    assert_eq!(outcome.stderr.len(), 40_000_000);
    let mut expected = Vec::with_capacity(40_000_100);
    for number in 1.. {
        expected.extend_from_slice(format!("{number}\n").as_bytes());
        if expected.len() >= 40_000_000 {
            break;
        }
    }
    assert!(outcome.stderr == expected[..40_000_000], "every byte in its place");
}

/// The first line can be read before there is a second.
pub async fn output_comes_while_it_runs(rig: &Harness) {
    let go = rig.path("go");
    let request = rig
        .activity(&format!(
            "#!/bin/sh\necho first\nwhile [ ! -e '{}' ]; do sleep 0.01; done\necho second",
            go.display()
        ))
        .await;
    let mut run = rig.start(request).await;
    assert_eq!(line(&mut *run).await, "first\n");
    fs::write(go, "").expect("writable");
    assert_eq!(line(&mut *run).await, "second\n");
    assert_eq!(finish(&mut *run).await.end, AttemptOutcome::Exited(0));
}

/// A program that prints faster than it is read waits, and loses nothing.
pub async fn a_slow_reader_loses_nothing(rig: &Harness) {
    let request = rig.activity("#!/bin/sh\nhead -c 5000000 /dev/zero | tr '\\000' x").await;
    let mut run = rig.start(request).await;
    let mut total = 0;
    let end = loop {
        match in_time("an event", run.next()).await {
            Some(RunEvent::Output { bytes, .. }) => total += bytes.len(),
            Some(RunEvent::Ended { end, .. }) => break end,
            Some(_) => {}
            None => panic!("an end must come"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!((total, end), (5_000_000, AttemptOutcome::Exited(0)));
}

/// An executor that can write a stream into a file holds before each part of it, and gives the rest; any other gives all.
pub async fn output_is_written_into_a_file_as_far_as_it_may_be(rig: &Harness) {
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};
    const PRINTED: usize = 6_000_000;
    const PART: u64 = 1_500_000;
    const LAST: u64 = 4_500_000;
    let line = "0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFG";
    let request = rig.activity(&format!("#!/bin/sh\nyes {line} | head -c {PRINTED}; echo done >&2")).await;
    let path = rig.path("written");
    let file = std::fs::File::options().create_new(true).read(true).write(true).open(&path).unwrap();
    let found = file.metadata().unwrap();
    let told = OutputFile { path: path.to_str().unwrap().into(), device: found.dev(), inode: found.ino() };
    let mut run = rig.start(request).await;
    let (mut at, mut may, mut holds, mut errors) = (0, 0, 0, Vec::new());
    let end = loop {
        match in_time("an event", run.next()).await.expect("an end must come") {
            RunEvent::Output { stream: Stream::Stderr, bytes } => errors.extend_from_slice(&bytes),
            RunEvent::Output { bytes, .. } => {
                if at == 0 {
                    run.write_to(Stream::Stdout, &Sink::Ready(told.clone()));
                }
                assert!(holds == 0 || at >= LAST, "bytes of what may be written were given at {at}");
                file.write_all_at(&bytes, at).unwrap();
                at += bytes.len() as u64;
            }
            RunEvent::Wrote { stream, len } => {
                assert_eq!(stream, Stream::Stdout);
                at += len;
                assert!(at <= may, "it wrote up to {at} and may up to {may}");
            }
            RunEvent::Holds { stream } => {
                assert_eq!((stream, may == 0 || at == may), (Stream::Stdout, true), "it holds at {at} of {may}");
                holds += 1;
                may = if may == 0 { at + PART } else { may + PART };
                run.write_to(stream, &if at < LAST { Sink::UpTo(may) } else { Sink::Over });
            }
            RunEvent::Ended { end, .. } => break end,
            RunEvent::Started { .. } | RunEvent::InstallationLost => {}
        }
    };
    assert_eq!((end, String::from_utf8_lossy(&errors)), (AttemptOutcome::Exited(0), "done\n".into()));
    let wanted: Vec<u8> = line.bytes().chain([b'\n']).cycle().take(PRINTED).collect();
    assert!(std::fs::read(&path).unwrap() == wanted, "{at} bytes, or others");
}

/// A file that is another one than was told of is left alone.
pub async fn another_file_is_not_written(rig: &Harness) {
    use std::os::unix::fs::MetadataExt as _;
    let request = rig.activity("#!/bin/sh\necho first; sleep 0.1; head -c 2000000 /dev/zero").await;
    let path = rig.path("others");
    std::fs::write(&path, "of others").unwrap();
    let found = std::fs::metadata(&path).unwrap();
    let told = OutputFile { path: path.to_str().unwrap().into(), device: found.dev(), inode: found.ino() + 1 };
    let mut run = rig.start(request).await;
    let mut total = 0;
    loop {
        match in_time("an event", run.next()).await.expect("an end must come") {
            RunEvent::Output { bytes, .. } => {
                if total == 0 {
                    run.write_to(Stream::Stdout, &Sink::Ready(told.clone()));
                }
                total += bytes.len();
            }
            RunEvent::Ended { .. } => break,
            RunEvent::Started { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((total, std::fs::read_to_string(&path).unwrap().as_str()), (2_000_006, "of others"));
}

/// A call of `next` that is dropped before it gave something took nothing.
pub async fn dropped_calls_lose_nothing(rig: &Harness) {
    let request =
        rig.activity("#!/bin/sh\nfor i in $(seq 1 200); do echo \"line $i\"; done; sleep 0.05; echo last").await;
    let mut run = rig.start(request).await;
    let (mut text, mut starts) = (Vec::new(), 0);
    let end = loop {
        // Half of the calls are given up at once, half after a moment.
        let patience = Duration::from_micros(if text.len() % 2 == 0 { 0 } else { 300 });
        match tokio::time::timeout(patience, run.next()).await {
            Ok(Some(RunEvent::Started { .. })) => starts += 1,
            Ok(Some(RunEvent::Output { bytes, .. })) => text.extend_from_slice(&bytes),
            Ok(Some(RunEvent::Ended { end, .. })) => break end,
            Ok(Some(other)) => panic!("nobody asked for {other:?}"),
            Ok(None) => panic!("an end must come"),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut expected: String = (1..=200).map(|number| format!("line {number}\n")).collect();
    expected.push_str("last\n");
    assert_eq!(String::from_utf8(text).expect("text"), expected);
    assert_eq!((starts, end), (1, AttemptOutcome::Exited(0)));
}

/// Its last lines are on their way through another process when the program ends: they are waited for, on either stream.
pub async fn a_filter_of_its_own_prints_to_its_end(rig: &Harness) {
    let slowly = "sh -c 'while read -r line; do sleep 0.02; echo \"<$line>\"; done'";
    let main = format!(
        "#!/bin/bash\nexec > >({slowly}) 2> >({slowly} >&2)\nfor i in $(seq 1 20); do echo $i; echo $i >&2; done; exit 3"
    );
    let expected: String = (1..=20).map(|number| format!("<{number}>\n")).collect();
    let outcome = rig.run_main(&main).await;
    assert_eq!((outcome.text(), outcome.end.clone()), (&*expected, AttemptOutcome::Exited(3)));
    assert_eq!(String::from_utf8_lossy(&outcome.stderr), expected);
}

/// But not for ever; and what it printed until then is kept.
pub async fn a_filter_that_does_not_end_is_ended(rig: &Harness) {
    let note = rig.path("pids");
    let filter = format!("sh -c 'echo $$ >> {0}; cat; exec sleep 1000'", note.display());
    let main = format!(
        "#!/bin/bash\nexec > >({filter})\necho before the end; while [ ! -s '{}' ]; do sleep 0.01; done",
        note.display()
    );
    let outcome = rig.run_main(&main).await;
    assert_eq!((outcome.text(), outcome.end.clone()), ("before the end\n", AttemptOutcome::Exited(0)));
    super::harness::already_gone(&rig.pids("pids", 1).await);
}
