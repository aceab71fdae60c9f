//! An execution whose events are taken all the time, as a worker does, while it is asked for this and that.

use tokio::{sync::mpsc, task::JoinHandle};

use super::watching::{Outcome, in_time};
use crate::{
    domain::AttemptOutcome,
    executor::{ExecutionHandle, RunEvent, StopMode},
};

/// An execution that is listened to all the time.
pub(in crate::testing) struct ObservedRun {
    wishes: mpsc::Sender<Wish>,
    printed: mpsc::Receiver<()>,
    outcome: JoinHandle<Outcome>,
}

/// What it can be asked for.
pub(in crate::testing) enum Wish {
    Stop(StopMode),
    Recall,
}

impl ObservedRun {
    pub(in crate::testing) fn of(run: Box<dyn ExecutionHandle>) -> Self {
        let ((wishes, wished), (print, printed)) = (mpsc::channel(4), mpsc::channel(1));
        Self { wishes, printed, outcome: tokio::spawn(observe(run, wished, print)) }
    }

    /// Waits until it has printed something.
    pub(in crate::testing) async fn begins(&mut self) {
        in_time("the first output", self.printed.recv()).await.expect("it prints something");
    }

    pub(in crate::testing) fn ask(&self, wish: Wish) {
        // That it has ended is fine.
        let _ = self.wishes.try_send(wish);
    }

    pub(in crate::testing) fn has_ended(&self) -> bool {
        self.outcome.is_finished()
    }

    pub(in crate::testing) async fn outcome(self) -> Outcome {
        in_time("an end", self.outcome).await.expect("listening does not fail")
    }

    /// How often it began, and how it ended.
    pub(in crate::testing) async fn end(self) -> (usize, AttemptOutcome) {
        let outcome = self.outcome().await;
        (outcome.starts, outcome.end)
    }

    pub(in crate::testing) async fn kill(self) -> (usize, AttemptOutcome) {
        self.ask(Wish::Stop(StopMode::Kill));
        self.end().await
    }

    /// Nobody wants it any more.
    pub(in crate::testing) async fn drop(self) {
        self.outcome.abort();
        let _ = self.outcome.await;
    }
}

async fn observe(
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
                    // Once is enough.
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
