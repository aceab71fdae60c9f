//! What every [`Executor`](crate::executor::Executor) must do, whatever it runs: processes, functions, machines elsewhere. A backend
//! runs all of it with one line, in a test of its own:
//!
//! ```ignore
//! pod_core::executor_suite!(Driver::new());            // one that takes nothing ahead
//! pod_core::executor_suite!(Driver::new(), prefetch);  // one whose `prefetch_limit` is two at least
//! ```
//!
//! where the expression is an [`ExecutorDriver`]: it opens executors, and says what the programs of the suite look like there.
//! It waits for events with deadlines, and never for a time. An executor that runs scripts as processes of this machine is held
//! against [`process_executor_suite`](super::process_executor_suite) as well.

mod driver;
mod harness;
pub mod installing;
pub(super) mod observed;
pub mod prefetching;
pub mod running;
pub mod stopping;
pub(super) mod watching;

pub use driver::{ExecutorDriver, TestProgram};
pub use harness::Harness;
pub use watching::Outcome;

/// Makes one test of each case of the suite: of `driver` where nothing is taken ahead, of `driver, prefetch` where it is.
#[macro_export]
macro_rules! executor_suite {
    ($driver:expr) => {
        $crate::executor_suite! { @contract $driver;
            prefetching: nothing_is_taken_ahead;
        }
    };
    ($driver:expr, prefetch) => {
        $crate::executor_suite! { @contract $driver;
            prefetching: who_waits_begins_when_a_slot_is_free, what_waits_can_be_recalled, what_waits_can_be_stopped,
                many_that_wait_run_once_each;
        }
    };
    (@contract $driver:expr; $($more:tt)+) => {
        $crate::executor_suite! { @cases $driver;
            installing: what_is_installed_is_there_until_it_is_removed, a_second_installation_is_as_good,
                what_cannot_be_installed_is_refused_for_good, what_is_not_installed_does_not_start;
            running: it_starts_once_prints_and_ends, codes_are_told, output_is_whole_and_in_order, dropped_calls_lose_nothing,
                as_many_run_at_a_time_as_there_are_slots, slots_are_used_again, a_time_limit_ends_it;
            stopping: a_program_that_is_asked_ends, a_harder_stop_ends_it, a_stop_may_come_at_once,
                a_dropped_run_gives_its_slot_back, one_that_has_ended_may_be_stopped;
            $($more)+
        }
    };
    (@cases $driver:expr; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            #[allow(unused_imports, reason = "what the expression for the driver names")]
            use super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                let driver = ::std::sync::Arc::new($driver);
                $crate::testing::executor_suite::$module::$case(
                    &$crate::testing::executor_suite::Harness::open(driver).await,
                )
                .await;
            })+
        })+
    };
}
