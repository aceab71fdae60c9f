//! What others get on a machine where POD runs: a cell of the table in docs/security.md each. POD itself is not root here.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use pod_tests::{Pod, Server};
use tempfile::TempDir;

/// Whoever POD runs as, and another one. Where the tests are not root, POD runs as who they are, and nobody is another.
const OWNER: u32 = 65_534;
const ANOTHER: u32 = 2_000_000_001;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A place that every user can reach: the binary, and a data directory of the owner.
struct Place {
    pod: Pod,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let pod = Pod::new();
        fs::copy(pod.command(&[]).get_program(), directory.path().join("pod")).unwrap();
        fs::create_dir(directory.path().join("own")).unwrap();
        if is_root() {
            std::os::unix::fs::chown(directory.path().join("own"), Some(OWNER), Some(OWNER)).unwrap();
        }
        Self { pod, directory }
    }

    fn own(&self, name: &str) -> PathBuf {
        self.directory.path().join("own").join(name)
    }

    /// A program of somebody, with nothing of this process's environment.
    fn command(&self, uid: u32, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().current_dir("/").stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.own("home")).env("NO_COLOR", "1");
        command.env("POD_DATA_DIR", self.own("data"));
        if is_root() {
            command.uid(uid).gid(uid);
        }
        command
    }

    /// POD, as its owner runs it.
    fn pod(&self, arguments: &[&str]) -> Command {
        let binary = self.directory.path().join("pod");
        self.command(OWNER, binary.to_str().unwrap(), arguments)
    }

    fn program(&self, main: &str) -> String {
        let directory = self.directory.path().join("program");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("main.sh"), main).unwrap();
        directory.to_str().unwrap().to_owned()
    }

    fn serve(&self, environment: &[(&str, &str)]) -> Server {
        let mut command = self.pod(&["serve", "--listen", "127.0.0.1:0"]);
        command.envs(environment.iter().copied());
        Server::started(command)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        pod_tests::end_all(self.directory.path());
        let _ = &self.pod;
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `curl` gets there: the status, and the answer.
fn curl(place: &Place, uid: u32, url: &str, more: &[&str]) -> (String, String) {
    let mut command = place.command(uid, "curl", &["-s", "-m", "30", "-w", "\n%{http_code}", url]);
    let output = command.args(more).output().expect("curl runs; tests/run installs it");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or_default();
    (status.to_owned(), body.to_owned())
}

#[test]
fn pod_works_as_a_user_that_is_not_root() {
    let place = Place::new();
    let program = place.program("echo \"got $1, $(id -u)\"; echo said >&2\n");
    let ran = place.pod(&["run", &program, "Ada"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran));
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with("got Ada, "), "{}", text(&ran));
    let lines = place.own("lines");
    fs::write(&lines, "1\n2\n3\n").unwrap();
    fs::set_permissions(&lines, fs::Permissions::from_mode(0o644)).unwrap();
    let mapped = place.pod(&["map", &program, lines.to_str().unwrap()]).output().unwrap();
    assert_eq!(mapped.status.code(), Some(0), "{}", text(&mapped));

    let server = place.serve(&[]);
    let ran = place.pod(&["run", "--server", server.url(), &program, "Grace"]).output().unwrap();
    assert!(String::from_utf8_lossy(&ran.stdout).starts_with("got Grace, "), "{}", text(&ran));
    let json = ["-H", "Content-Type: application/json", "-d"];
    let script = "{\"name\":\"slow\",\"script\":\"echo 'sleep 300 & sleep 300' > main.sh\"}";
    let (status, said) =
        curl(&place, OWNER, &format!("{}/api/v1/activities", server.url()), &[&json[..], &[script]].concat());
    assert_eq!(status, "201", "{said}");
    let started = curl(&place, OWNER, &format!("{}/POD/?action=newExecution&name=slow", server.url()), &[]).1;
    let (_, id) = started.split_once("\"id\":").expect("it has an id");
    let id: String = id.chars().take_while(char::is_ascii_digit).collect();
    let ended = place.pod(&["terminate", "--server", server.url(), &id]).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended));
}

