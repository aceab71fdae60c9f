//! Errors about unknown names: where the name was looked up, and which known name is closest.

use pod_server::client::{Client, ClientError};

use super::failure::Failure;

/// Pages of names that are searched for a similar one.
const MAX_PAGES: usize = 10;

/// The failure of a request about an activity that was given by name alone.
pub(crate) async fn activity_failure(client: &Client, name: &str, error: ClientError) -> Failure {
    if !error.is_not_found() {
        return error.into();
    }
    let address = client.address();
    let names = activities(client).await;
    let advice = advice(closest_match(name, &names), "pod activities");
    Failure::new(format!("the manager at {address} has no activity {name:?}; {advice}"))
}

/// The same where a directory might have been meant.
pub(crate) async fn subject_failure(client: &Client, name: &str, error: ClientError) -> Failure {
    // That a revision is not there is said by the manager.
    if !error.is_not_found() || client.activity(name).await.is_ok() {
        return error.into();
    }
    let address = client.address();
    let directories = std::fs::read_dir(".").into_iter().flatten().flatten();
    let mut names: Vec<String> = directories
        .filter(|entry| entry.path().join("main.sh").is_file() || entry.path().join("install.sh").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.extend(activities(client).await);
    let advice = advice(closest_match(name, &names), "pod activities");
    Failure::new(format!(
        "there is neither a directory {name:?} here nor an activity of that name at the manager {address}; {advice}"
    ))
}

/// The failure of a request about a policy.
pub(crate) async fn policy_failure(client: &Client, name: &str, error: ClientError) -> Failure {
    if !error.is_not_found() {
        return error.into();
    }
    let address = client.address();
    let policies = client.policies(None).await.map(|page| page.items).unwrap_or_default();
    let names: Vec<String> = policies.into_iter().map(|policy| policy.name).collect();
    let advice = advice(closest_match(name, &names), "pod policy list");
    Failure::new(format!("the manager at {address} has no policy {name:?}; {advice}"))
}

/// The names of the activities; fewer where the manager does not answer.
async fn activities(client: &Client) -> Vec<String> {
    let mut names = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let Ok(page) = client.activities(cursor.as_deref()).await else { break };
        names.extend(page.items.into_iter().map(|activity| activity.name));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    names
}

fn advice(near: Option<&str>, list: &str) -> String {
    match near {
        Some(near) => format!("did you mean {near}?"),
        None => format!("`{list}` lists what is there"),
    }
}

/// The most similar name, if one is similar enough to be meant.
fn closest_match<'a>(given: &str, names: &'a [String]) -> Option<&'a str> {
    let allowed = (given.chars().count() / 3).clamp(1, 3);
    let distance = |name: &String| strsim::osa_distance(&given.to_lowercase(), &name.to_lowercase());
    let (distance, name) = names.iter().map(|name| (distance(name), name)).min()?;
    (distance <= allowed).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name() {
        let names = ["hello", "thumbs", "word-pairs"].map(str::to_owned);
        for (given, expected) in [
            ("helo", Some("hello")),
            ("hlelo", Some("hello")),
            ("Hello", Some("hello")),
            ("wordpairs", Some("word-pairs")),
            ("thumb", Some("thumbs")),
            ("x", None),
            ("something", None),
        ] {
            assert_eq!(closest_match(given, &names), expected, "{given}");
        }
        assert_eq!(closest_match("x", &[]), None);
    }
}
