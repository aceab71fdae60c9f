//! Executions that were started while all slots are busy. The executor must take two ahead.

use std::collections::VecDeque;

use super::{
    super::executor_suite::observed::{ObservedRun, Wish},
    harness::{Harness, already_gone, gone, lives},
};
use crate::{
    domain::AttemptOutcome,
    executor::{StartRequest, StopMode},
};

const MAIN: &str = "#!/bin/sh
echo \"hello $1\"
if [ \"$1\" = long ]; then echo $$ >> \"$PIDS\"; exec sleep 1000; fi";

/// Requests of one activity, whose programs go on for ever where they are asked to.
struct Requests<'r> {
    rig: &'r Harness,
    request: StartRequest,
}

impl<'r> Requests<'r> {
    async fn of(rig: &'r Harness) -> Self {
        assert!(rig.executor().prefetch_limit() >= 2, "the executor takes two ahead");
        Self { rig, request: rig.activity(MAIN).await }
    }

    async fn start(&self, input: &str) -> ObservedRun {
        let mut request = self.request.clone();
        request.key.execution.0 = self.rig.number();
        request.input = Some(input.into());
        request.env.insert("PIDS".to_owned(), self.rig.path("pids").display().to_string());
        ObservedRun::of(self.rig.start(request).await)
    }

    /// Fills both slots with what goes on; gives that and its process ids.
    async fn fill(&self) -> ([ObservedRun; 2], Vec<u32>) {
        let first = self.start("long").await;
        self.rig.pids("pids", 1).await;
        let second = self.start("long").await;
        let pids = self.rig.pids("pids", 2).await;
        // So soon one may be about to begin all the same. When these are back, nobody is.
        for waits in [self.start("long").await, self.start("long").await] {
            waits.ask(Wish::Recall);
            assert_eq!(waits.end().await, (0, AttemptOutcome::Recalled));
        }
        ([first, second], pids)
    }
}

const DONE: (usize, AttemptOutcome) = (1, AttemptOutcome::Exited(0));
const STOPPED: (usize, AttemptOutcome) = (1, AttemptOutcome::Terminated);

/// Who has waited longest is next, and runs as any other.
pub async fn who_waits_begins_when_a_slot_is_free(rig: &Harness) {
    let requests = Requests::of(rig).await;
    let ([first, second], _) = requests.fill().await;
    let (third, fourth) = (requests.start("long").await, requests.start("short").await);
    assert_eq!(second.kill().await, STOPPED);
    rig.pids("pids", 3).await;
    assert!(!fourth.has_ended());
    assert_eq!(first.kill().await, STOPPED);
    assert_eq!(fourth.end().await, DONE);
    assert_eq!(third.kill().await, STOPPED);
}

/// Whichever slot is free first is as good: nobody is bound to one that goes on and on.
pub async fn nobody_waits_for_a_long_run_while_another_slot_is_free(rig: &Harness) {
    let requests = Requests::of(rig).await;
    let endless = requests.start("long").await;
    rig.pids("pids", 1).await;
    for _ in 0..20 {
        let runs = [requests.start("short").await, requests.start("short").await, requests.start("short").await];
        for run in runs {
            assert_eq!(run.end().await, DONE);
        }
    }
    assert_eq!(endless.kill().await, STOPPED);
}

/// Each runs once and prints what it should, however closely one follows the other.
pub async fn many_that_wait_run_once_each(rig: &Harness) {
    let requests = Requests::of(rig).await;
    let mut running = VecDeque::new();
    for number in 0..200 {
        running.push_back((number, requests.start(&number.to_string()).await));
        if running.len() == 4 {
            let (number, run) = running.pop_front().expect("one is there");
            let outcome = run.outcome().await;
            assert_eq!((outcome.text(), outcome.starts), (format!("hello {number}\n").as_str(), 1));
        }
    }
    for (_, run) in running {
        assert_eq!(run.end().await, DONE);
    }
}

/// What has not begun comes back, what has goes on.
pub async fn what_waits_can_be_recalled(rig: &Harness) {
    let requests = Requests::of(rig).await;
    let ([first, second], pids) = requests.fill().await;
    let (third, fourth) = (requests.start("short").await, requests.start("short").await);
    for run in [&first, &third, &fourth] {
        run.ask(Wish::Recall);
    }
    for run in [third, fourth] {
        assert_eq!(run.end().await, (0, AttemptOutcome::Recalled));
    }
    assert!(pids.iter().all(|&pid| lives(pid)), "these had begun");
    for run in [first, second] {
        assert_eq!(run.kill().await, STOPPED);
    }
    already_gone(&pids);
}

/// It does not begin then, and neither does one that nobody wants any more.
pub async fn what_waits_can_be_stopped(rig: &Harness) {
    let requests = Requests::of(rig).await;
    let ([first, second], pids) = requests.fill().await;
    for mode in [StopMode::Terminate, StopMode::Kill] {
        let (third, fourth) = (requests.start("long").await, requests.start("long").await);
        third.ask(Wish::Stop(mode));
        assert_eq!(third.end().await, (0, AttemptOutcome::Terminated));
        fourth.drop().await;
    }
    second.drop().await;
    gone(&pids[1..]).await;
    // Nothing of what was dropped has the slot now.
    assert_eq!(requests.start("short").await.end().await, DONE);
    assert_eq!(rig.pids("pids", 2).await, pids);
    assert_eq!(first.kill().await, STOPPED);
}
