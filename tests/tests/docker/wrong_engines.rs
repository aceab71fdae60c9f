//! No engine, one that is not for us, and what is none: a sentence on the command line.

use std::{
    fs::{self, Permissions},
    net::{TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixListener, process::CommandExt},
    process::{Command, Output},
};

use crate::{engine::Contained, proxy::engine_port};

const NOBODY: u32 = 65534;

/// What is said to whoever wants something run, and to whoever starts a manager, there.
fn refusals(host: &str) -> [String; 2] {
    let pods = [Contained::new(), Contained::new()];
    let program = pods[0].program("hello", "echo hello\n");
    let run = pods[0].spawn(&["run", "--backend", "docker", &program], &[("DOCKER_HOST", host)]);
    let serve = pods[1].spawn(&["serve", "--backend", "docker", "--listen", "127.0.0.1:0"], &[("DOCKER_HOST", host)]);
    [run, serve].map(|command| {
        let ran = command.finish();
        assert_eq!((ran.code, &*ran.stdout), (Some(1), ""), "{host}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{host}: {}", ran.stderr);
        ran.stderr
    })
}

#[test]
fn where_no_engine_is_the_command_line_says_what_to_do() {
    let pages = TcpListener::bind("127.0.0.1:0").expect("a port");
    let page = format!("tcp://{}", pages.local_addr().expect("its number"));
    std::thread::spawn(move || pages.incoming().flatten().for_each(answer_with_a_page));
    let scheme = "which is not unix://PATH, tcp://HOST:PORT or https://HOST:PORT";
    for (host, expected) in [
        ("unix:///nowhere/docker.sock", "no container engine answers at unix:///nowhere/docker.sock; start it"),
        ("unix:///etc/passwd", "no container engine answers at unix:///etc/passwd; start it"),
        ("tcp://127.0.0.1:9", "no container engine answers at tcp://127.0.0.1:9; start it there"),
        ("ftp://x", scheme),
        ("nonsense", scheme),
        ("tcp://", scheme),
        ("tcp://127.0.0.1:port", scheme),
        (&page, "is not a container engine; name one with DOCKER_HOST"),
    ] {
        for said in refusals(host) {
            assert!(said.contains(expected), "{host}: {said}");
        }
    }
}

fn answer_with_a_page(mut stream: TcpStream) {
    use std::io::{Read, Write};
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 20\r\n\r\n<html>\nno\nno\n</html>");
}

#[test]
fn an_engine_that_is_too_old_is_told_to_be_upgraded() {
    let host = format!("tcp://127.0.0.1:{}", engine_port(say_an_older_version));
    for said in refusals(&host) {
        let expected =
            format!("the container engine at {host} is too old: it speaks version 1.40 of its API and 1.41 is");
        assert!(said.contains(&expected) && said.contains("upgrade it"), "{said}");
    }
}

/// Of the same length as the true one.
fn say_an_older_version(answer: &mut [u8]) {
    let name = b"\"ApiVersion\":\"";
    let at: Vec<usize> =
        answer.windows(name.len()).enumerate().filter(|(_, found)| found == name).map(|at| at.0).collect();
    for start in at {
        answer[start + name.len()..][..4].copy_from_slice(b"1.40");
    }
}

#[test]
fn slow_an_engine_that_never_answers_is_given_up() {
    // Connections are made, and nobody takes them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    for said in refusals(&format!("tcp://{}", silent.local_addr().expect("its number"))) {
        assert!(said.contains("does not answer; see whether it does to docker version"), "{said}");
    }
}

#[test]
fn who_may_not_use_the_engine_is_told_what_to_do() {
    // Where everybody gets to, so that nothing but the socket is in the way.
    let place = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().expect("a directory");
    let [socket, program, data] = ["engine.sock", "pod", "data"].map(|name| place.path().join(name));
    let _listener = UnixListener::bind(&socket).expect("a socket");
    fs::set_permissions(&socket, Permissions::from_mode(0o000)).expect("it is ours");
    let pod = Contained::new();
    let hello = pod.program("hello", "echo hello\n");
    fs::copy(pod.command(&[]).get_program(), &program).expect("the binary is there");
    fs::create_dir(&data).expect("a directory");
    let mut command = Command::new(&program);
    command.args(["run", "--backend", "docker", &hello]).current_dir(place.path());
    command.env("POD_DATA_DIR", &data).env("DOCKER_HOST", format!("unix://{}", socket.display()));
    // For root no socket is closed.
    if fs::metadata("/proc/self").is_ok_and(|this| std::os::unix::fs::MetadataExt::uid(&this) == 0) {
        std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).expect("root may");
        command.uid(NOBODY).gid(NOBODY);
    }
    let Output { status, stdout, stderr } = command.output().expect("the binary runs");
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!((status.code(), &*stdout), (Some(1), &b""[..]), "{said}");
    assert!(
        said.contains("this user may not use the container engine at unix://") && said.contains("group docker"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}
