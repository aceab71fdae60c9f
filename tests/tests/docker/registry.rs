//! A registry of images as small as one can be, on this machine, whose answers a test decides.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::engine::{docker, image};

/// What becomes of a layer that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    /// One half, and the rest when [`Registry::go_on`] was called.
    Slowly,
    /// An error.
    NoLayers,
}

/// A registry that holds one image, `pod-test:1`, which is one of `tests/run` with something added: the engine has not
/// seen it before. Dropping it removes the image from the engine.
#[derive(Debug)]
pub(crate) struct Registry {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    serves: Serves,
    blobs: Vec<(String, Vec<u8>)>,
    manifest: String,
    may_go_on: AtomicUsize,
    layers_asked_for: AtomicUsize,
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

impl Registry {
    pub(crate) fn start(scratch: &Path, serves: Serves) -> Self {
        fs::create_dir_all(scratch).expect("a directory");
        let layer = layer(scratch);
        let digest = sha256(scratch, &layer);
        let machine = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
        let config = json!({
            "architecture": machine, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest] }
        });
        let config = config.to_string().into_bytes();
        let config_digest = sha256(scratch, &config);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(), "digest": config_digest
            },
            "layers": [{
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.len(), "digest": digest
            }]
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            serves,
            blobs: vec![(config_digest, config), (digest, layer)],
            manifest: manifest.to_string(),
            may_go_on: AtomicUsize::new(0),
            layers_asked_for: AtomicUsize::new(0),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { port, shared }
    }

    /// The name of an image in this registry; only `1` is there.
    pub(crate) fn image(&self, tag: &str) -> String {
        format!("127.0.0.1:{}/pod-test:{tag}", self.port)
    }

    pub(crate) fn go_on(&self) {
        self.shared.may_go_on.store(1, Ordering::SeqCst);
    }

    /// How often a layer was asked for.
    pub(crate) fn layers_asked_for(&self) -> usize {
        self.shared.layers_asked_for.load(Ordering::SeqCst)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.go_on();
        // An image that a container uses would only lose its name.
        let (image, filter) = (self.image("1"), format!("ancestor={}", self.image("1")));
        for container in docker(&["ps", "-aq", "--filter", &filter]).unwrap_or_default().lines() {
            let _ = docker(&["rm", "-f", "-v", container]);
        }
        let _ = docker(&["rmi", "-f", &image]);
    }
}

/// A root in which programs can run, and some megabytes that nobody has seen before.
fn layer(scratch: &Path) -> Vec<u8> {
    let tar = scratch.join("layer.tar");
    let (tar, extra) = (tar.display().to_string(), scratch.join("extra"));
    let container = docker(&["create", &image(), "bash"]).expect("a container");
    docker(&["export", "-o", &tar, container.trim()]).expect("its files");
    docker(&["rm", container.trim()]).expect("removed");
    let random = Command::new("head").args(["-c", "6000000", "/dev/urandom"]).output().expect("head is installed");
    fs::write(extra, random.stdout).expect("a file");
    let added = Command::new("tar").args(["rf", &tar, "-C"]).arg(scratch).arg("extra").status();
    assert!(added.expect("tar is installed").success());
    fs::read(tar).expect("the layer")
}

fn sha256(scratch: &Path, content: &[u8]) -> String {
    let path = scratch.join("content");
    fs::write(&path, content).expect("a file");
    let output = Command::new("sha256sum").arg(path).output().expect("sha256sum is installed");
    let text = String::from_utf8(output.stdout).expect("text");
    format!("sha256:{}", text.split(' ').next().expect("a sum"))
}

impl Shared {
    /// Requests one after another, until the engine goes.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut stream = stream;
        loop {
            let mut request = String::new();
            loop {
                let mut line = String::new();
                if !reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                    return;
                }
                if line == "\r\n" {
                    break;
                }
                request += &line;
            }
            let mut words = request.split(' ');
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if self.answer(&mut stream, method, path).is_err() {
                return;
            }
        }
    }

    fn answer(&self, stream: &mut TcpStream, method: &str, path: &str) -> std::io::Result<()> {
        let (status, kind, body): (&str, &str, &[u8]) = if path == "/v2/" {
            ("200 OK", "application/json", b"{}")
        } else if path.contains("/manifests/sha256:") || path.ends_with("/manifests/1") {
            ("200 OK", MANIFEST, self.manifest.as_bytes())
        } else if let Some((digest, blob)) = self.blobs.iter().find(|(digest, _)| path.ends_with(digest)) {
            let is_layer = *digest == self.blobs[1].0;
            if is_layer {
                self.layers_asked_for.fetch_add(1, Ordering::SeqCst);
            }
            if is_layer && self.serves == Serves::NoLayers {
                let body = br#"{"errors":[{"code":"DENIED","message":"this layer is not for you"}]}"#;
                ("403 Forbidden", "application/json", body)
            } else {
                ("200 OK", "application/octet-stream", blob)
            }
        } else {
            (
                "404 Not Found",
                "application/json",
                br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#,
            )
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len())?;
        if method == "HEAD" {
            return Ok(());
        }
        let (first, rest) = body.split_at(body.len() / 2);
        stream.write_all(first)?;
        // Only what is large takes its time.
        while body.len() > 1_000_000 && self.may_go_on.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
        stream.write_all(rest)
    }
}
