//! The commands of the original client, over a whole life of an activity.

use std::time::{Duration, Instant};

use pod_tests::{Pod, Ran};
use serde_json::Value;

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", ran.stdout, ran.stderr))
}

fn until(mut look: impl FnMut() -> Option<Value>) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come about in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_activity_lives_and_is_deleted() {
    let pod = Pod::new();
    let server = pod.serve(&["--allow-file-urls"]);
    let script = pod.path("install.sh");
    std::fs::write(&script, "printf 'echo \"got $1\"\\n' > main.sh\n").unwrap();
    let url = format!("file://{}", script.display());
    // As the original client: with POD, with or without http:// and a path.
    let run = |arguments: &[&str]| {
        let address = format!("{}/POD/", server.url().trim_start_matches("http://"));
        Ran::from(pod.command(arguments).env("POD", address).env_remove("POD_DATA_DIR").output().unwrap())
    };
    let made = run(&["newActivity", "greet", &url]);
    assert_eq!((made.code, &json(&made)["activity"]["status"]), (Some(0), &"verifying".into()));
    let taken = run(&["na", "greet", &url]);
    assert_eq!((taken.code, &json(&taken)["error"]), (Some(1), &"The activity name greet already exists".into()));
    until(|| {
        let status = json(&run(&["ga", "greet"]))["activity"]["status"].clone();
        (status == "approved").then_some(status)
    });
    let id = json(&run(&["ne", "greet", "Ada"]))["execution"]["id"].to_string();
    let ended = until(|| {
        let answer = json(&run(&["getExecution", &id]))["execution"].clone();
        (answer["status"] == "finished").then_some(answer)
    });
    assert_eq!(ended["stdout"], "got Ada\n");
    assert_eq!(run(&["ge", &id]).code, Some(1), "its result was handed out");
    assert_eq!(json(&run(&["gae"])), serde_json::json!({}));
    assert_eq!(run(&["te", &id]).code, Some(1));
    assert_eq!(json(&run(&["gw"]))["count"]["totalWorkers"], 1);
    assert_eq!(run(&["np", "p", "minWorkers=1,maxWorkers=2"]).code, Some(0));
    assert_eq!(json(&run(&["ap", "p"]))["name"], "p");
    assert_eq!(json(&run(&["gap"]))["name"], "p");
    assert_eq!(run(&["dp", "p"]).code, Some(0));
    assert_eq!(json(&run(&["gp"]))["policies"].as_array().map(Vec::len), Some(1));
    assert_eq!(run(&["rp"]).code, Some(0));
    assert!(json(&run(&["log", "setup"]))["contents"].is_array());
    assert_eq!(json(&run(&["da", "greet"]))["status"], "uninstalling");
    let gone = run(&["deploy", "--anything"]);
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("pod serve"), "{}", gone.stderr);
}
