//! Reports on stderr why an execution does not start or go on.

use std::{convert::Infallible, time::Duration};

use pod_core::domain::ExecutionStatus;
use pod_server::client::Client;

use super::console;

/// The delay before the first report and between two queries.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(3);
/// How long the manager may take to explain.
const EXPLAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// Reports each reason once.
#[derive(Debug, Default)]
pub(crate) struct WaitReporter {
    reported: Option<String>,
    trouble: bool,
}

impl WaitReporter {
    /// Reports why an execution waits. Returns whether it still waits, as far as is known.
    pub(crate) async fn report_reason(&mut self, client: &Client, id: u64) -> bool {
        let looking = async {
            let explanation = client.explain(id).await.ok()?;
            // Queried last: an execution that has started meanwhile no longer waits for that reason.
            let waits = client.execution(id).await.ok()?.status.0 == ExecutionStatus::Waiting;
            Some((waits, explanation.sentences.into_iter().next().filter(|_| waits)))
        };
        let Ok(Some((waits, sentence))) = tokio::time::timeout(EXPLAIN_TIMEOUT, looking).await else { return true };
        if let Some(sentence) = sentence {
            self.report(&sentence, || format!("execution {id} waits: {sentence}"));
        }
        waits
    }

    /// Prints `line` unless the last report had the same reason.
    pub(crate) fn report(&mut self, reason: &str, line: impl FnOnce() -> String) {
        if self.is_new(reason) {
            console::note(line());
        }
    }

    /// Reports once that the manager is in trouble, because output and ends may then be late, and once that it is over.
    pub(crate) async fn report_trouble(&mut self, client: &Client) {
        let Ok(Ok(overview)) = tokio::time::timeout(EXPLAIN_TIMEOUT, client.overview()).await else { return };
        match &overview.trouble {
            Some(trouble) if !self.trouble => console::note(format!("the manager says: {trouble}")),
            None if self.trouble => console::note("the manager has room again"),
            _ => {}
        }
        self.trouble = overview.trouble.is_some();
    }

    /// Reports until it is dropped.
    pub(crate) async fn watch(mut self, client: &Client, id: u64) -> Infallible {
        let mut waits = true;
        loop {
            tokio::time::sleep(REPORT_INTERVAL).await;
            waits = waits && self.report_reason(client, id).await;
            self.report_trouble(client).await;
        }
    }

    /// Whether this differs from the last report in more than its numbers.
    fn is_new(&mut self, sentence: &str) -> bool {
        let is_word = |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit()) && !is_unit(word);
        let words: Vec<&str> = sentence.split_whitespace().filter(is_word).collect();
        let words = words.join(" ");
        let is_new = self.reported.as_ref() != Some(&words);
        self.reported = Some(words);
        is_new
    }
}

/// Of a time, which passes.
fn is_unit(word: &str) -> bool {
    matches!(word.trim_end_matches([':', '.', ',']), "ms" | "s" | "min" | "h")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_reason_is_said() {
        let mut waiting = WaitReporter::default();
        for (sentence, is_new) in [
            ("All 4 slots of the workers are busy.", true),
            ("All 8 slots of the workers are busy.", false),
            ("Launching one failed, and it is tried again in 59.9 s: x.", true),
            ("Launching one failed, and it is tried again in 1 min: x.", false),
            ("Launching one failed, and it is tried again in 963 ms: x.", false),
            ("No worker is there, and the active policy allows none.", true),
            ("All 4 slots of the workers are busy.", true),
        ] {
            assert_eq!(waiting.is_new(sentence), is_new, "{sentence}");
        }
    }
}
