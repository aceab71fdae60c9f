//! A small disk of its own under the data directory of one command, as far as the process that runs the test may make
//! one. It is mounted where nobody else sees it and goes with the last process that does.

use std::{path::PathBuf, process::Command};

use crate::{
    Pod, Ran, Server,
    binary::{after, same_surroundings},
};

impl Pod {
    /// The shell's part of it: mounts, and puts so much on the disk that nothing is for POD.
    fn mount(&self, mebibytes: u32, ballast: u32) -> String {
        let data = self.data();
        std::fs::create_dir_all(&data).expect("a directory can be made");
        let data = data.display();
        format!(
            "mount -t tmpfs -o size={mebibytes}m tmpfs '{data}' && {{ [ {ballast} = 0 ] || \
             head -c {ballast}M /dev/zero > '{data}/ballast' 2>/dev/null || true; }}"
        )
    }

    /// Whether this process may mount; says so on stderr when it may not.
    #[must_use]
    pub fn may_mount(&self) -> bool {
        let mounted = apart(&after(&self.mount(1, 0), &Command::new("true"))).status();
        let may = mounted.is_ok_and(|status| status.success());
        if !may {
            eprintln!("skipped: only a privileged user can make a small disk");
        }
        may
    }

    /// Runs a command to its end with a data directory of so many MiB, of which the ballast takes some.
    ///
    /// # Panics
    ///
    /// Where the binary is missing.
    #[must_use]
    pub fn run_on_small_disk(&self, mebibytes: u32, ballast: u32, arguments: &[&str]) -> Ran {
        let command = apart(&after(&self.mount(mebibytes, ballast), &self.command(arguments))).output();
        command.map(Ran::from).expect("the pod binary runs")
    }

    /// Starts a manager on a data directory of so many MiB.
    ///
    /// # Panics
    ///
    /// When it does not listen in time; with what it said.
    #[must_use]
    pub fn serve_on_small_disk(&self, mebibytes: u32, arguments: &[&str]) -> Server {
        let command = self.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
        Server::start(apart(&after(&self.mount(mebibytes, 0), &command)))
    }

    /// A path in the data directory as that manager sees it.
    #[must_use]
    pub fn path_on_disk_of(&self, server: &Server, name: &str) -> PathBuf {
        let data = self.data().join(name);
        PathBuf::from(format!("/proc/{}/root{}", server.pid(), data.display()))
    }
}

/// The same command where what it mounts is seen by nobody else.
fn apart(command: &Command) -> Command {
    let mut apart = Command::new("unshare");
    apart.arg("--mount").arg(command.get_program()).args(command.get_args());
    same_surroundings(command, apart)
}
