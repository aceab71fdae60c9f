//! What of a directory becomes a program: all that can be, and nothing that POD itself writes there.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    process::Command,
};

use pod_tests::{Pod, Ran};

fn revision(pod: &Pod, name: &str) -> u64 {
    let listed = pod.run(&["activities", "-o", "ndjson"]);
    let activities = listed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let found = activities.into_iter().find(|activity: &serde_json::Value| activity["name"] == name);
    found.and_then(|activity| activity["latestRevision"].as_u64()).expect("there is one")
}

#[test]
fn sockets_and_pipes_are_no_part_of_a_program() {
    let pod = Pod::new();
    let program = pod.program("holds", "ls\n");
    let _socket = UnixListener::bind(pod.path("holds/agent.sock")).unwrap();
    assert!(Command::new("mkfifo").arg(pod.path("holds/pipe")).status().unwrap().success());
    let ran = pod.run(&["run", &program]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "main.sh\n", ""));
}

#[test]
fn what_pod_writes_into_the_directory_makes_no_new_revision() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    pod.program("inside", "echo \"got $1\"\n");
    fs::write(pod.path("inside/names"), "a\nb\n").unwrap();
    let within = |arguments: &[&str]| {
        Ran::from(pod.command(arguments).current_dir(pod.path("inside")).output().expect("the pod binary runs"))
    };
    for results in ["out", "deep/er/out"] {
        for _ in 0..2 {
            let ran = within(&["map", ".", "names", "--results", results]);
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
            assert_eq!(fs::read_to_string(pod.path("inside").join(results).join("2.out")).unwrap(), "got b\n");
        }
        fs::remove_dir_all(pod.path("inside").join(results)).unwrap();
    }
    assert_eq!(revision(&pod, "inside"), 1);
    // Those of before, too.
    fs::remove_dir_all(pod.path("inside/deep")).unwrap();
    within(&["map", ".", "names", "--results", "before"]);
    let ran = within(&["run", ".", "x"]);
    assert_eq!((ran.stdout.as_str(), revision(&pod, "inside")), ("got x\n", 1));

    // A data directory inside: its sockets and databases are not packed, the first time and later.
    for _ in 0..2 {
        let ran = within(&["run", ".", "x", "--data-dir", ".pod"]);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "got x\n", ""));
    }
    let other = pod.path("inside/.pod");
    let server = pod.serve(&["--data-dir", other.to_str().unwrap()]);
    let listed = pod.run(&["activities", "-o", "json", "--server", server.url()]).stdout;
    assert!(listed.contains("\"latestRevision\":1"), "{listed}");
    drop(server);

    for (words, option) in [
        (&["map", ".", "names", "--results", "."][..], "--results"),
        (&["run", ".", "--data-dir", "../inside"], "--data-dir"),
    ] {
        let ran = within(words);
        assert_eq!(ran.code, Some(1), "{words:?}");
        assert!(ran.stderr.contains(&format!("choose another one with {option}")), "{}", ran.stderr);
    }
}

#[test]
fn a_directory_may_have_another_name_as_an_activity() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    for (directory, name) in [("alice/job", "alices"), ("with a space", "spaced")] {
        fs::create_dir_all(pod.path(directory).parent().unwrap()).unwrap();
        let program = pod.program(directory, "echo \"$POD_ACTIVITY\"\n");
        assert_eq!(pod.run(&["run", "--name", name, &program]).stdout, format!("{name}\n"));
    }
    let ran = pod.run(&["run", "--name", "not a name", "alice"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let ran = pod.run(&["run", "--name", "other", "activity:alices"]);
    assert!(ran.stderr.contains("--name is for a directory"), "{}", ran.stderr);
}

#[test]
fn podignore_says_what_stays_at_home() {
    let pod = Pod::new();
    let program = pod.program("large", "find -L . -path ./.pod -prune -o -type f -print | sort\n");
    for (name, content) in [
        (".podignore", "*.log\n!kept.log\n/top\nnode_modules/\n# a comment\n"),
        ("a.log", ""),
        ("kept.log", ""),
        ("top", ""),
        ("sub/top", ""),
        ("sub/b.log", ""),
        ("sub/own/.podignore", "secret\n"),
        ("sub/own/secret", ""),
        ("node_modules/x/y.js", ""),
        (".git/HEAD", ""),
        ("sub/.git/HEAD", ""),
        (".gitignore", "kept.log\n"),
        (".ignore", "kept.log\n"),
    ] {
        let path = pod.path("large").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let ran = pod.run(&["run", &program]);
    let files = "./.gitignore\n./.ignore\n./.podignore\n./kept.log\n./main.sh\n./sub/own/.podignore\n./sub/top\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), files), "{}", ran.stderr);

    fs::write(pod.path("large/.podignore"), "main.sh\n").unwrap();
    let ran = pod.run(&["run", &program]);
    assert!(ran.code == Some(1) && ran.stderr.contains("leaves out its main.sh"), "{}", ran.stderr);
    fs::write(pod.path("large/.podignore"), "[z-a]\n").unwrap();
    let ran = pod.run(&["run", &program]);
    assert!(ran.code == Some(1) && ran.stderr.contains("write it as a .gitignore is"), "{}", ran.stderr);
}

#[test]
fn a_link_that_leads_inside_by_any_way_is_packed() {
    let pod = Pod::new();
    let program = pod.program("linked", "cat back whole sub/up sub/around\n");
    let directory = pod.path("linked");
    fs::create_dir(directory.join("sub")).unwrap();
    fs::write(directory.join("data"), "data\n").unwrap();
    symlink("sub/../data", directory.join("back")).unwrap();
    symlink(directory.join("data"), directory.join("whole")).unwrap();
    symlink("../data", directory.join("sub/up")).unwrap();
    symlink("../../linked/sub/../data", directory.join("sub/around")).unwrap();
    let ran = pod.run(&["run", &program]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "data\n".repeat(4).as_str()), "{}", ran.stderr);

    for (target, sentence) in [
        ("/etc/passwd", "leads out of the directory, to /etc/passwd"),
        ("../data", "leads out of the directory"),
        ("sub/../gone", "leads to sub/../gone, which is not there"),
    ] {
        let link = directory.join("link");
        symlink(target, &link).unwrap();
        let ran = pod.run(&["run", &program]);
        assert!(ran.code == Some(1) && ran.stderr.contains(sentence), "{target}: {}", ran.stderr);
        fs::remove_file(link).unwrap();
    }
}
