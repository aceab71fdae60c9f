//! The process executor when its own parts are killed, and when its worker is.
#![cfg(all(feature = "local", target_os = "linux"))]

mod process_rig;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use pod_backends::process::ProcessExecutor;
use pod_core::{
    domain::{ActivityId, AttemptOutcome, Millis, Payload, RevisionNo, Stream},
    executor::{ExecutionHandle, Executor, InstallRequest, RunEvent},
};
use process_rig::{TIMEOUT, finish, install, open, request};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Prints the process ids of its slot, of itself and of a child that left its session, and goes on for ever.
const ENDLESS: &str = "#!/bin/sh\nsetsid sleep 1000 &\necho $PPID $$ $!\nwhile :; do sleep 0.05; done";

/// Starts [`ENDLESS`] and reads the process ids.
async fn endless(executor: &dyn Executor, execution: u64) -> (Box<dyn ExecutionHandle>, [u32; 3]) {
    let mut run = executor.start(request(1, execution)).await.expect("it is installed");
    let mut text = Vec::new();
    while !text.ends_with(b"\n") {
        match timeout(TIMEOUT, run.next()).await.expect("it does not hang") {
            Some(RunEvent::Output { stream: Stream::Stdout, bytes }) => text.extend_from_slice(&bytes),
            Some(RunEvent::Started { .. }) => {}
            other => panic!("{other:?} before its line"),
        }
    }
    (run, numbers(std::str::from_utf8(&text).expect("text")))
}

fn numbers(line: &str) -> [u32; 3] {
    let numbers: Vec<u32> = line.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    numbers.try_into().expect("three process ids")
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("not zero");
    // That it is gone by itself meanwhile is fine.
    let _ = kill_process(pid, Signal::KILL);
}

fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut rest = stat.rsplit_once(") ")?.1.split(' ');
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

fn lives(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

fn parent(pid: u32) -> u32 {
    stat(pid).expect("it lives").1
}

async fn gone(pids: &[u32]) {
    timeout(TIMEOUT, async {
        while pids.iter().any(|&pid| lives(pid)) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("some of {pids:?} still run"));
}

#[tokio::test]
async fn a_killed_slot_loses_its_run_and_no_other() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    install(&executor, 1, ENDLESS).await;
    let (mut victim, [slot, main, child]) = endless(&executor, 1).await;
    let (mut neighbour, [other_slot, other, other_child]) = endless(&executor, 2).await;
    assert_ne!(slot, other_slot);

    kill(slot);
    assert_eq!(finish(&mut *victim).await.1, AttemptOutcome::Lost);
    assert!(!lives(main) && !lives(child), "they are gone when the loss is told");
    assert!(lives(other) && lives(other_child) && lives(other_slot));

    let (mut again, [new_slot, ..]) = endless(&executor, 3).await;
    assert_ne!(new_slot, slot);
    again.stop(pod_core::executor::StopMode::Kill);
    assert_eq!(finish(&mut *again).await.1, AttemptOutcome::Terminated);
    neighbour.stop(pod_core::executor::StopMode::Terminate);
    assert_eq!(finish(&mut *neighbour).await.1, AttemptOutcome::Terminated);
    executor.shutdown().await;
}

#[tokio::test]
async fn a_slot_killed_while_idle_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    install(&executor, 1, "#!/bin/sh\necho $PPID $1 0").await;
    for execution in 1..=40 {
        let mut run = executor.start(request(1, execution)).await.unwrap();
        let (line, end) = finish(&mut *run).await;
        let [slot, number, _] = numbers(&line);
        assert_eq!((u64::from(number), end), (execution, AttemptOutcome::Exited(0)));
        kill(slot);
    }
    executor.shutdown().await;
}

