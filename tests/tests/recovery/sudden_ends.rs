//! `kill -9` at seeded random moments, while executions are submitted and run.

use std::{
    collections::BTreeMap,
    fs,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use pod_tests::{Pod, Server, signal};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{client, descendants, seed::Random};

const EXECUTIONS: usize = 2000;
const SLOTS: &str = "3";

#[derive(Clone, Copy, Debug)]
enum Victim {
    Manager,
    Worker,
    Spawner,
}

/// Whatever dies, each acknowledged execution concludes, once, with exactly what its program prints. An execution is
/// given up after three lost attempts, so two may be lost here and no more.
#[test]
fn slow_every_acknowledged_execution_concludes_once_whatever_is_killed() {
    use Victim::{Manager, Spawner, Worker};
    let stage = Stage::new();
    stage.run(&[Manager, Worker, Manager, Spawner, Manager, Worker, Spawner, Manager]);
}

/// Workers outlive their manager, and it takes over what they run.
#[test]
fn slow_only_the_manager_killed_makes_nothing_run_twice() {
    let stage = Stage::new();
    let executions = stage.run(&[Victim::Manager; 8]);
    let ran = fs::read_to_string(stage.ran()).expect("the programs wrote down that they ran");
    let mut times = BTreeMap::new();
    for id in ran.lines().filter_map(|line| line.parse::<u64>().ok()) {
        *times.entry(id).or_insert(0) += 1;
    }
    for (id, _) in executions {
        assert_eq!(times.get(&id), Some(&1), "how often execution {id} ran");
    }
}

/// A manager that is killed and started again, always on another port.
struct Stage {
    pod: Pod,
    server: Mutex<Option<Server>>,
    url: Mutex<String>,
}

impl Stage {
    fn new() -> Self {
        let pod = Pod::new();
        let server = pod.serve(&["--slots", SLOTS]);
        let url = Mutex::new(server.url().to_owned());
        Self { pod, server: Mutex::new(Some(server)), url }
    }

    fn ran(&self) -> std::path::PathBuf {
        self.pod.data().with_file_name("ran")
    }

    fn url(&self) -> String {
        self.url.lock().expect("no thread panicked").clone()
    }

    fn run(&self, victims: &[Victim]) -> Vec<(u64, String)> {
        let ran = self.ran();
        let main = format!(
            "echo \"$POD_EXECUTION_ID\" >> '{}'\necho \"begin $1\"\necho \"aside $1\" >&2\nsleep 0.02\necho \"end $1\"",
            ran.display()
        );
        client::register(&self.url(), "a", &main, json!({}));
        let executions = thread::scope(|scope| {
            let killer = scope.spawn(|| self.kill(victims));
            let executions = self.submit();
            killer.join().expect("all are killed");
            executions
        });
        self.check(&executions);
        executions
    }

    fn kill(&self, victims: &[Victim]) {
        let mut random = Random::seeded();
        let data = self.pod.data().to_string_lossy().into_owned();
        for victim in victims {
            // The randomness is what is tested: nothing is waited for here.
            thread::sleep(Duration::from_millis(random.below(700)));
            match victim {
                Victim::Manager => {
                    self.server.lock().expect("no thread panicked").take().expect("it runs").kill();
                    thread::sleep(Duration::from_millis(random.below(300)));
                    let server = self.pod.serve(&["--slots", SLOTS]);
                    *self.url.lock().expect("no thread panicked") = server.url().to_owned();
                    *self.server.lock().expect("no thread panicked") = Some(server);
                }
                Victim::Worker => kill_one(&mut random, || descendants::workers(&data)),
                Victim::Spawner => kill_one(&mut random, || descendants::spawners(&data)),
            }
        }
    }

    /// Submits singly and in batches; each until it is acknowledged. The key makes that safe: an answer may be lost.
    fn submit(&self) -> Vec<(u64, String)> {
        let mut executions = Vec::new();
        let mut request = 0;
        while executions.len() < EXECUTIONS {
            request += 1;
            let count = if request % 4 == 0 { 25.min(EXECUTIONS - executions.len()) } else { 1 };
            let inputs: Vec<String> = (0..count).map(|number| (executions.len() + number).to_string()).collect();
            let (path, body) = match count {
                1 => ("/api/v1/executions", json!({ "activity": "a", "input": inputs[0] })),
                _ => ("/api/v1/executions/batch", json!({ "activity": "a", "inputs": inputs })),
            };
            let answer = self.acknowledged(path, &body, &format!("Idempotency-Key: request-{request}\r\n"));
            let ids: Vec<u64> = match answer["ids"].as_array() {
                Some(ids) => ids.iter().filter_map(Value::as_u64).collect(),
                None => answer["id"].as_u64().into_iter().collect(),
            };
            assert_eq!(ids.len(), inputs.len(), "{answer}");
            executions.extend(ids.into_iter().zip(inputs));
        }
        executions
    }

    fn acknowledged(&self, path: &str, body: &Value, key: &str) -> Value {
        let deadline = Instant::now() + client::HANGS;
        loop {
            let answer = client::ask(&self.url(), "POST", path, key, &body.to_string());
            match answer {
                Ok(answer) if answer.status == 201 || answer.status == 200 => return answer.json(),
                Ok(answer) => assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body)),
                Err(_) => {}
            }
            assert!(Instant::now() < deadline, "no manager takes {body}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn check(&self, executions: &[(u64, String)]) {
        let url = self.url();
        for (id, input) in executions {
            let ended = client::ended(&url, *id);
            assert_eq!((&ended["status"], &ended["exitCode"]), (&json!("finished"), &json!(0)), "{ended}");
            let output = String::from_utf8_lossy(&client::stdout(&url, *id).body).into_owned();
            assert_eq!(output, format!("begin {input}\nend {input}\n"), "{ended}");
        }
        let mut listed: Vec<u64> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = client::get(&url, &format!("/api/v1/executions?limit=1000{cursor}")).json();
            listed.extend(page["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_u64()));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let mut acknowledged: Vec<u64> = executions.iter().map(|(id, _)| *id).collect();
        listed.sort_unstable();
        acknowledged.sort_unstable();
        assert_eq!(listed, acknowledged, "what was acknowledged is what there is");
        for (id, times) in client::conclusions(&url, executions.len()) {
            assert_eq!(times, 1, "execution {id} concluded {times} times");
        }
    }
}

fn kill_one(random: &mut Random, candidates: impl Fn() -> Vec<u32>) {
    let deadline = Instant::now() + client::HANGS;
    loop {
        let found = candidates();
        if !found.is_empty() {
            let index = usize::try_from(random.below(found.len() as u64)).unwrap_or_default();
            return signal(found[index], Signal::KILL);
        }
        assert!(Instant::now() < deadline, "there is none to be killed");
        thread::sleep(Duration::from_millis(10));
    }
}