#[test]
fn the_same_user_is_the_owner_and_another_one_is_not() {
    let place = Place::new();
    let server = place.serve(&[]);
    let url = format!("{}/POD/?action=getWorkers", server.url());
    let (status, said) = curl(&place, OWNER, &url, &[]);
    assert!(status == "200" && said.contains("workers"), "{status} {said}");
    if is_root() {
        for what in ["/POD/?action=resetPolicies", "/POD/?action=getWorkers", "/api/v1/overview", "/"] {
            let (status, said) = curl(&place, ANOTHER, &format!("{}{what}", server.url()), &[]);
            assert!(status == "403" && said.contains("POD_TOKEN"), "{what}: {status} {said}");
        }
        let denied = place.command(ANOTHER, "ls", &[place.own("data").to_str().unwrap()]).output().unwrap();
        assert!(!denied.status.success() || denied.stdout.is_empty(), "{}", text(&denied));
        let pod = place.directory.path().join("pod");
        let asked = place.command(ANOTHER, pod.to_str().unwrap(), &["ps", "--server", server.url()]).output().unwrap();
        assert!(text(&asked).contains("token"), "{}", text(&asked));
    }
    // Root may.
    let (status, _) = curl(&place, 0, &url, &[]);
    assert_eq!(status, "200");
}

#[test]
fn with_a_token_another_user_who_has_it_is_served() {
    let place = Place::new();
    let server = place.serve(&[("POD_TOKEN", "s3cret-of-all")]);
    let url = format!("{}/POD/?action=getWorkers", server.url());
    assert_eq!(curl(&place, ANOTHER, &url, &["-H", "Authorization: Bearer s3cret-of-all"]).0, "200");
    assert_eq!(curl(&place, ANOTHER, &url, &[]).0, "401");
    assert_eq!(curl(&place, OWNER, &url, &[]).0, "401");
}

#[test]
fn programs_cannot_read_the_secrets_of_manager_and_worker() {
    let place = Place::new();
    let server = place.serve(&[("POD_TOKEN", "s3cret-of-all"), ("POD_WORKER_TOKEN", "w0rker-s3cret")]);
    // Every process that the program finds, of which it tries all that would show a secret, and its own environment.
    let program = place.program(
        "env\n\
         for p in /proc/[0-9]*; do\n\
         cat $p/environ 2>/dev/null | tr '\\0' '\\n'\n\
         case $(readlink $p/exe 2>/dev/null) in */pod) echo \"readable: $p\";; esac\n\
         head -c1 $p/mem 2>/dev/null\n\
         done\n\
         echo looked; exit 0\n",
    );
    let ran =
        place.pod(&["run", "--server", server.url(), &program]).env("POD_TOKEN", "s3cret-of-all").output().unwrap();
    let said = text(&ran);
    assert!(said.contains("looked"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    assert!(!said.contains("readable: "), "{said}");
}

#[test]
fn what_is_kept_is_for_the_owner_alone() {
    let place = Place::new();
    let server = place.serve(&[("POD_TOKEN", "s3cret-of-all")]);
    let signed_in = ["-H", "Content-Type: application/x-www-form-urlencoded", "-d", "token=s3cret-of-all"];
    assert_eq!(curl(&place, OWNER, &format!("{}/login", server.url()), &signed_in).0, "303");
    let program = place.program("head -c 100000 /dev/zero; echo done >&2\n");
    let ran =
        place.pod(&["run", "--server", server.url(), &program]).env("POD_TOKEN", "s3cret-of-all").output().unwrap();
    assert_eq!(ran.status.code(), Some(0));
    let mut names = Vec::new();
    for entry in fs::read_dir(place.own("data")).unwrap().flatten() {
        let (name, metadata) = (entry.file_name().into_string().unwrap(), entry.metadata().unwrap());
        let mode = metadata.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{name} is {mode:o}");
        names.push(name);
    }
    for name in ["pod.db", "sessions", "forms.key", "server.log", "workers", "output"] {
        assert!(names.iter().any(|there| there == name), "{name} is not among {names:?}");
    }
    assert_eq!(fs::metadata(place.own("data")).unwrap().permissions().mode() & 0o077, 0);
}
