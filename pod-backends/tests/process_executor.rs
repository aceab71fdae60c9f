//! The process executor against the suites of executors, on this machine and in a container.
#![cfg(all(feature = "local", target_os = "linux"))]

use std::{path::PathBuf, sync::Arc};

use pod_backends::process::ProcessExecutor;
use pod_core::executor::Executor;

async fn open(dir: PathBuf, slots: u32) -> Arc<dyn Executor> {
    Arc::new(ProcessExecutor::open(&dir, slots).await.expect("the directory can be used"))
}

pod_core::process_executor_suite!(open);

mod suite_programs;

/// What every executor must do.
mod contract {
    use async_trait::async_trait;
    use pod_core::{
        domain::Payload,
        testing::executor_suite::{ExecutorDriver, TestProgram},
    };

    use super::{Arc, Executor, PathBuf, suite_programs};

    struct Scripts;

    #[async_trait]
    impl ExecutorDriver for Scripts {
        async fn open(&self, dir: PathBuf, slots: u32) -> Arc<dyn Executor> {
            super::open(dir, slots).await
        }

        fn payload(&self, program: TestProgram) -> Payload {
            suite_programs::payload(program)
        }
    }

    pod_core::executor_suite!(Scripts, prefetch);
}

/// Where the executor of a Docker worker lives: this very program is put into a container of a real engine.
#[cfg(feature = "docker")]
mod in_a_container {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use pod_backends::docker::{HOME, WorkerBinary};

    /// Removes the container when it is dropped.
    struct Container(String);

    impl Drop for Container {
        fn drop(&mut self) {
            let _ = docker(&["rm", "-f", "-v", &self.0], &[]);
        }
    }

    /// Asks the engine by its own client: whether it went well, and all that was said.
    fn docker(arguments: &[&str], input: &[u8]) -> (bool, String) {
        let mut command = Command::new("docker");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client of the engine is installed");
        let mut pipe = child.stdin.take().expect("it is piped");
        pipe.write_all(input).expect("the client reads");
        drop(pipe);
        let output = child.wait_with_output().expect("the client ends");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (output.status.success(), said)
    }

    #[test]
    fn all_of_this_passes_in_a_container_without_a_c_library() {
        let image =
            std::env::var("POD_TEST_IMAGE").expect("POD_TEST_IMAGE names an image of the engine; tests/run makes one");
        let arguments = ["--skip", "in_a_container", "--test-threads=2"];
        let program = WorkerBinary::of_this_process(&arguments).expect("this program's own file");
        let command = program.command();
        let (entry, rest) = command.split_first().expect("a command");
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let create = [&["create", "-v", HOME, "--memory", "512m", "--entrypoint", entry, &image][..], &rest].concat();
        let (created, id) = docker(&create, &[]);
        assert!(created, "{id}");
        let container = Container(id.trim().to_owned());
        let (copied, said) = docker(&["cp", "-", &format!("{}:{HOME}", container.0)], &program.files());
        assert!(copied, "{said}");
        let (passed, said) = docker(&["start", "-a", &container.0], &[]);
        assert!(passed, "{said}");
        let count = said
            .lines()
            .find_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<u32>().ok());
        assert!(count.is_some_and(|count| count > 20), "{said}");
    }
}
