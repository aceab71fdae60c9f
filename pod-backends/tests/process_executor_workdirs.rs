//! Working directories of the process executor: what is left of them when something is killed, where they are when a path
//! is long, and what a full disk does.
#![cfg(all(feature = "local", target_os = "linux"))]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use pod_backends::process::{ProcessExecutor, clear};
use pod_core::{
    domain::{ActivityId, AttemptKey, AttemptNo, AttemptOutcome, ExecutionId, Millis, Payload, RevisionNo, Workdir},
    executor::{ExecutionHandle, Executor, InstallRequest, RunEvent, StartRequest},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const TIMEOUT: Duration = Duration::from_secs(60);

async fn open(dir: &Path) -> ProcessExecutor {
    ProcessExecutor::open(dir, 2).await.expect("the directory can be used")
}

async fn install(executor: &dyn Executor, activity: u64, script: &str) {
    let (sink, _output) = tokio::sync::mpsc::channel(64);
    let request = InstallRequest {
        activity: ActivityId(activity),
        revision: RevisionNo(1),
        payload: Payload::Script(script.to_owned().into()),
        env: BTreeMap::new(),
        timeout: Millis::from_secs(60),
    };
    executor.install(request, sink).await.expect("it is a good one");
}

/// An activity whose `main.sh` does what its input says.
async fn obeying(dir: &Path) -> ProcessExecutor {
    let executor = open(dir).await;
    install(&executor, 1, "mkdir data; echo x > data/file; echo 'eval \"$1\"' > main.sh").await;
    executor
}

fn request(input: &str) -> StartRequest {
    StartRequest {
        network: pod_core::domain::Network::Default,
        key: AttemptKey { execution: ExecutionId(1), attempt: AttemptNo(1) },
        activity: ActivityId(1),
        activity_name: "an-activity".into(),
        revision: RevisionNo(1),
        input: Some(input.into()),
        env: BTreeMap::new(),
        timeout: None,
        grace: Millis::from_secs(60),
        workdir: Workdir::Private,
    }
}

async fn finish(run: &mut dyn ExecutionHandle) -> (String, AttemptOutcome) {
    let mut text = Vec::new();
    loop {
        match timeout(TIMEOUT, run.next()).await.expect("it does not hang").expect("an end comes") {
            RunEvent::Started { .. } => {}
            RunEvent::Output { bytes, .. } => text.extend_from_slice(&bytes),
            RunEvent::Ended { end, .. } => return (String::from_utf8(text).expect("text"), end),
            other => panic!("nobody asked for {other:?}"),
        }
    }
}

async fn run(executor: &dyn Executor, input: &str) -> (String, AttemptOutcome) {
    finish(&mut *executor.start(request(input)).await.expect("it is installed")).await
}

/// Starts what goes on for ever, and gives what it prints first.
async fn begin(executor: &dyn Executor, input: &str) -> (Box<dyn ExecutionHandle>, String) {
    let mut run = executor.start(request(input)).await.expect("it is installed");
    let mut text = String::new();
    while !text.ends_with('\n') {
        match timeout(TIMEOUT, run.next()).await.expect("it does not hang").expect("it goes on") {
            RunEvent::Output { bytes, .. } => text.push_str(std::str::from_utf8(&bytes).expect("text")),
            RunEvent::Started { .. } => {}
            RunEvent::Ended { end, .. } => panic!("{end:?} before its line"),
            other => panic!("nobody asked for {other:?}"),
        }
    }
    (run, text.trim().to_owned())
}

fn kill(pid: &str) {
    let pid = Pid::from_raw(pid.parse().expect("a process id")).expect("not zero");
    // That it is gone by itself meanwhile is fine.
    let _ = kill_process(pid, Signal::KILL);
}

/// Files of that name, however deep.
fn found(dir: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| match path {
            path if path.ends_with(name) => vec![path],
            path if path.is_dir() && !path.is_symlink() => found(&path, name),
            _ => Vec::new(),
        })
        .collect()
}

async fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let waiting = async {
        while !look() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("{what} did not come"));
}

/// Leaves files in every place that it has, tells the process ids of its slot and of the slot's parent, and stays.
const LITTERS: &str = "mkdir -p a/b; for at in . a/b \"$TMPDIR\" \"$POD_RESULTS\" ..; do echo x > \"$at/litter\"; done\n\
                       read -r _ _ _ nursery _ < \"/proc/$PPID/stat\"; echo \"$PPID $nursery\"; exec sleep 1000";

#[tokio::test]
async fn nothing_is_left_of_a_run_whose_slot_was_killed() {
    let dir = TempDir::new().unwrap();
    let executor = obeying(dir.path()).await;
    let (mut litters, pids) = begin(&executor, LITTERS).await;
    assert_eq!(found(dir.path(), "litter").len(), 5);
    kill(pids.split(' ').next().unwrap());
    assert_eq!(finish(&mut *litters).await.1, AttemptOutcome::Lost);
    eventually("the end of what it wrote", || found(dir.path(), "litter").is_empty()).await;
    for _ in 0..4 {
        assert_eq!(run(&executor, "ls -A").await.0, ".pod\ndata\nmain.sh\n");
    }
    executor.shutdown().await;
    assert!(!dir.path().join("w").exists());
}

