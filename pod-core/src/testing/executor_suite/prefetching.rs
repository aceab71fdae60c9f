//! Executions that are started while all slots are busy.

use std::collections::VecDeque;

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    driver::TestProgram::{Greet, Wait},
    harness::Harness,
    watching::{Outcome, in_time},
};
use crate::{
    domain::{
        ActivityId,
        AttemptOutcome::{Exited, Recalled, Terminated},
    },
    executor::{ExecutionHandle, RunEvent, StopMode},
};

/// An execution whose events are taken all the time, as a worker does.
struct Watched {
    wishes: mpsc::Sender<Wish>,
    printed: mpsc::Receiver<()>,
    outcome: JoinHandle<Outcome>,
}

enum Wish {
    Stop(StopMode),
    Recall,
}

impl Watched {
    async fn start(rig: &Harness, activity: ActivityId, input: &str) -> Self {
        let run = rig.start(rig.request(activity, input)).await;
        let ((wishes, wished), (print, printed)) = (mpsc::channel(4), mpsc::channel(1));
        Self { wishes, printed, outcome: tokio::spawn(watch(run, wished, print)) }
    }

    /// Waits until it has printed something.
    async fn begins(&mut self) {
        in_time("the first output", self.printed.recv()).await.expect("it prints something");
    }

    async fn ask(&self, wish: Wish) {
        // That it has ended is fine.
        let _ = self.wishes.send(wish).await;
    }

    async fn end(self) -> Outcome {
        in_time("an end", self.outcome).await.expect("watching does not fail")
    }

    async fn kill(self) {
        self.ask(Wish::Stop(StopMode::Kill)).await;
        let outcome = self.end().await;
        assert_eq!((outcome.starts, outcome.end), (1, Terminated));
    }
}

async fn watch(
    mut run: Box<dyn ExecutionHandle>,
    mut wished: mpsc::Receiver<Wish>,
    print: mpsc::Sender<()>,
) -> Outcome {
    let mut outcome = Outcome::nothing();
    loop {
        tokio::select! {
            event = run.next() => match event.expect("an end comes") {
                RunEvent::Started { .. } => outcome.starts += 1,
                RunEvent::Output { bytes, .. } => {
                    outcome.stdout.extend_from_slice(&bytes);
                    let _ = print.try_send(());
                }
                RunEvent::Ended { end, .. } => return Outcome { end, ..outcome },
                other => panic!("nobody asked for {other:?}"),
            },
            Some(wish) = wished.recv() => match wish {
                Wish::Stop(mode) => run.stop(mode),
                Wish::Recall => run.recall(),
            },
        }
    }
}

/// Both slots are busy with what goes on.
async fn fill(rig: &Harness) -> [Watched; 2] {
    assert!(rig.executor().prefetch_limit() >= 2, "the executor takes two ahead");
    let activity = rig.activity(Wait).await;
    let mut runs = [Watched::start(rig, activity, "").await, Watched::start(rig, activity, "").await];
    for run in &mut runs {
        run.begins().await;
    }
    runs
}

/// What the suite is told of the executor is so.
pub async fn nothing_is_taken_ahead(rig: &Harness) {
    assert_eq!(rig.executor().prefetch_limit(), 0, "give the suite the word prefetch");
}

/// Nobody has to be asked for it.
pub async fn who_waits_begins_when_a_slot_is_free(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let [first, second] = fill(rig).await;
    let (third, fourth) = (Watched::start(rig, greet, "3").await, Watched::start(rig, greet, "4").await);
    first.kill().await;
    for (run, text) in [(third, "hello 3\n"), (fourth, "hello 4\n")] {
        let outcome = run.end().await;
        assert_eq!((outcome.text(), outcome.starts, &outcome.end), (text, 1, &Exited(0)));
    }
    second.kill().await;
}

/// What has not begun comes back; what has goes on.
pub async fn what_waits_can_be_recalled(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let [first, second] = fill(rig).await;
    let waiting = [Watched::start(rig, greet, "3").await, Watched::start(rig, greet, "4").await];
    first.ask(Wish::Recall).await;
    for run in waiting {
        run.ask(Wish::Recall).await;
        let outcome = run.end().await;
        assert_eq!((outcome.starts, outcome.end), (0, Recalled));
    }
    for run in [first, second] {
        run.kill().await;
    }
}

/// It does not begin then.
pub async fn what_waits_can_be_stopped(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let [first, second] = fill(rig).await;
    for mode in [StopMode::Terminate, StopMode::Kill] {
        let run = Watched::start(rig, greet, "3").await;
        run.ask(Wish::Stop(mode)).await;
        let outcome = run.end().await;
        assert_eq!((outcome.starts, outcome.end), (0, Terminated));
    }
    for run in [first, second] {
        run.kill().await;
    }
}

/// However closely one follows the other.
pub async fn many_that_wait_run_once_each(rig: &Harness) {
    let greet = rig.activity(Greet).await;
    let mut running = VecDeque::new();
    for number in 0..200 {
        if running.len() == 4 {
            check(running.pop_front().expect("one is there")).await;
        }
        running.push_back((number, Watched::start(rig, greet, &number.to_string()).await));
    }
    for one in running {
        check(one).await;
    }
}

async fn check((number, run): (u32, Watched)) {
    let outcome = run.end().await;
    assert_eq!((outcome.text(), outcome.starts), (format!("hello {number}\n").as_str(), 1));
}
