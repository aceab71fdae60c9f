//! A dial that says on stderr when the manager cannot be reached, and when it is there again.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pod_core::{
    link::Transport,
    worker::{DialError, Dialer},
};

use super::console;

/// Dials as the inner one does, and tells the person who started the worker.
#[derive(Debug)]
pub(crate) struct Told<D> {
    inner: D,
    manager: String,
    is_away: AtomicBool,
}

impl<D> Told<D> {
    pub(crate) const fn new(inner: D, manager: String) -> Self {
        Self { inner, manager, is_away: AtomicBool::new(false) }
    }

    /// What is to be said about the outcome of a dial: only where it is another one than before.
    fn news(&self, failure: Option<&str>) -> Option<String> {
        let was_away = self.is_away.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(reason) if !was_away => Some(format!("{reason}; trying again")),
            None if was_away => Some(format!("connected to the manager at {}", self.manager)),
            _ => None,
        }
    }
}

#[async_trait]
impl<D: Dialer> Dialer for Told<D> {
    async fn dial(&self) -> Result<Transport, DialError> {
        let dialled = self.inner.dial().await;
        let news = match &dialled {
            Ok(_) => self.news(None),
            Err(DialError::Later(reason)) => self.news(Some(reason)),
            // It ends the worker, which says so.
            Err(_) => None,
        };
        news.into_iter().for_each(console::note);
        dialled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_said_once() {
        let told = Told::new((), "h:1".to_owned());
        assert_eq!(told.news(None), None);
        assert_eq!(told.news(Some("no")).as_deref(), Some("no; trying again"));
        assert_eq!(told.news(Some("no")), None);
        assert_eq!(told.news(None).as_deref(), Some("connected to the manager at h:1"));
        assert_eq!(told.news(None), None);
    }
}
