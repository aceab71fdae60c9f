//! Fetches installation scripts.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{
    later::later,
    message::Message,
    preprocess::{NO_FETCHER, sha256},
    shared::Shared,
};
use crate::{
    domain::{ActivityId, Payload, RevisionNo},
    fetcher::ScriptFetcher,
    plan::Input,
};

/// How many scripts are fetched at a time.
const AT_A_TIME: usize = 16;

/// Fetches, a few scripts at a time.
pub(super) struct Fetches {
    shared: Arc<Shared>,
    /// Where results go.
    inbox: mpsc::Sender<Message>,
    max_payload: usize,
    room: Arc<Semaphore>,
}

impl Fetches {
    pub(super) fn new(shared: Arc<Shared>, inbox: mpsc::Sender<Message>, max_payload: usize) -> Self {
        Self { shared, inbox, max_payload, room: Arc::new(Semaphore::new(AT_A_TIME)) }
    }

    pub(super) fn fetch(&self, activity: ActivityId, revision: RevisionNo, url: Arc<str>) {
        let (fetch, max) = (self.shared.fetch.clone(), self.max_payload);
        let crashed = move |why| Message::Happened(Input::Fetched { activity, revision, result: Err(why) });
        let room = self.room.clone();
        later(&self.shared, &self.inbox, crashed, async move {
            // Never closed.
            let _permit = room.acquire().await;
            let result = match fetch {
                Some(fetch) => fetch_script(&*fetch, &url, max).await,
                None => Err(NO_FETCHER.to_owned()),
            };
            Some(Message::Happened(Input::Fetched { activity, revision, result }))
        });
    }
}

/// Fetches a script and pins it: the bytes, and their sha256 in hexadecimal.
async fn fetch_script(fetch: &dyn ScriptFetcher, url: &str, max: usize) -> Result<(Payload, String), String> {
    let bytes = fetch.fetch(url).await?.bytes;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(format!("the script at {url} is empty; it must leave a file main.sh"));
    }
    if bytes.len() > max {
        return Err(format!("the script at {url} has {} bytes and at most {max} are allowed", bytes.len()));
    }
    let sha256 = sha256(&bytes);
    Ok((Payload::Script(bytes), sha256))
}
