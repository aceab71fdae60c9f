//! The loss of a node, on the swarm of two nodes that `POD_TEST_NODES` names: `tests/run` starts it where it is root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    client,
    swarm::{Left, Swarmed, TOKEN, apply, ask, docker_of},
};

/// The nodes `a`, which manages the swarm and takes no tasks at first, and `b`.
struct Nodes(PathBuf);

impl Nodes {
    fn engine(&self, node: &str) -> String {
        format!("unix://{}", self.0.join(format!("{node}.sock")).display())
    }

    fn read(&self, what: impl AsRef<Path>) -> String {
        fs::read_to_string(self.0.join(what)).expect("tests/run has written it").trim().to_owned()
    }

    fn link(&self, node: &str, state: &str) {
        run("ip", &["-n", &self.read("netns"), "link", "set", "dev", node, state]);
    }

    /// Ends its engine as a crash does. What it has started runs on.
    fn kill_engine(&self, node: &str) {
        let unshare = self.read(format!("{node}/unshare"));
        let children = self.read(format!("/proc/{unshare}/task/{unshare}/children"));
        let pid = self.read(format!("{node}/pid"));
        run("nsenter", &["-t", &children, "-p", "-m", "bash", "-c", &format!("kill -9 {pid}")]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("it is installed");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Whether a process of this machine, in whatever container, has that argument.
fn runs(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").expect("processes").flatten();
    let mut commands = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    commands.any(|command| command.split(|&byte| byte == 0).any(|word| word == argument.as_bytes()))
}

#[test]
fn what_a_node_ran_that_was_cut_off_ends_when_it_is_back() {
    let Some(dir) = std::env::var_os("POD_TEST_NODES") else { return };
    let nodes = Nodes(dir.into());
    let pod = Swarmed::of(nodes.engine("a"), &nodes.read("address"));
    let server = pod.manager(&["--slots", "1", "--token", TOKEN, "--lost-after", "5s"]);
    let get = |path: &str| ask(&server, "GET", path, TOKEN, &Value::Null).json();
    let script = "printf '%s\\n' '#!/bin/bash' '[ $POD_ATTEMPT != 1 ] || sleep $1' > main.sh; chmod +x main.sh";
    ask(&server, "POST", "/api/v1/activities", TOKEN, &json!({ "name": "once", "script": script }));
    apply(&server, 1);
    // An input that no other process has as its argument.
    let input = format!("77{:010}", std::process::id());
    let execution = json!({ "activity": "once", "input": input });
    let id = ask(&server, "POST", "/api/v1/executions", TOKEN, &execution).json()["id"].clone();
    let of_execution = || get(&format!("/api/v1/executions/{id}"));
    client::until("it runs", || of_execution()["status"] == "running" && runs(&input));
    assert_eq!(get(&format!("/api/v1/workers/{}", of_execution()["worker"]))["host"], "b");

    // Nobody but its manager can tell the worker that it is not wanted any more.
    nodes.kill_engine("b");
    nodes.link("b", "down");
    docker_of(&nodes.engine("a"), &["node", "update", "--availability", "active", "a"]).expect("the swarm does it");
    client::until("it has run again", || of_execution()["status"] == "finished");
    let execution = of_execution();
    assert_eq!((&execution["attempt"], &execution["losses"]), (&json!(2), &json!(1)), "{execution}");
    assert_eq!(get(&format!("/api/v1/workers/{}", execution["worker"]))["host"], "a");
    assert!(runs(&input), "it is out of reach, and runs on");
    nodes.link("b", "up");
    client::until("what it ran has ended", || !runs(&input));
    let store = pod.store();
    apply(&server, 0);
    client::until("nothing is left", || Left::at(&nodes.engine("a"), &store).count() == [0; 4]);
}
