//! Executions in containers of their own, against the suites of executors: against all of them that does not look at
//! the processes of this machine, where those of containers have other numbers, and does not run thousands.
//! `tests/tests/docker` sees to the rest.

#![cfg(all(feature = "docker", target_os = "linux"))]

use std::{path::PathBuf, process::Command, sync::Arc};

use pod_backends::docker::{ContainerExecutor, DockerSettings, Mount, MountSource};
use pod_core::{
    domain::{Payload, StoreId, WorkerId},
    executor::Executor,
    testing::{
        executor_suite,
        process_executor_suite::{Harness, ends, installing, output, stopping, trees, workdirs},
    },
};
use uuid::Uuid;

/// Whether the root of a container can be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadOnly {
    Yes,
    No,
}

/// The store of these executors; what it leaves on the engine is removed when it is dropped.
struct Store(StoreId);

impl Store {
    async fn open(store: StoreId, dir: PathBuf, slots: u32) -> Arc<dyn Executor> {
        Self::open_with(store, dir, slots, ReadOnly::No).await
    }

    async fn open_with(store: StoreId, dir: PathBuf, slots: u32, read_only: ReadOnly) -> Arc<dyn Executor> {
        std::fs::create_dir_all(&dir).expect("a directory");
        let outer = dir.parent().expect("it lies in the test's").to_owned();
        let mut settings = DockerSettings::of_image(image());
        settings.read_only = read_only == ReadOnly::Yes;
        // Where programs leave word for the test.
        settings.mounts.push(Mount { source: MountSource::Path(outer.clone()), target: outer, read_only: false });
        let executor = ContainerExecutor::open(&dir, settings, store, WorkerId(1), slots).await;
        Arc::new(executor.expect("an engine answers"))
    }

    async fn rig(&self) -> Harness {
        let store = self.0;
        Harness::open(move |dir, slots| Box::pin(Self::open(store, dir, slots))).await
    }

    fn remove(&self, list: &[&str], remove: &[&str]) {
        let filter = format!("label=pod.store={}", self.0);
        let listed = Command::new("docker").args(list).args(["-q", "--filter", &filter]).output();
        let listed = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned()).unwrap_or_default();
        if !listed.trim().is_empty() {
            let _ = Command::new("docker").args(remove).args(listed.split_whitespace()).output();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.remove(&["ps", "-a"], &["rm", "-f", "-v"]);
        self.remove(&["images"], &["rmi", "-f"]);
    }
}

fn image() -> String {
    std::env::var("POD_TEST_IMAGE").expect("POD_TEST_IMAGE names an image of the engine; tests/run makes one")
}

/// One test of each case.
macro_rules! cases {
    ($rig:ident; $($module:ident: $($case:ident),+;)+) => {
        $($(#[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            let store = Store(StoreId(Uuid::new_v4()));
            $module::$case(&store.$rig().await).await;
        })+)+
    };
}

cases! { rig;
    installing: an_installation_lasts_until_it_is_removed, an_unknown_installation_does_not_start,
        a_second_installation_replaces_the_first, its_output_streams,
        a_failing_script_tells_its_code_and_its_last_lines, a_script_without_main_sh_fails,
        a_main_sh_that_is_no_file_fails, carriage_returns_do_not_matter, a_text_without_a_shebang_runs_with_sh,
        a_binary_is_left_alone, the_environment_reaches_the_script, nobody_needs_to_read_its_output;
    output: both_streams_are_byte_exact, a_flood_on_stderr_comes_before_stdout, output_comes_while_it_runs,
        a_slow_reader_loses_nothing, dropped_calls_lose_nothing;
    ends: codes_are_told, signals_are_told, the_input_is_the_argument, a_long_input_comes_as_a_file,
        standard_input_is_empty;
    stopping: a_stop_may_come_at_once;
    trees: a_fork_storm_ends;
    workdirs: each_execution_sees_what_is_its_own, what_was_installed_is_there_under_its_name,
        its_places_are_inside_and_short, a_copy_may_be_written;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_directory_can_be_written_where_nothing_else_can() {
    let store = Store(StoreId(Uuid::new_v4()));
    let id = store.0;
    let rig = Harness::open(move |dir, slots| Box::pin(Store::open_with(id, dir, slots, ReadOnly::Yes))).await;
    workdirs::what_was_installed_is_there_under_its_name(&rig).await;
    workdirs::its_places_are_inside_and_short(&rig).await;
    workdirs::a_copy_may_be_written(&rig).await;
}

mod suite_programs;

/// What every executor must do.
mod contract {
    use async_trait::async_trait;
    use executor_suite::{ExecutorDriver, Harness, TestProgram, installing, running, stopping};

    use super::*;

    struct Containers(StoreId);

    #[async_trait]
    impl ExecutorDriver for Containers {
        async fn open(&self, dir: PathBuf, slots: u32) -> Arc<dyn Executor> {
            Store::open(self.0, dir, slots).await
        }

        fn payload(&self, program: TestProgram) -> Payload {
            suite_programs::payload(program)
        }
    }

    impl Store {
        async fn contract(&self) -> Harness {
            Harness::open(Arc::new(Containers(self.0))).await
        }
    }

    cases! { contract;
        installing: what_is_installed_is_there_until_it_is_removed, a_second_installation_is_as_good,
            what_cannot_be_installed_is_refused_for_good, what_is_not_installed_does_not_start;
        running: it_starts_once_prints_and_ends, codes_are_told, output_is_whole_and_in_order, dropped_calls_lose_nothing,
            as_many_run_at_a_time_as_there_are_slots, a_time_limit_ends_it;
        stopping: a_program_that_is_asked_ends, a_harder_stop_ends_it, a_stop_may_come_at_once,
            a_dropped_run_gives_its_slot_back, one_that_has_ended_may_be_stopped;
    }
}