/// Kills now and then all slots, or the supervisor above them, while as many run as there are slots, and as many wait.
async fn kills_at_any_moment(dir: &Path, executor: &dyn Executor, seed: u64, count: u64) {
    let ran = dir.join("ran");
    let main = format!("#!/bin/sh\necho $1 >> '{}'\necho $PPID $1 $$\nexec sleep 0.00$(($1 % 9))", ran.display());
    install(executor, 1, &main).await;
    let mut seed = seed;
    let mut lost = 0;
    let mut running = std::collections::VecDeque::new();
    for execution in 1..=count {
        let mut run = executor.start(request(1, execution)).await.unwrap();
        running.push_back((execution, tokio::spawn(async move { finish(&mut *run).await })));
        // xorshift: the same moments in every run of the test, as far as the machine allows.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if seed.is_multiple_of(3) {
            let supervisor = fs::read_to_string(dir.join("nursery")).unwrap();
            let supervisor: u32 = supervisor.split(' ').next().unwrap().parse().unwrap();
            sleep(Duration::from_micros(seed >> 8 & 0xfff)).await;
            let slots =
                fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).unwrap_or_default();
            if seed.is_multiple_of(5) {
                kill(supervisor);
            }
            slots.split_whitespace().for_each(|slot| kill(slot.parse().unwrap()));
        }
        while running.len() > if execution == count { 0 } else { 3 } {
            let (execution, finished) = running.pop_front().unwrap();
            let (text, end) = finished.await.unwrap();
            match end {
                AttemptOutcome::Exited(0) => assert_eq!(u64::from(numbers(&text)[1]), execution),
                AttemptOutcome::Lost => lost += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(lost < count, "most are not hit");
    let ran = fs::read_to_string(ran).unwrap();
    let mut numbers: Vec<&str> = ran.lines().collect();
    numbers.sort_unstable();
    let all = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), all, "none was run twice by the executor");
}

#[tokio::test]
async fn kills_at_any_moment_lose_runs_and_never_double_or_hang_them() {
    for seed in [0x9e37_79b9_7f4a_7c15_u64, 0xd1b5_4a32_d192_ed03] {
        let dir = TempDir::new().unwrap();
        let executor = open(dir.path()).await;
        kills_at_any_moment(dir.path(), &executor, seed, 150).await;
        executor.shutdown().await;
    }
}

#[tokio::test]
async fn a_killed_nursery_is_replaced() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    install(&executor, 1, ENDLESS).await;
    let (mut first, [slot, main, child]) = endless(&executor, 1).await;
    let (mut second, [other_slot, other, other_child]) = endless(&executor, 2).await;
    kill(parent(slot));
    for run in [&mut first, &mut second] {
        assert_eq!(finish(&mut **run).await.1, AttemptOutcome::Lost);
    }
    for pid in [slot, main, child, other_slot, other, other_child] {
        assert!(!lives(pid), "{pid} still runs");
    }
    let (run, pids) = endless(&executor, 3).await;
    executor.shutdown().await;
    drop(run);
    gone(&pids).await;
}

#[tokio::test]
async fn what_outlives_the_whole_spawner_is_found_by_its_mark() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    install(&executor, 1, ENDLESS).await;
    let (mut run, [slot, main, child]) = endless(&executor, 1).await;
    let supervisor = parent(slot);
    kill(slot);
    kill(supervisor);
    assert_eq!(finish(&mut *run).await.1, AttemptOutcome::Lost);
    assert!(!lives(main) && !lives(child), "they are gone when the loss is told");
    executor.shutdown().await;
}

#[tokio::test]
async fn a_directory_is_used_by_one_executor_at_a_time() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    let error = ProcessExecutor::open(dir.path(), 1).await.expect_err("it is in use");
    assert!(error.message.contains(&std::process::id().to_string()), "{error}");
    executor.shutdown().await;
    open(dir.path()).await.shutdown().await;
    // Dropped without a word, with something running: its end is waited for.
    let executor = open(dir.path()).await;
    install(&executor, 1, ENDLESS).await;
    let (run, pids) = endless(&executor, 1).await;
    drop((executor, run));
    let next = timeout(TIMEOUT, async {
        loop {
            if let Ok(next) = ProcessExecutor::open(dir.path(), 2).await {
                return next;
            }
        }
    });
    let next = next.await.expect("the directory is free again");
    assert!(pids.iter().all(|&pid| !lives(pid)));
    let (_run, _) = endless(&next, 2).await;
    next.shutdown().await;
}

/// The worker's part of an installation that was damaged: it says so, and does not run it.
async fn is_found_damaged(executor: &dyn Executor, execution: u64) -> AttemptOutcome {
    let mut run = executor.start(request(1, execution)).await.unwrap();
    assert_eq!(timeout(TIMEOUT, run.next()).await.unwrap(), Some(RunEvent::InstallationLost));
    assert_eq!(executor.installed().await.unwrap(), []);
    finish(&mut *run).await.1
}

