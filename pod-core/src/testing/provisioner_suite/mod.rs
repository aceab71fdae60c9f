//! What every [`Provisioner`](crate::provisioner::Provisioner) must do. A backend runs all of it with one line:
//!
//! ```ignore
//! pod_core::provisioner_suite!(backend);
//! pod_core::provisioner_suite!(backend, work = Arc::new(Functions), workers = temporary);
//! ```
//!
//! where `backend` is a `fn(&Path) -> Box<dyn Backend>` that makes a backend, on a directory where it needs one. Made again with
//! a directory whose backend was shut down, it goes on with what that one left. The suite plays the engine: it takes the
//! links of the workers. It waits for events with deadlines, and never for a time.
//!
//! What workers are given to do is a process that sleeps, which is looked for on this machine. Where workers run something
//! else, or elsewhere, `work` says what, and how it is seen: it is a [`Work`]. Workers that are `temporary` end with their
//! manager and leave nothing; others are taken on by the next one.

pub mod creating;
pub mod destroying;
mod harness;
pub mod restarting;
mod work;

pub use harness::{Harness, TestWorker};
pub use work::{SleepingProcess, Work, dies, is_alive};

/// Makes one test of each case of the suite.
#[macro_export]
macro_rules! provisioner_suite {
    ($backend:ident) => {
        $crate::provisioner_suite! { @contract $backend,
            ::std::sync::Arc::new($crate::testing::provisioner_suite::SleepingProcess);
            restarting: workers_are_taken_on_by_the_next_manager, workers_of_another_store_are_ended_and_not_listed;
        }
    };
    ($backend:ident, work = $work:expr) => {
        $crate::provisioner_suite! { @contract $backend, $work;
            restarting: workers_are_taken_on_by_the_next_manager, workers_of_another_store_are_ended_and_not_listed;
        }
    };
    ($backend:ident, work = $work:expr, workers = temporary) => {
        $crate::provisioner_suite! { @contract $backend, $work;
            restarting: workers_end_with_their_manager, workers_of_another_store_are_ended_and_not_listed;
        }
    };
    (@contract $backend:ident, $work:expr; $($more:tt)+) => {
        $crate::provisioner_suite! { @cases $backend, $work;
            creating: a_created_worker_dials_in, creating_twice_makes_one_worker, many_are_created_at_once,
                at_first_there_are_none;
            destroying: a_destroyed_worker_is_gone, destroying_twice_or_the_absent_is_fine,
                the_others_stay, what_a_destroyed_worker_ran_is_gone;
            $($more)+
        }
    };
    (@cases $backend:ident, $work:expr; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            #[allow(unused_imports, reason = "what the expression for the work names")]
            use super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                $crate::testing::provisioner_suite::$module::$case(
                    &mut $crate::testing::provisioner_suite::Harness::start_with(super::$backend, $work).await,
                )
                .await;
            })+
        })+
    };
}
