//! How far the engine is on its way to its end.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How far the engine is on its way to its end.
#[derive(Debug)]
pub(super) enum Phase {
    /// Nobody asked for it.
    Running,
    /// Workers leave.
    Leaving(CancellationToken),
    /// They have left; their links end, with what was said last before.
    Left(Instant),
}
