//! What every [`Provisioner`](crate::provisioner::Provisioner) must do. A backend runs all of it with one line:
//!
//! ```ignore
//! pod_core::provisioner_suite!(backend);
//! ```
//!
//! where `backend` is a `fn(&Path) -> Box<dyn Backend>` that makes a backend on a directory. Made again with a
//! directory whose backend was shut down, it goes on with what that one left. The suite plays the engine: it takes the
//! links of the workers. It waits for events with deadlines, and never for a time.

pub mod creating;
pub mod destroying;
mod harness;
pub mod restarting;

pub use harness::{Harness, TestWorker, dies, is_alive};

/// Makes one test of each case of the suite.
#[macro_export]
macro_rules! provisioner_suite {
    ($backend:ident) => {
        $crate::provisioner_suite! { @cases $backend;
            creating: a_created_worker_dials_in, creating_twice_makes_one_worker, many_are_created_at_once,
                at_first_there_are_none;
            destroying: a_destroyed_worker_is_gone, destroying_twice_or_the_absent_is_fine,
                the_others_stay, what_a_destroyed_worker_ran_is_gone;
            restarting: workers_are_taken_on_by_the_next_manager, workers_of_another_store_are_ended_and_not_listed;
        }
    };
    (@cases $backend:ident; $($module:ident: $($case:ident),+;)+) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                $crate::testing::provisioner_suite::$module::$case(
                    &mut $crate::testing::provisioner_suite::Harness::start(super::$backend).await,
                )
                .await;
            })+
        })+
    };
}
