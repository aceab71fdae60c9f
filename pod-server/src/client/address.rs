//! The address of a manager, as people write it.

use std::{fmt, str::FromStr};

use url::Url;

/// Where a manager answers: `host:port`, with or without `http://`, and with or without the `/POD` that the original
/// client wanted. A prefix before it, as behind a reverse proxy, is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Url);

/// Why an address was refused, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the address of a manager ({why}); write it as http://HOST:PORT")]
pub struct InvalidAddress {
    text: String,
    why: String,
}

impl Address {
    /// The URL of a path below the manager's own, given as its segments, each escaped as needed.
    #[must_use]
    pub fn at<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Makes the URL of a request to another address one to this. Both have the same prefix.
    pub(super) fn take(&self, url: &mut Url) {
        let mut taken = self.0.clone();
        taken.set_path(url.path());
        taken.set_query(url.query());
        *url = taken;
    }

    /// Whether the connection is plain HTTP.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let refuse = |why: &str| InvalidAddress { text: text.to_owned(), why: why.to_owned() };
        let trimmed = text.trim();
        let full = if trimmed.contains("://") { trimmed.to_owned() } else { format!("http://{trimmed}") };
        let mut url = Url::parse(&full).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("its scheme is neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("it holds a user name; give the token with --token or POD_TOKEN"));
        }
        // It would be resolved, and lead to another manager of that host, or to none.
        if climbs(&full) {
            return Err(refuse("its path holds .. or ."));
        }
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/');
        let prefix = path.strip_suffix("/POD").unwrap_or(path).to_owned();
        url.set_path(&prefix);
        Ok(Self(url))
    }
}

/// Whether a segment of the path is one of the dots, also as `%2e`.
fn climbs(address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    path.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_people_write_it() {
        let cases = [
            ("localhost:8080", "http://localhost:8080"),
            ("http://localhost:8080/", "http://localhost:8080"),
            ("localhost:8080/POD", "http://localhost:8080"),
            ("http://10.0.0.7:80/POD/", "http://10.0.0.7"),
            ("https://example.org/lab/POD/", "https://example.org/lab"),
            (" [::1]:9000 ", "http://[::1]:9000"),
            ("http://localhost:8080/POD/?action=getWorkers", "http://localhost:8080"),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn paths_go_below_a_prefix_and_are_escaped() {
        let address: Address = "https://example.org/lab/POD".parse().expect("valid");
        assert_eq!(address.at(["api", "v1", "a/b ?"]).as_str(), "https://example.org/lab/api/v1/a%2Fb%20%3F");
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_sentence() {
        for text in [
            "",
            "ftp://host",
            "http://",
            "host:notaport",
            "http://user:secret@host",
            "http://host/lab/../POD",
            "http://host/lab/%2E%2e",
            "host/..",
            "http://host/./lab",
        ] {
            let error = text.parse::<Address>().expect_err(text).to_string();
            assert!(error.contains("write it as http://HOST:PORT"), "{error}");
        }
    }
}
