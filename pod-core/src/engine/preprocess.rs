//! What is worked out of a request on the caller's side, so that the engine's task need not.

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::{archive_hash, shared::Shared};
use crate::{
    api::{PodError, Registration, Request, Terms},
    domain::{ActivitySource, RetryRevision, RevisionChoice},
    plan::StoredContext,
};

/// Hashes what a request brings along, and refuses what could never work.
pub(super) async fn prepare(request: &Request, shared: &Shared) -> Result<StoredContext, PodError> {
    let mut found = StoredContext::default();
    let wanted = request.wanted();
    match wanted {
        Request::CreateActivity { new, .. } => match &new.content {
            ActivitySource::Url(url) => {
                let fetch = shared.fetch.as_ref().ok_or_else(|| PodError::Invalid(NO_FETCHER.to_owned()))?;
                fetch.check(url).map_err(PodError::Invalid)?;
            }
            ActivitySource::Script(bytes) => found.sha256 = Some(sha256(bytes)),
            ActivitySource::Archive(bytes) => {
                let (archive, given_up) = (bytes.clone(), CancellationToken::new());
                let _give_up = given_up.clone().drop_guard();
                let turn = shared.archives.clone().acquire_owned().await.map_err(|_| PodError::Stopped)?;
                let hash = move || {
                    let _turn = turn;
                    archive_hash::sha256(&archive, &given_up)
                };
                let hashed = tokio::task::spawn_blocking(hash).await.map_err(|_| PodError::Stopped)?;
                found.sha256 = Some(hashed.map_err(|refused| PodError::Invalid(refused.sentence()))?);
            }
        },
        Request::Submit(new) if new.idempotency_key.is_some() => {
            found.request_hash = hash(&kind("one", new.revision), &new.activity, std::slice::from_ref(&new.input));
        }
        Request::SubmitMany { activity, revision, inputs, idempotency_key: Some(_) } => {
            found.request_hash = hash(&kind("many", *revision), activity, inputs);
        }
        Request::Retry(id, revision, Some(_)) => {
            let kind = match revision {
                RetryRevision::Same => "again",
                RetryRevision::Latest => "again with the current revision",
            };
            found.request_hash = hash(kind, &id.to_string(), &[]);
        }
        Request::Note { hash, .. } | Request::Conclude { hash, .. } => found.request_hash = *hash,
        _ => {}
    }
    if let Request::OnTerms(Terms { key: Some(_), .. }, _) = request
        && let Some((kind, about, rest)) = words(wanted, found.sha256.as_deref())
    {
        found.request_hash = hash(kind, about, &[Some(rest)]);
    }
    Ok(found)
}

/// What tells a request from others: of which kind it is, what it is about, and the rest of it.
fn words<'a>(request: &'a Request, sha256: Option<&str>) -> Option<(&'static str, &'a str, String)> {
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    Some(match request {
        Request::CreateActivity { new, registration } => {
            let kind = match registration {
                Registration::Create => "create activity",
                Registration::Put => "put activity",
                Registration::Run => "register revision",
            };
            let content = match &new.content {
                ActivitySource::Url(url) => format!("url {url}"),
                ActivitySource::Script(_) => format!("script {}", sha256.unwrap_or_default()),
                ActivitySource::Archive(_) => format!("archive {}", sha256.unwrap_or_default()),
            };
            (kind, &new.name, format!("{content} {}", json(serde_json::to_string(&new.settings))))
        }
        Request::DeleteActivity { name } => ("delete activity", name, String::new()),
        Request::Terminate(id, hurry) => ("terminate", "", format!("{id} {hurry:?}")),
        Request::DrainWorker(id) => ("drain", "", id.to_string()),
        Request::CreatePolicy { name, rules } => ("create policy", name, json(serde_json::to_string(rules))),
        Request::PutPolicy { name, rules } => ("put policy", name, json(serde_json::to_string(rules))),
        Request::ApplyPolicy { name } => ("apply policy", name, String::new()),
        Request::DeletePolicy { name } => ("delete policy", name, String::new()),
        _ => return None,
    })
}

/// Why a location cannot be fetched by a POD that has no fetcher.
pub(super) const NO_FETCHER: &str =
    "this POD was set up without a fetcher, so it takes no URLs; give the script as text or as a directory";

/// In hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A request that names no revision is the same as before there was a choice.
fn kind(what: &str, revision: RevisionChoice) -> String {
    match revision {
        RevisionChoice::Current => what.to_owned(),
        RevisionChoice::No(no) => format!("{what} of revision {no}"),
    }
}

/// Equal for equal requests only: every part goes in with its length.
pub(crate) fn hash(kind: &str, activity: &str, inputs: &[Option<String>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [kind, activity] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    for input in inputs {
        // A missing input is another one than an empty one.
        hash.update(input.as_ref().map_or(u64::MAX, |input| input.len() as u64).to_le_bytes());
        hash.update(input.as_deref().unwrap_or_default());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_requests_have_different_hashes() {
        let some = |text: &str| Some(text.to_owned());
        let hashes = [
            hash("one", "a", &[None]),
            hash("one", "a", &[some("")]),
            hash("one", "a", &[some("x")]),
            hash("one", "ax", &[some("")]),
            hash("many", "a", &[some("x")]),
            hash("many", "a", &[some("x"), None]),
            hash("many", "a", &[None, some("x")]),
            hash("many", "a", &[]),
        ];
        for (at, one) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(one), "request {at} has the hash of another one");
        }
        assert_eq!(hash("one", "a", &[some("x")]), hashes[2]);
    }
}
