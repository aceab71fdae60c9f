//! Activities that come as a directory.
#![cfg(all(feature = "local", target_os = "linux"))]

use std::{collections::BTreeMap, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use pod_backends::process::ProcessExecutor;
use pod_core::{
    domain::{ActivityId, AttemptKey, AttemptNo, AttemptOutcome, ExecutionId, Millis, Payload, RevisionNo, Workdir},
    executor::{Executor, InstallError, InstallRequest, RunEvent, StartRequest},
};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

#[derive(Clone, Copy)]
enum Item<'a> {
    File(&'a str, &'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Other(&'a str, EntryType),
}

/// Packs without the checks of the packer: names are written as they are.
fn pack(items: &[Item<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for item in items {
        let (name, kind, target, content) = match *item {
            Item::File(name, content) => (name, EntryType::Regular, "", content),
            Item::Link(name, target) => (name, EntryType::Symlink, target, ""),
            Item::HardLink(name, target) => (name, EntryType::Link, target, ""),
            Item::Other(name, kind) => (name, kind, "", ""),
        };
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

async fn install(executor: &dyn Executor, archive: Vec<u8>) -> Result<(), InstallError> {
    let (sink, _output) = tokio::sync::mpsc::channel(64);
    let request = InstallRequest {
        activity: ActivityId(1),
        revision: RevisionNo(1),
        payload: Payload::Archive(archive.into()),
        env: BTreeMap::new(),
        timeout: Millis::from_secs(60),
    };
    executor.install(request, sink).await
}

async fn run(executor: &dyn Executor) -> (String, AttemptOutcome) {
    let request = StartRequest {
        key: AttemptKey { execution: ExecutionId(1), attempt: AttemptNo(1) },
        activity: ActivityId(1),
        activity_name: "packed".into(),
        revision: RevisionNo(1),
        input: None,
        env: BTreeMap::new(),
        timeout: None,
        grace: Millis::from_secs(10),
        workdir: Workdir::Private,
        network: pod_core::domain::Network::Default,
    };
    let mut run = executor.start(request).await.unwrap();
    let mut text = Vec::new();
    loop {
        match run.next().await.unwrap() {
            RunEvent::Started { .. } | RunEvent::InstallationLost | RunEvent::Wrote { .. } | RunEvent::Holds { .. } => {
            }
            RunEvent::Output { bytes, .. } => text.extend_from_slice(&bytes),
            RunEvent::Ended { end, .. } => return (String::from_utf8(text).unwrap(), end),
        }
    }
}

async fn open(dir: &Path) -> ProcessExecutor {
    ProcessExecutor::open(dir, 1).await.expect("the directory can be used")
}

#[tokio::test]
async fn a_directory_with_main_sh_needs_no_script() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    let items = [
        Item::Other("lib/", EntryType::Directory),
        Item::File("lib/words", "some words\n"),
        Item::Link("words", "lib/words"),
        Item::Link("lib/up", "../main.sh"),
        Item::HardLink("same", "lib/words"),
        Item::File("main.sh", "#!/bin/sh\r\ncat words same\r\n"),
    ];
    install(&executor, pack(&items)).await.unwrap();
    assert_eq!(run(&executor).await, ("some words\nsome words\n".to_owned(), AttemptOutcome::Exited(0)));
    executor.shutdown().await;
}

#[tokio::test]
async fn its_install_sh_is_run_in_it() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    let items = [
        Item::File("./install.sh", "[[ -f part ]] &&\r\ncp part main.sh\r\n"),
        Item::File("./part", "echo \"made from $(basename \"$(dirname \"$(readlink -f main.sh)\")\")\""),
    ];
    install(&executor, pack(&items)).await.unwrap();
    assert_eq!(run(&executor).await, ("made from 1-1\n".to_owned(), AttemptOutcome::Exited(0)));
    let failing = pack(&[Item::File("install.sh", "exit 9"), Item::File("main.sh", "")]);
    let error = install(&executor, failing).await.unwrap_err();
    assert!(error.message.contains("exit code 9"), "{error}");
    executor.shutdown().await;
}

#[tokio::test]
async fn nothing_leads_out_of_it() {
    let dir = TempDir::new().unwrap();
    let executor = open(&dir.path().join("worker")).await;
    let main = Item::File("main.sh", "echo");
    let attempts: [&[Item<'_>]; 11] = [
        &[Item::File("../escaped", "x")],
        &[Item::File("a/../../escaped", "x")],
        &[Item::File("/tmp/../escaped", "x")],
        &[Item::Link("out", "/etc")],
        &[Item::Link("out", "../..")],
        &[Item::Link("dot", "."), Item::Link("dot/out", "..")],
        &[Item::Link("dot", "."), Item::Link("out", "dot/../..")],
        &[Item::HardLink("passwords", "/etc/passwd")],
        &[Item::HardLink("mark", "../../mark")],
        &[Item::Link("lib", "."), Item::File("lib/escaped", "x")],
        &[Item::Link("lib", "."), Item::Link("lib", "main.sh"), Item::File("lib/deep/escaped", "x")],
    ];
    for (place, items) in attempts.into_iter().enumerate() {
        let error = install(&executor, pack(&[&[main], items].concat())).await.expect_err("it must be refused");
        assert!(error.permanent && error.message.contains("leads out"), "{place}: {error}");
    }
    let error = install(&executor, pack(&[main, Item::Other("pipe", EntryType::Fifo)])).await.unwrap_err();
    assert!(error.message.contains("neither a file"), "{error}");
    let error = install(&executor, pack(&[main, Item::Link("out", "main.sh"), Item::HardLink("same", "out")]))
        .await
        .unwrap_err();
    assert!(error.permanent && error.message.contains("entry same is the same as out, which is no file"), "{error}");
    let found: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(found, ["worker"]);
    assert_eq!(std::fs::read_dir(dir.path().join("worker/activities")).unwrap().count(), 0, "nothing of them stays");
    executor.shutdown().await;
}

#[tokio::test]
async fn the_last_of_a_name_counts_and_nothing_is_written_through_what_it_replaces() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    let items = [
        Item::File("main.sh", "cat first again lib/locked\n"),
        Item::File("first", "of the first\n"),
        Item::HardLink("again", "first"),
        Item::File("first", "of the second\n"),
        Item::Link("lib/locked", "../first"),
        Item::File("lib/locked", "a file\n"),
    ];
    install(&executor, pack(&items)).await.unwrap();
    let expected = "of the second\nof the first\na file\n".to_owned();
    assert_eq!(run(&executor).await, (expected, AttemptOutcome::Exited(0)));
    let left: Vec<_> =
        std::fs::read_dir(dir.path().join("activities")).unwrap().map(|at| at.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("unpacking")), "{left:?}");
    executor.shutdown().await;
}

/// A name that fits into an archive, and, below the directory that it is unpacked in, into no path of the system.
#[tokio::test]
async fn a_name_that_the_disk_does_not_take_is_the_archives_fault() {
    let dir = TempDir::new().unwrap();
    let mut worker = dir.path().to_owned();
    while worker.as_os_str().len() < 1500 {
        worker.push("d".repeat(200));
    }
    std::fs::create_dir_all(&worker).unwrap();
    let executor = open(&worker).await;
    let long = "n/".repeat(1400) + "file";
    let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    archive.append_data(&mut header, &long, std::io::empty()).unwrap();
    let error = install(&executor, archive.into_inner().unwrap().finish().unwrap()).await.unwrap_err();
    assert!(error.permanent && error.message.contains("longer name than the worker's disk takes"), "{error}");
    assert_eq!(std::fs::read_dir(worker.join("activities")).unwrap().count(), 0, "nothing of it stays");
    executor.shutdown().await;
}

#[tokio::test]
async fn what_is_no_archive_is_refused() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    let whole = pack(&[Item::File("main.sh", "echo some text that is cut off")]);
    let mut noise = GzEncoder::new(Vec::new(), Compression::fast());
    noise.write_all(&[b'x'; 4096]).unwrap();
    for bytes in [b"#!/bin/sh\necho I am a script".to_vec(), whole[..40].to_vec(), noise.finish().unwrap()] {
        let error = install(&executor, bytes).await.unwrap_err();
        assert!(error.permanent && error.message.contains("not a whole tar.gz"), "{error}");
    }
    let error = install(&executor, pack(&[Item::File("readme", "hello")])).await.unwrap_err();
    assert!(error.permanent && error.message.contains("no main.sh"), "{error}");
    executor.shutdown().await;
}
