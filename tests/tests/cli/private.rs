//! What others on the machine can read: nothing of ours, also in a directory that is open to them.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
    process::Stdio,
};

use pod_tests::{Pod, after, wait};

/// Files below this directory that someone else can read, named one by one.
fn open_to_others(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let Ok(metadata) = entry.path().symlink_metadata() else { continue };
        if metadata.is_dir() && metadata.mode() & 0o011 != 0 {
            found.extend(open_to_others(&entry.path()));
        } else if metadata.is_file() && metadata.mode() & 0o044 != 0 {
            found.push(format!("{} {:o}", entry.path().display(), metadata.mode() & 0o777));
        }
    }
    found
}

#[test]
fn others_read_nothing_in_a_directory_that_is_open_to_them_and_programs_keep_the_umask() {
    let pod = Pod::new();
    fs::DirBuilder::new().mode(0o755).create(pod.data()).unwrap();
    // More than waits in memory, so that it becomes a file.
    let program = pod.program("prints", "umask; head -c 100000 /dev/zero >&2; : > made; ls -l made | cut -c1-10\n");
    let run = pod.command(&["run", &program]);
    let ran = after("umask 0002", &run).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "0002\n-rw-rw-r--\n");
    assert_eq!(open_to_others(&pod.data()), [""; 0]);

    // What an older version left open is closed.
    let database = pod.data().join("pod.db");
    fs::set_permissions(&database, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let server = pod.serve(&[]);
    assert_eq!(open_to_others(&pod.data()), [""; 0]);

    let dir = pod.path("worker");
    fs::DirBuilder::new().mode(0o755).create(&dir).unwrap();
    let worker = ["worker", "--manager", server.url(), "--slots", "1", "--dir", dir.to_str().unwrap()];
    let mut worker = after("umask 0022", &pod.command(&worker)).stderr(Stdio::null()).spawn().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !dir.join("work/activities").exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(fs::metadata(dir.join("work")).unwrap().mode() & 0o777, 0o700);
    assert_eq!(open_to_others(&dir), [""; 0]);
    pod_tests::signal(worker.id(), rustix::process::Signal::TERM);
    assert!(wait(&mut worker, std::time::Duration::from_secs(30)).is_some(), "the worker ends");
}
