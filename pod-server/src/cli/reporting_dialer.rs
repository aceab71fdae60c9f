//! A dialer that reports on stderr when the manager becomes unreachable, and when it is reachable again.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pod_core::{
    link::Transport,
    worker::{DialError, Dialer},
};

use super::console;

/// Wraps a dialer and reports changes of its outcome.
#[derive(Debug)]
pub(crate) struct ReportingDialer<D> {
    inner: D,
    manager: String,
    is_away: AtomicBool,
}

impl<D> ReportingDialer<D> {
    pub(crate) const fn new(inner: D, manager: String) -> Self {
        Self { inner, manager, is_away: AtomicBool::new(false) }
    }

    /// The line to print after a dial; only if its outcome differs from the previous one.
    fn notice(&self, failure: Option<&str>) -> Option<String> {
        let was_away = self.is_away.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(reason) if !was_away => Some(format!("{reason}; trying again")),
            None if was_away => Some(format!("connected to the manager at {}", self.manager)),
            _ => None,
        }
    }
}

#[async_trait]
impl<D: Dialer> Dialer for ReportingDialer<D> {
    async fn dial(&self) -> Result<Transport, DialError> {
        let dialled = self.inner.dial().await;
        let notice = match &dialled {
            Ok(_) => self.notice(None),
            Err(DialError::Later(reason)) => self.notice(Some(reason)),
            // It ends the worker, which says so.
            Err(_) => None,
        };
        notice.into_iter().for_each(console::note);
        dialled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_said_once() {
        let dialer = ReportingDialer::new((), "h:1".to_owned());
        assert_eq!(dialer.notice(None), None);
        assert_eq!(dialer.notice(Some("no")).as_deref(), Some("no; trying again"));
        assert_eq!(dialer.notice(Some("no")), None);
        assert_eq!(dialer.notice(None).as_deref(), Some("connected to the manager at h:1"));
        assert_eq!(dialer.notice(None), None);
    }
}
