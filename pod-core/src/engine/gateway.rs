//! Where backends hand in connected workers, and news of dead ones.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{links::serve, message::Message, shared::Shared};
use crate::{
    domain::WorkerId,
    link::Transport,
    plan::Input,
    provisioner::{Admission, WorkerGateway},
};

/// The way in to the engine.
pub(crate) struct Links {
    shared: Arc<Shared>,
    inbox: mpsc::Sender<Message>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Links {
    pub(crate) const fn new(shared: Arc<Shared>, inbox: mpsc::Sender<Message>) -> Self {
        Self { shared, inbox }
    }
}

#[async_trait]
impl WorkerGateway for Links {
    fn accept(&self, transport: Transport, admission: Admission) {
        self.shared.spawn(serve(self.shared.clone(), self.inbox.clone(), transport, admission));
    }

    async fn report_progress(&self, worker: WorkerId, note: String) {
        let _ = self.inbox.send(Message::Happened(Input::Progress { worker, note })).await;
    }

    async fn report_lost(&self, worker: WorkerId, reason: String) {
        // When the engine has ended, the next one finds it out by itself.
        let _ = self.inbox.send(Message::Happened(Input::Gone { worker, reason })).await;
    }
}
