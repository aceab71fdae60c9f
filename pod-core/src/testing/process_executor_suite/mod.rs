//! What an [`Executor`](crate::executor::Executor) must do that runs scripts as processes of this machine, beside what
//! [every one](super::executor_suite) does. A backend runs all of it with one line, in a test of its own:
//!
//! ```ignore
//! pod_core::process_executor_suite!(open);
//! ```
//!
//! where `open` is an `async fn(PathBuf, u32) -> Arc<dyn Executor>` that opens an executor on a directory with so many
//! slots. Called again with a directory whose executor was shut down, it opens what that one left.
//!
//! Programs tell their process ids, by which the suite sees that they are gone, so it must share a process table with
//! what it tests. It waits for events with deadlines, and never for a time.

pub mod ends;
mod harness;
pub mod installing;
pub mod output;
pub mod scripts;
pub mod stopping;
pub mod trees;
pub mod waiting;
pub mod workdirs;

pub use harness::Harness;

/// Makes one test of each case of the suite.
#[macro_export]
macro_rules! process_executor_suite {
    ($open:ident) => {
        $crate::process_executor_suite! { @cases $open;
            installing: an_installation_lasts_until_it_is_removed,
                an_unknown_installation_does_not_start, a_second_installation_replaces_the_first,
                its_output_streams, a_failing_script_tells_its_code_and_its_last_lines,
                a_script_without_main_sh_fails, a_main_sh_that_is_no_file_fails, carriage_returns_do_not_matter,
                a_text_without_a_shebang_runs_with_sh, a_binary_is_left_alone, an_installation_has_a_time_limit,
                background_processes_of_a_script_are_ended, a_dropped_installation_ends,
                the_environment_reaches_the_script, nobody_needs_to_read_its_output;
            scripts: a_payload_behind_a_program_is_not_touched,
                a_payload_behind_an_installation_script_is_not_touched, wanted_carriage_returns_stay,
                a_file_with_another_name_is_not_touched, the_mark_of_an_editor_does_not_matter,
                text_that_no_interpreter_reads_is_refused, line_ends_of_both_kinds_are_named;
            output: both_streams_are_byte_exact, a_flood_on_stderr_comes_before_stdout, output_comes_while_it_runs,
                a_slow_reader_loses_nothing, dropped_calls_lose_nothing,
                output_is_written_into_a_file_as_far_as_it_may_be, another_file_is_not_written, a_filter_of_its_own_prints_to_its_end,
                a_filter_that_does_not_end_is_ended;
            ends: codes_are_told, signals_are_told, the_input_is_the_argument,
                a_long_input_comes_as_a_file, the_environment_is_small, standard_input_is_empty,
                a_missing_interpreter_is_named, a_time_limit_ends_it, slots_are_used_again;
            stopping: terminate_lets_it_clean_up, terminate_kills_what_ignores_it, a_harder_stop_shortens_the_grace,
                a_stop_may_come_at_once, a_stop_reaches_a_flood_that_nobody_reads,
                a_dropped_run_is_killed, shutdown_leaves_nothing;
            trees: escapees_end_with_the_program, escapees_end_when_it_is_terminated,
                escapees_end_with_the_time_limit, a_child_that_holds_the_pipe_does_not_hold_the_end,
                a_fork_storm_ends, the_neighbour_notices_nothing;
            waiting: who_waits_begins_when_a_slot_is_free, nobody_waits_for_a_long_run_while_another_slot_is_free,
                many_that_wait_run_once_each, what_waits_can_be_recalled, what_waits_can_be_stopped;
            workdirs: each_execution_sees_what_is_its_own, what_was_installed_is_there_under_its_name,
                its_places_are_inside_and_short, a_program_may_do_anything_to_its_directory, nothing_is_left_behind,
                a_copy_may_be_written, what_is_shared_stays, a_write_through_a_link,
                an_installation_that_was_made_again_is_found, many_activities_take_turns;
        }
    };
    (@cases $open:ident; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                $crate::testing::process_executor_suite::$module::$case(
                    &$crate::testing::process_executor_suite::Harness::open(|dir, slots| ::std::boxed::Box::pin(super::$open(dir, slots))).await,
                )
                .await;
            })+
        })+
    };
}
