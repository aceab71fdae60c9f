//! What says what a cloud's machine may do is not there for the programs that it runs.

use serde_json::json;

use crate::{
    client,
    engine::{Contained, docker, image},
};

/// A network whose machine has the metadata addresses of a cloud, and others.
struct Cloud {
    name: String,
}

impl Cloud {
    fn new(subnet: &str, addresses: &[&str]) -> Self {
        let name = format!("pod-test-cloud-{}", std::process::id());
        let cloud = Self { name };
        cloud.clear();
        docker(&["network", "create", "--subnet", subnet, &cloud.name]).expect("a network");
        let serve = "mkdir /www; echo secret > /www/index.html; busybox httpd -p 53 -h /www; exec busybox httpd -f -p 80 -h /www";
        let image = image();
        for address in addresses {
            let container = cloud.container(address);
            let network = ["--network", &cloud.name, "--ip", address];
            let run = [&["run", "-d", "--name", &container], &network[..], &[&image, "sh", "-c", serve]].concat();
            docker(&run).expect("a machine");
        }
        cloud
    }

    fn container(&self, address: &str) -> String {
        format!("{}-{address}", self.name)
    }

    fn clear(&self) {
        let filter = format!("name={}", self.name);
        let found = docker(&["ps", "-aq", "--filter", &filter]).unwrap_or_default();
        found.lines().for_each(|id| drop(docker(&["rm", "-f", id])));
        let _ = docker(&["network", "rm", &self.name]);
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.clear();
    }
}

const ASK: &str = "ask() { echo $1 $(busybox wget -T 5 -q -O - http://$1 2>&1 || echo none); }";

fn answers(url: &str, name: &str) -> String {
    let id = client::start(url, name, "");
    client::ended(url, id);
    String::from_utf8(client::stdout(url, id).body).expect("text")
}

#[test]
fn no_program_of_a_container_reaches_the_metadata_of_a_cloud() {
    let cloud = Cloud::new("168.63.129.0/24", &["168.63.129.16", "168.63.129.17"]);
    let settings = ["--docker-isolation", "execution", "--docker-network", &cloud.name];
    // Whoever installs may do more than who runs; and may put its own program where POD's is.
    let script = format!(
        "{ASK}; ask 168.63.129.16 > installing; echo 'exec sh ./main.sh' > /.pod/pod-spawner; echo 5 > /.pod/user\n\
         cat > main.sh <<'END'\n#!/bin/sh\n{ASK}\ncat installing; for at in 168.63.129.16 168.63.129.16:53 168.63.129.17; do ask $at; done\n\
         id -u; id -G; echo $HOME; grep CapBnd /proc/self/status | tr '\\t' ' '; echo own > /dev/stdout\nEND\n"
    );
    for (user, who) in [("root", "0\n0\n/root\n"), ("1234:77", "1234\n77\n/\n")] {
        let pod = Contained::new();
        let server = pod.manager(&[&settings[..], &["--docker-user", user]].concat());
        client::post(server.url(), "/api/v1/activities", &json!({ "name": "ask", "script": script }));
        let found = answers(server.url(), "ask");
        let lines: Vec<&str> = found.lines().collect();
        assert!(lines[0].ends_with("none") && lines[1].ends_with("none"), "{found}");
        assert_eq!(
            lines[2..4],
            ["168.63.129.16:53 secret", "168.63.129.17 secret"],
            "names and others are there: {found}"
        );
        let rest = format!("{who}CapBnd: 0000000000000000\nown");
        assert_eq!(lines[4..].join("\n"), rest, "{found}");
    }
    // Who is to reach nothing at all, does.
    let pod = Contained::new();
    let server = pod.manager(&settings);
    let all = format!("{ASK}; ask 168.63.129.17; ip -o link | wc -l");
    client::register(server.url(), "shut", &all, json!({ "network": "none" }));
    assert_eq!(
        answers(server.url(), "shut").lines().map(|line| line.rsplit(' ').next()).collect::<Vec<_>>(),
        [Some("none"), Some("1")]
    );
    client::register(server.url(), "open", &all, json!({ "network": "default" }));
    assert!(answers(server.url(), "open").starts_with("168.63.129.17 secret\n"));
    let beside = json!({ "name": "beside", "script": "exit", "network": "none", "isolation": "worker" });
    let refused = client::ask(server.url(), "POST", "/api/v1/activities", "", &beside.to_string()).expect("an answer");
    assert_eq!(refused.status, 422);
    let refused = refused.json();
    assert!(refused.to_string().contains("network none takes a container for each execution"), "{refused}");
    // The address is there for whom it is meant to be.
    let pod = Contained::new();
    let server = pod.manager(&[&settings[..], &["--docker-metadata", "reachable"]].concat());
    client::register(server.url(), "ask", &format!("{ASK}; ask 168.63.129.16"), json!({}));
    assert_eq!(answers(server.url(), "ask"), "168.63.129.16 secret\n");
}
