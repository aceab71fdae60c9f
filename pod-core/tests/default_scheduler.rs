//! The default scheduler says nothing that cannot be done.

use pod_core::scheduler::{DefaultScheduler, Scheduler};

fn default_scheduler() -> Box<dyn Scheduler> {
    Box::new(DefaultScheduler)
}

mod suite {
    use super::default_scheduler;

    pod_core::scheduler_suite!(default_scheduler);
}
