//! Saying why an execution does not begin, or does not go on, to whoever waits for it.

use std::{convert::Infallible, time::Duration};

use pod_core::domain::ExecutionStatus;
use pod_server::client::Client;

use super::console;

/// It may wait for so long before anything is said, and between two looks.
pub(crate) const LOOK: Duration = Duration::from_secs(3);
/// A manager that takes longer than this to say why is not asked further.
const ANSWER: Duration = Duration::from_secs(2);

/// Says why an execution waits: once, and again when there is another reason.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    told: Option<String>,
    trouble: bool,
}

impl Waiting {
    /// Looks at an execution; whether it still waits, as far as is known.
    pub(crate) async fn look(&mut self, client: &Client, id: u64) -> bool {
        let looking = async {
            let explanation = client.explain(id).await.ok()?;
            // Asked last: one that has begun meanwhile does not wait for what was said.
            let waits = client.execution(id).await.ok()?.status.0 == ExecutionStatus::Waiting;
            Some((waits, explanation.sentences.into_iter().next().filter(|_| waits)))
        };
        let Ok(Some((waits, sentence))) = tokio::time::timeout(ANSWER, looking).await else { return true };
        if let Some(sentence) = sentence {
            self.tell(&sentence, || format!("execution {id} waits: {sentence}"));
        }
        waits
    }

    /// Says why something waits, in the words of `line`, unless that was said before.
    pub(crate) fn tell(&mut self, reason: &str, line: impl FnOnce() -> String) {
        if self.is_new(reason) {
            console::note(line());
        }
    }

    /// Says what the manager is in trouble with, while output and ends may be late because of it: once.
    pub(crate) async fn look_for_trouble(&mut self, client: &Client) {
        let Ok(Ok(overview)) = tokio::time::timeout(ANSWER, client.overview()).await else { return };
        match &overview.trouble {
            Some(trouble) if !self.trouble => console::note(format!("the manager says: {trouble}")),
            None if self.trouble => console::note("the manager has room again"),
            _ => {}
        }
        self.trouble = overview.trouble.is_some();
    }

    /// Looks again and again, until it is dropped.
    pub(crate) async fn watch(mut self, client: &Client, id: u64) -> Infallible {
        let mut waits = true;
        loop {
            tokio::time::sleep(LOOK).await;
            waits = waits && self.look(client, id).await;
            self.look_for_trouble(client).await;
        }
    }

    /// Whether this was not said before; other numbers do not make another reason.
    fn is_new(&mut self, sentence: &str) -> bool {
        let is_word = |word: &&str| !word.starts_with(|c: char| c.is_ascii_digit()) && !is_unit(word);
        let words: Vec<&str> = sentence.split_whitespace().filter(is_word).collect();
        let words = words.join(" ");
        let is_new = self.told.as_ref() != Some(&words);
        self.told = Some(words);
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
        let mut waiting = Waiting::default();
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