#[tokio::test]
async fn nothing_is_left_of_runs_whose_spawner_was_killed() {
    let dir = TempDir::new().unwrap();
    let executor = obeying(dir.path()).await;
    let (mut litters, pids) = begin(&executor, LITTERS).await;
    kill(pids.split(' ').nth(1).unwrap());
    assert_eq!(finish(&mut *litters).await.1, AttemptOutcome::Lost);
    assert_eq!(run(&executor, "ls -A").await.0, ".pod\ndata\nmain.sh\n");
    eventually("the end of what it wrote", || found(dir.path(), "litter").is_empty()).await;
    executor.shutdown().await;
}

#[tokio::test]
async fn what_a_worker_could_not_delete_is_deleted_by_the_next_one_or_with_its_directory() {
    let dir = TempDir::new().unwrap();
    let deep = dir.path().join("w/1a/d/a/b");
    for end_of_it in ["open", "clear"] {
        obeying(dir.path()).await.shutdown().await;
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("litter"), "x").unwrap();
        if end_of_it == "clear" {
            clear(dir.path()).await.unwrap();
            assert!(!dir.path().exists());
            return;
        }
        let executor = open(dir.path()).await;
        assert_eq!(run(&executor, "ls -A").await.0, ".pod\ndata\nmain.sh\n");
        eventually("the end of it", || found(dir.path(), "litter").is_empty()).await;
        executor.shutdown().await;
    }
}

#[tokio::test]
async fn paths_stay_short_where_that_of_the_worker_is_long() {
    let outer = TempDir::new().unwrap();
    let dir = outer.path().join("a".repeat(100));
    let executor = obeying(&dir).await;
    let said = run(&executor, "pwd; pwd -P; echo \"$TMPDIR\"; echo \"$POD_RESULTS\"; echo x > litter; ls -A").await.0;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[..4].iter().all(|path| path.len() <= 60), "{said}");
    assert_eq!(lines[4..], [".pod", "data", "litter", "main.sh"], "{said}");
    let base = Path::new(lines[0]).ancestors().nth(2).unwrap();
    assert_eq!(base.parent(), Some(Path::new("/tmp")));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(base).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "nobody else has a look");
    assert_eq!(run(&executor, "ls -A").await.0, ".pod\ndata\nmain.sh\n");
    // Whoever clears up what looks old may take it away meanwhile.
    fs::remove_dir_all(base).unwrap();
    for _ in 0..3 {
        assert_eq!(run(&executor, "ls -A").await.0, ".pod\ndata\nmain.sh\n");
    }
    executor.shutdown().await;
    assert!(!base.exists(), "nothing is left in a place that others use");
}

/// On this machine, whoever runs this, where such mounts are possible at all.
#[tokio::test]
async fn what_is_installed_is_read_only_where_mounts_can_be_had() {
    let possible = [&["-m"][..], &["-Urm"]].into_iter().any(|flags| {
        let tried = Command::new("unshare").args(flags).arg("true").stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    });
    let dir = TempDir::new().unwrap();
    let executor = obeying(dir.path()).await;
    let write = "for at in main.sh data/file data/new \"$(dirname \"$(readlink -f main.sh)\")/new\"; do\n\
                 { echo x >> \"$at\"; } 2>/dev/null && echo written; done; id -u";
    let expected = if possible { String::new() } else { "written\n".repeat(4) };
    let own = rustix::process::geteuid().as_raw();
    for workdir in [Workdir::Private, Workdir::Private, Workdir::Copy] {
        let request = StartRequest { workdir, ..request(if workdir == Workdir::Copy { "id -u" } else { write }) };
        let said = finish(&mut *executor.start(request).await.unwrap()).await.0;
        let expected = if workdir == Workdir::Copy { String::new() } else { expected.clone() };
        assert_eq!(said, format!("{expected}{own}\n"));
    }
    // It can be taken away all the same, and be made again.
    executor.remove(ActivityId(1), RevisionNo(1)).await.expect("a mount of a slot does not keep it");
    install(&executor, 1, "echo 'eval \"$1\"' > main.sh").await;
    assert_eq!(run(&executor, "ls -A").await.0, ".pod\nmain.sh\n");
    executor.shutdown().await;
}

/// A small file system of its own; it goes with this.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=2m", "tmpfs"];
        let mounted = Command::new("mount").args(mount).arg(dir.path()).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn who_fills_the_disk_does_so_until_its_end() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: only root may mount a small disk");
        return;
    };
    let executor = obeying(disk.0.path()).await;
    for fill in ["cat /dev/zero > big", "mkdir a; cat /dev/zero > a/big", "cat /dev/zero > \"$TMPDIR/big\""] {
        let (_, end) = run(&executor, &format!("{fill} 2>&-; exit 3")).await;
        assert_eq!(end, AttemptOutcome::Exited(3));
        assert_eq!(
            run(&executor, "ls -A; echo y > file; cat file").await.0,
            ".pod\ndata\nmain.sh\ny\n",
            "after {fill}"
        );
    }
    // Where somebody else fills it there is no room for a copy, which says so.
    fs::write(disk.0.path().join("others"), vec![7; 4 << 20]).expect_err("there is less room");
    let full = StartRequest { workdir: Workdir::Copy, ..request("true") };
    let (_, end) = finish(&mut *executor.start(full).await.unwrap()).await;
    let AttemptOutcome::StartFailed(reason) = end else { panic!("{end:?}") };
    assert!(reason.contains("make room on the worker's disk"), "{reason}");
    fs::remove_file(disk.0.path().join("others")).unwrap();
    let roomy = StartRequest { workdir: Workdir::Copy, ..request("cat data/file") };
    assert_eq!(finish(&mut *executor.start(roomy).await.unwrap()).await.0, "x\n");
    executor.shutdown().await;
}
