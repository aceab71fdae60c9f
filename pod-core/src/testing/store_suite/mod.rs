//! What every [`Store`](crate::store::Store) must do. A backend runs all of it with one line, in a test of its own:
//!
//! ```ignore
//! pod_core::store_suite!(open);
//! ```
//!
//! where `open` is an `async fn(PathBuf) -> Arc<dyn Store>` that opens the store of a directory. Called again with the
//! directory of a store that was dropped, it opens what that one left, as a restarted manager would.
//!
//! A store passes [`output_store_suite`](super::output_store_suite) as well.

pub mod commits;
pub mod contradictions;
pub mod engine;
mod harness;
pub mod lease;
pub mod lists;
pub mod output;
pub mod queue;
pub mod random;
pub mod restarts;
mod rows;
mod wrapper;

pub use harness::StoreHarness;
pub use wrapper::passes_through;

/// Makes one test of each case of the suite.
#[macro_export]
macro_rules! store_suite {
    ($open:ident) => {
        $crate::store_suite! { @cases $open;
            commits: a_batch_is_all_or_nothing, a_repeated_batch_is_not_applied_again, an_older_epoch_is_fenced,
                a_lifecycle_in_one_batch, a_recalled_attempt_is_gone_and_its_number_free, the_snapshot_holds_what_was_committed,
                revisions_keep_their_tallies, revisions_share_a_payload,
                a_deleted_activity_leaves_its_name_and_executions, deleting_executions_takes_all_of_them_along,
                a_key_is_kept_as_long_as_anything_that_it_stands_for,
                ids_are_never_used_again, texts_come_back_as_they_were, why_it_was_given_up_comes_back, large_inputs_and_payloads_come_back,
                readers_see_whole_batches, a_dropped_commit_is_finished, the_clocks_are_those_of_the_last_batch;
            lease: another_holder_is_told_who_holds_it, the_holder_come_back_acquires_at_once, an_expired_lease_is_anyone_s,
                a_renewed_lease_lasts, a_renewal_revives_what_nobody_took, a_released_lease_is_anyone_s,
                only_the_newest_epoch_is_renewed_and_released, a_lease_outlives_the_process, commits_do_not_ask_for_time;
            contradictions: a_second_open_attempt, ending_what_is_not_open, starting_what_is_not_open, retrieving_twice,
                retrieving_what_has_not_ended, changing_what_has_ended, changing_what_is_not_there,
                deleting_what_has_not_ended, two_activities_of_one_name, two_policies_of_one_name,
                activating_an_unknown_policy, inserting_twice, opening_for_nobody, an_idempotency_key_used_twice,
                an_epoch_that_nobody_acquired, an_event_that_was_told_before;
            queue: claims_are_in_order_and_say_what_is_next, a_claim_goes_on_after_a_key, a_claim_takes_only_what_is_due,
                activities_have_queues_of_their_own, revisions_have_queues_of_their_own, the_queue_follows_the_status;
            lists: executions_by_every_filter, executions_are_counted, executions_between_bounds, attempts_are_oldest_first,
                idempotency_tells_the_request, notes_tell_what_a_request_did, events_before_a_number, minutes_are_kept_for_a_day,
                events_after_a_number, decisions_are_newest_first, expired_are_oldest_first,
                a_span_of_time_is_told_by_the_executions_own_moments;
            output: attempts_tell_their_output, only_open_attempts_take_output, install_logs_go_with_what_they_are_of;
            restarts: an_open_attempt_goes_on, ended_output_stays, what_was_committed_stays,
                a_lost_answer_is_settled_after_a_restart, deleted_output_stays_deleted;
            engine: both_handles_are_of_one_store;
            random: agrees_with_the_specification;
        }
    };
    (@cases $open:ident; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::testing::store_suite::$module::$case(
                    &mut $crate::testing::store_suite::StoreHarness::open(|dir| ::std::boxed::Box::pin(super::$open(dir))).await,
                )
                .await;
            })+
        })+
    };
}
