//! What programs may do in their containers, and what of their end is kept there.

use serde_json::json;

use crate::{
    client,
    engine::{Contained, docker},
};

const ISOLATED: [&str; 2] = ["--docker-isolation", "execution"];
const LOOK: &str = "grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status | tr '\\t' ' '";

fn text(url: &str, id: u64) -> String {
    String::from_utf8(client::stdout(url, id).body).expect("text")
}

fn seen(url: &str, name: &str) -> String {
    let id = client::start(url, name, "");
    client::ended(url, id);
    text(url, id)
}

fn privileges(capabilities: u64) -> String {
    format!("CapEff: {capabilities:016x}\nCapBnd: {capabilities:016x}\nNoNewPrivs: 1\n")
}

/// What installing needs: see docs/docker.md.
const INSTALLING: u64 = 0x8000_00fb;
const NET_RAW: u64 = 1 << 13;

#[test]
fn an_execution_in_its_container_has_no_privileges_and_its_installation_the_few_that_it_needs() {
    let pod = Contained::new();
    let server = pod.manager(&ISOLATED);
    let url = server.url();
    let script = format!(
        "{LOOK} > installing; touch theirs; chown 1234:1234 theirs; chmod 640 theirs; cat > main.sh <<'END'\n\
                          #!/bin/sh\ncat installing; {LOOK}; stat -c '%u %a' theirs; touch mine && echo writable\nEND\n"
    );
    client::post(url, "/api/v1/activities", &json!({ "name": "look", "script": script }));
    let expected = format!("{}{}1234 640\nwritable\n", privileges(INSTALLING), privileges(0));
    assert_eq!(seen(url, "look"), expected);
    client::register(url, "stays", "echo ready; sleep 1000", json!({}));
    let id = client::start(url, "stays", "");
    client::until("it runs", || text(url, id) == "ready\n");
    let store = pod.stores().first().expect("a store").clone();
    let container = crate::engine::Left::of(&store).containers.remove(0);
    let limit = docker(&["inspect", "-f", "{{.HostConfig.PidsLimit}} {{.HostConfig.CapAdd}}", &container]);
    assert_eq!(
        limit.expect("the engine answers").trim(),
        "4096 [CHOWN NET_ADMIN SETGID SETPCAP SETUID]",
        "those that its init gives up"
    );
}

#[test]
fn capabilities_are_given_back_where_that_is_asked_for() {
    let pod = Contained::new();
    let server = pod.manager(&[&ISOLATED[..], &["--docker-cap-add", "cap_net_raw"]].concat());
    let url = server.url();
    client::register(url, "look", LOOK, json!({}));
    assert_eq!(seen(url, "look"), privileges(NET_RAW));
    client::register(url, "worker", LOOK, json!({ "isolation": "worker" }));
    assert_eq!(seen(url, "worker"), privileges(INSTALLING | NET_RAW));
}

#[test]
fn a_filter_of_its_own_prints_to_its_end_in_a_container_too() {
    let pod = Contained::new();
    let server = pod.manager(&ISOLATED);
    let url = server.url();
    let script = "cat > main.sh <<'END'\n#!/bin/bash\n\
                  exec > >(while read -r line; do sleep 0.05; echo \"<$line>\"; done)\nfor i in $(seq 1 10); do echo $i; done\n\
                  [ \"$1\" = stay ] && { sleep 1000 & }\nexit 3\nEND\n";
    client::post(url, "/api/v1/activities", &json!({ "name": "filter", "script": script }));
    for input in ["", "stay"] {
        let id = client::start(url, "filter", input);
        assert_eq!(client::ended(url, id)["exitCode"], 3);
        assert_eq!(text(url, id), (1..=10).map(|number| format!("<{number}>\n")).collect::<String>());
    }
}