#[tokio::test]
async fn a_damaged_installation_is_noticed_at_each_start_and_made_again_once() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    let good = "#!/bin/sh\necho it runs";
    let files = dir.path().join("activities/1-1");
    let main = files.join("main.sh");
    let damages: [(&str, &dyn Fn()); 6] = [
        ("its directory is gone", &|| fs::remove_dir_all(&files).unwrap()),
        ("main.sh is gone", &|| fs::remove_file(&main).unwrap()),
        ("main.sh is another file", &|| {
            fs::copy(&main, files.join("other")).unwrap();
            fs::rename(files.join("other"), &main).unwrap();
        }),
        ("main.sh was written to", &|| fs::write(&main, "#!/bin/sh\necho other").unwrap()),
        ("main.sh may not be run", &|| {
            fs::set_permissions(&main, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        }),
        ("a file has its directory's place", &|| {
            fs::remove_dir_all(&files).unwrap();
            fs::write(&files, "").unwrap();
        }),
    ];
    for (number, (name, damage)) in (10..).step_by(10).zip(damages) {
        install(&executor, 1, good).await;
        let mut run = executor.start(request(1, number)).await.unwrap();
        assert_eq!(finish(&mut *run).await, ("it runs\n".to_owned(), AttemptOutcome::Exited(0)));
        damage();
        assert_eq!(is_found_damaged(&executor, number + 1).await, AttemptOutcome::Recalled, "{name}");
        // One that was on its way meanwhile.
        assert_eq!(is_found_damaged(&executor, number + 2).await, AttemptOutcome::Recalled, "{name}");
        install(&executor, 1, good).await;
        damage();
        let AttemptOutcome::StartFailed(reason) = is_found_damaged(&executor, number + 3).await else {
            panic!("{name}")
        };
        assert!(reason.contains("again"), "{reason}");
    }
    executor.shutdown().await;
}

#[tokio::test]
async fn damage_done_while_no_worker_was_there_is_noticed_too() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    install(&executor, 1, "#!/bin/sh\necho it runs").await;
    executor.shutdown().await;
    let executor = open(dir.path()).await;
    let mut run = executor.start(request(1, 1)).await.unwrap();
    assert_eq!(finish(&mut *run).await.0, "it runs\n", "nothing was touched");
    executor.shutdown().await;
    fs::write(dir.path().join("activities/1-1/main.sh"), "#!/bin/sh\necho other").unwrap();
    let executor = open(dir.path()).await;
    assert_eq!(is_found_damaged(&executor, 2).await, AttemptOutcome::Recalled);
    executor.shutdown().await;
}

