//! A real nginx before a manager, with a configuration of its own: its defaults, and the lines that a test gives.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::server::until;

/// Whether it speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// With a certificate that it signed itself.
    On,
    /// It does not.
    Off,
}

/// An nginx that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Nginx {
    child: Child,
    address: String,
    tls: Tls,
    _directory: TempDir,
}

impl Nginx {
    /// Starts one on a free port. `locations` is what is within its `server`.
    ///
    /// # Panics
    ///
    /// When it does not listen in time.
    #[must_use]
    pub fn start(tls: Tls, locations: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let at = |name: &str| directory.path().join(name).display().to_string();
        // The port is free until nginx takes it: nobody else of these tests asks for one at the same time.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("a port is free").to_string();
        let (listen, certificate) = match tls {
            Tls::Off => (address.clone(), String::new()),
            Tls::On => {
                let (key, certificate) = (at("key.pem"), at("certificate.pem"));
                let made = Command::new("openssl")
                    .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
                    .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
                    .args(["-keyout", &key, "-out", &certificate])
                    .stderr(Stdio::null())
                    .status();
                assert!(made.expect("openssl runs; tests/run installs it").success(), "there is no certificate");
                (format!("{address} ssl"), format!("ssl_certificate {certificate}; ssl_certificate_key {key};"))
            }
        };
        // As root it would give its directories to another user.
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {};\n", at(name)))
            .collect();
        let configuration = format!(
            "{user}\ndaemon off;\nmaster_process off;\npid {};\nerror_log {} warn;\nevents {{}}\nhttp {{\naccess_log off;\n\
             {temporary}\nserver {{\nlisten {listen};\n{certificate}\n{locations}\n}}\n}}\n",
            at("pid"),
            at("errors"),
        );
        fs::write(at("nginx.conf"), configuration).expect("a file can be written");
        let child = Command::new("nginx")
            .args(["-e", &at("errors"), "-p", &at(""), "-c", &at("nginx.conf")])
            .stdin(Stdio::null())
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .spawn()
            .expect("nginx runs; tests/run installs it");
        until("nginx listens", || TcpStream::connect(&address).is_ok());
        Self { child, address, tls, _directory: directory }
    }

    /// Where it answers: `http://127.0.0.1:PORT`, or with `https`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls == Tls::On { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Its host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
