//! `pod run` and `pod map` in containers.

use crate::engine::{Contained, Left, image};

#[test]
fn a_run_is_as_on_the_machine_itself_and_leaves_nothing() {
    let pod = Contained::new();
    let program = pod.program("both", "echo \"out $1\"; echo \"err $1\" >&2; test ! -e /work; id -u; exit 3\n");
    let image = image();
    let arguments = ["run", "--backend", "docker", "--docker-image", &image, &program, "x y"];
    for _ in 0..2 {
        let ran = pod.run(&arguments);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(3), "out x y\n0\n", "err x y\n"));
        let stores = pod.stores();
        assert_eq!(stores.len(), 1, "it ran in a container of this store");
        assert_eq!(stores.iter().map(|store| Left::of(store).count()).collect::<Vec<_>>(), [(0, 0)]);
    }
}

#[test]
fn a_run_says_itself_how_its_container_is_made() {
    let pod = Contained::new();
    let program = pod.program("look", "id -u; echo $COLOUR; cat /there\n");
    let there = pod.path("file");
    std::fs::write(&there, "from outside\n").expect("a file");
    let (image, mount) = (image(), format!("{}:/there:ro", there.display()));
    let docker = ["--docker-user", "1234", "--docker-env", "COLOUR=deep blue", "--docker-mount", &mount];
    let arguments = [&["run", "--backend", "docker", "--docker-image", &image], &docker[..], &[&program]].concat();
    let ran = pod.run(&arguments);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "1234\ndeep blue\nfrom outside\n"), "{}", ran.stderr);

    let refused = pod.run(&[&arguments[..], &["--server", "127.0.0.1:9"]].concat());
    assert!(refused.code == Some(1) && refused.stderr.contains("give it to pod serve"), "{}", refused.stderr);
    let refused = pod.spawn(&arguments, &[("POD_DOCKER_MANAGER", "http://10.0.0.7:8080")]).finish();
    assert!(refused.code == Some(1) && refused.stderr.contains("name it with --server"), "{}", refused.stderr);
}

#[test]
fn a_map_runs_in_containers_too() {
    let pod = Contained::new();
    let program = pod.program("double", "echo $(($1 * 2)) in $HOSTNAME\n");
    let image = image();
    let lines: String = (1..=50).map(|number| format!("{number}\n")).collect();
    let ran = pod.run_with(&["map", "--backend", "docker", "--docker-image", &image, &program], lines.as_bytes());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let doubled: Vec<u32> = ran.stdout.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
    assert_eq!(doubled, (1..=50).map(|number| number * 2).collect::<Vec<u32>>(), "{}", ran.stdout);
}
