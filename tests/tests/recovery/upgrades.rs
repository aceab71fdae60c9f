//! A data directory of the version before: what it holds goes on as it was.

use std::process::Command;

use pod_tests::Pod;
use serde_json::json;

use crate::client;

/// Of a manager before there was a choice of working directories, ended with its worker. The script of its activity
/// `counts` keeps a number in a file beside main.sh, which three executions have made 3.
const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recovery/fixtures/before-working-directories.tar.gz");

#[test]
fn a_script_that_counts_beside_itself_goes_on_counting() {
    let pod = Pod::new();
    let data = pod.data();
    let beside = data.parent().expect("it lies in a directory");
    let unpacked = Command::new("tar").arg("xzf").arg(FIXTURE).arg("-C").arg(beside).status().expect("there is tar");
    assert!(unpacked.success());

    let server = pod.serve(&["--slots", "1"]);
    let known = client::get(server.url(), "/api/v1/activities/counts").json();
    assert_eq!((&known["workdir"], &known["revision"]), (&json!("shared"), &json!(1)), "{known}");
    assert_eq!(client::stdout(server.url(), 3).body, b"3\n", "what it printed before");
    for number in 4..=6 {
        let id = client::start(server.url(), "counts", "");
        assert_eq!(client::ended(server.url(), id)["status"], "finished");
        assert_eq!(client::stdout(server.url(), id).body, format!("{number}\n").as_bytes());
    }

    // What is registered now has a directory for each execution, unless it says otherwise.
    let main = "n=$(cat count 2>/dev/null || echo 0)\necho $((n + 1)) | tee count";
    for (name, settings, numbers) in [
        ("new", json!({}), [1, 1, 1]),
        ("copied", json!({"workdir": "copy"}), [1, 1, 1]),
        ("sharing", json!({"workdir": "shared"}), [1, 2, 3]),
    ] {
        client::register(server.url(), name, main, settings);
        for number in numbers {
            let id = client::start(server.url(), name, "");
            assert_eq!(client::ended(server.url(), id)["status"], "finished");
            assert_eq!(client::stdout(server.url(), id).body, format!("{number}\n").as_bytes(), "{name}");
        }
        // The one from before, between them, too.
        let id = client::start(server.url(), "counts", "");
        assert_eq!(client::ended(server.url(), id)["status"], "finished");
    }
    let id = client::start(server.url(), "counts", "");
    client::ended(server.url(), id);
    assert_eq!(client::stdout(server.url(), id).body, b"10\n");
    assert!(server.stop().success());
}
