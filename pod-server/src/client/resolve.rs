//! Finding the address that goes with a host name.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::sync::Arc;

/// Resolves as the system does. That a name is not known is told apart from everything else, unless it was known
/// before: then it is the network that is away.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    was_known: Arc<AtomicBool>,
}

/// There is no such name.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnknownName(String);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let was_known = Arc::clone(&self.was_known);
        Box::pin(async move {
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(found) => {
                    was_known.store(true, Ordering::Relaxed);
                    Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
                }
                Err(error) if was_known.load(Ordering::Relaxed) => Err(error.into()),
                Err(error) => Err(UnknownName(error.to_string()).into()),
            }
        })
    }
}
