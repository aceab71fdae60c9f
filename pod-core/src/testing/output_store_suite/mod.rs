//! What every [`OutputStore`](crate::store::OutputStore) must do, whoever keeps the rows. One line runs all of it, in a
//! test of its own:
//!
//! ```ignore
//! pod_core::output_store_suite!(harness);
//! ```
//!
//! where `harness` is an `async fn() -> Box<dyn Harness>` over an empty output store. That of a [`Store`] is the harness of its
//! suite, [`store_suite::StoreHarness`].
//!
//! [`Store`]: crate::store::Store
//! [`store_suite::StoreHarness`]: super::store_suite::StoreHarness

pub mod cases;
mod harness;

pub use harness::Harness;

/// Makes one test of each case of the suite.
#[macro_export]
macro_rules! output_store_suite {
    ($harness:ident) => {
        $crate::output_store_suite! { @cases $harness;
            small_output_comes_with_the_end, large_output_comes_with_the_end, pieces_join_by_offset,
            a_hole_is_refused, a_tail_leaves_a_gap, a_later_tail_replaces_an_earlier_one,
            a_tail_that_joins_leaves_no_gap, slices_are_limited, what_is_synced_is_told,
            the_order_is_kept_beside_the_output, a_worker_may_write_output_by_itself, output_of_an_ended_attempt_does_not_change,
            attempts_do_not_share_output, nothing_is_known_of_nobody, install_logs_keep_their_end,
            an_open_attempt_goes_on, ended_output_stays, deleted_output_stays_deleted
        }
    };
    (@cases $harness:ident; $($case:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::testing::output_store_suite::cases::$case(&mut *$harness().await).await;
        })+
    };
}