#[tokio::test]
async fn what_runs_in_a_damaged_installation_goes_on_while_it_is_made_again() {
    let dir = TempDir::new().unwrap();
    let executor = open(dir.path()).await;
    let go = dir.path().join("go");
    let waits = format!("#!/bin/sh\necho $PPID $$ 0\nwhile [ ! -e {} ]; do sleep 0.01; done; cat part", go.display());
    let script = format!("echo a part of it > part\ncat > main.sh <<'END'\n{waits}\nEND\n");
    let install = async || {
        let (sink, _output) = tokio::sync::mpsc::channel(64);
        let (activity, revision, payload) = (ActivityId(1), RevisionNo(1), Payload::Script(script.clone().into()));
        let request =
            InstallRequest { activity, revision, payload, env: BTreeMap::new(), timeout: Millis::from_secs(60) };
        executor.install(request, sink).await.expect("it is a good one");
    };
    install().await;
    let (mut first, _) = endless(&executor, 1).await;
    fs::write(dir.path().join("activities/1-1/main.sh"), "").unwrap();
    assert_eq!(is_found_damaged(&executor, 2).await, AttemptOutcome::Recalled);
    install().await;
    let (mut second, _) = endless(&executor, 3).await;
    fs::write(go, "").unwrap();
    for run in [&mut first, &mut second] {
        assert_eq!(finish(&mut **run).await, ("a part of it\n".to_owned(), AttemptOutcome::Exited(0)));
    }
    let entries = || fs::read_dir(dir.path().join("activities")).unwrap().count();
    drop((first, second));
    timeout(TIMEOUT, async {
        while entries() > 2 {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("what is left of the damaged one goes with the last that ran in it");
    executor.shutdown().await;
}

/// A file system of one megabyte, where the tests may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(dir.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_not_the_fault_of_the_script() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: only root may mount a small disk");
        return;
    };
    let executor = open(disk.0.path()).await;
    install(&executor, 1, "#!/bin/sh\necho still here").await;
    let request = |payload| InstallRequest {
        activity: ActivityId(2),
        revision: RevisionNo(1),
        payload,
        env: BTreeMap::new(),
        timeout: Millis::from_secs(60),
    };
    let payloads = [
        Payload::Script("head -c 5000000 /dev/zero > big".into()),
        Payload::Script("head -c 5000000 /dev/zero 2>&- > big; exit 3".into()),
        Payload::Script(vec![b'\n'; 3_000_000].into()),
    ];
    for payload in payloads {
        let (sink, _output) = tokio::sync::mpsc::channel(64);
        let error = executor.install(request(payload), sink).await.expect_err("there is no room");
        assert!(!error.permanent && error.message.contains("disk of the worker is full"), "{error}");
        assert_eq!(executor.installed().await.unwrap(), [(ActivityId(1), RevisionNo(1))]);
    }
    let mut run = executor.start(self::request(1, 1)).await.unwrap();
    assert_eq!(finish(&mut *run).await, ("still here\n".to_owned(), AttemptOutcome::Exited(0)));
    executor.shutdown().await;
}

#[tokio::test]
async fn what_was_not_finished_is_deleted_at_the_start() {
    let dir = TempDir::new().unwrap();
    for path in ["activities/9-1/sub", "activities/8-1"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    // A mark that a power cut left empty vouches for nothing.
    fs::write(dir.path().join("activities/8-1.ok"), "").unwrap();
    fs::create_dir(dir.path().join("inputs")).unwrap();
    fs::write(dir.path().join("inputs/3.1"), "old").unwrap();
    let executor = open(dir.path()).await;
    assert_eq!(executor.installed().await.unwrap(), []);
    for part in ["activities", "inputs"] {
        assert_eq!(fs::read_dir(dir.path().join(part)).unwrap().count(), 0, "{part}");
    }
    executor.shutdown().await;
}

const WORKER_DIR: &str = "POD_TEST_WORKER_DIR";

/// Not a test: the worker process that the tests below kill.
#[tokio::test]
#[ignore = "not a test: the worker process that tests here start"]
async fn worker_process() {
    let Some(dir) = env::var_os(WORKER_DIR) else { return };
    let executor = open(Path::new(&dir)).await;
    install(&executor, 1, ENDLESS).await;
    let (_run, pids) = endless(&executor, 1).await;
    fs::write(Path::new(&dir).join("pids.new"), pids.map(|pid| pid.to_string()).join(" ")).unwrap();
    eprintln!("ready");
    sleep(TIMEOUT * 2).await;
}

/// Starts a worker process that runs [`ENDLESS`]; gives it, and the process ids.
fn worker(dir: &Path) -> (std::process::Child, [u32; 3]) {
    let mut worker = Command::new(env::current_exe().unwrap())
        .args(["worker_process", "--exact", "--ignored", "--nocapture"])
        .env(WORKER_DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(worker.stderr.take().unwrap()).lines();
    let said: Vec<String> = lines.map_while(Result::ok).take_while(|line| line != "ready").collect();
    let pids = fs::read_to_string(dir.join("pids.new")).unwrap_or_else(|_| panic!("{}", said.join("\n")));
    (worker, numbers(&pids))
}

#[tokio::test]
async fn nothing_outlives_a_killed_worker() {
    let dir = TempDir::new().unwrap();
    let (mut process, [slot, main, child]) = worker(dir.path());
    let supervisor = parent(slot);
    process.kill().unwrap();
    process.wait().unwrap();
    gone(&[slot, main, child, supervisor]).await;
    let executor = open(dir.path()).await;
    assert_eq!(executor.installed().await.unwrap(), [(ActivityId(1), RevisionNo(1))]);
    executor.shutdown().await;
}

#[tokio::test]
async fn the_next_executor_ends_what_a_worker_and_its_spawner_left() {
    let dir = TempDir::new().unwrap();
    let (mut process, [slot, main, child]) = worker(dir.path());
    let supervisor = parent(slot);
    let slots = fs::read_to_string(format!("/proc/{supervisor}/task/{supervisor}/children")).unwrap();
    // Stopped first, so that none of them can do its duty when another one dies.
    let keepers: Vec<u32> = slots.split_whitespace().map(|pid| pid.parse().unwrap()).chain([supervisor]).collect();
    for &pid in &keepers {
        kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::STOP).unwrap();
    }
    process.kill().unwrap();
    process.wait().unwrap();
    keepers.iter().for_each(|&pid| kill(pid));
    gone(&keepers).await;
    assert!(lives(main) && lives(child), "nobody is there to end them");
    let executor = open(dir.path()).await;
    assert!(!lives(main) && !lives(child), "they are gone before anything new is started");
    executor.shutdown().await;
}
