//! What a machine wants from the world around it.

use crate::{link::FromWorker, testing::simulator::network::LinkId, worker::WorkerExit};

/// What a machine wants from the world around it.
#[derive(Debug)]
pub(in crate::testing::simulator) enum Wish {
    /// To reach its manager: it is told whether it did.
    Dial,
    /// To send a frame.
    Write(LinkId, Vec<FromWorker>),
    /// To end a link; what was written goes before.
    HangUp(LinkId),
    /// Nothing more: its worker process has ended, and nothing of it runs.
    Exited(WorkerExit),
}
