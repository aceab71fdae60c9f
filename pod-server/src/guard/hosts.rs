//! The allowed names in `Host`. A page that rebinds its own name to 127.0.0.1 still sends that name.

use std::net::{IpAddr, SocketAddr};

use axum::{extract::Request, http::header};

/// The host names that the manager answers to: loopback, the address listened on, and configured names.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    listening: Vec<IpAddr>,
    names: Vec<String>,
}

impl Hosts {
    /// Answers to loopback names and addresses only. That is for a manager without a token: what a browser says of the
    /// page that made a request, it says to such and to TLS alone.
    #[must_use]
    pub fn of_loopback() -> Self {
        Self::default()
    }

    /// Accepts the address that is listened on, in numbers and as it was written, and `names`.
    #[must_use]
    pub fn new(listening: &[SocketAddr], listen: &str, names: &[String]) -> Self {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        names.extend(without_port(listen).map(str::to_ascii_lowercase));
        Self { listening: listening.iter().map(SocketAddr::ip).collect(), names }
    }

    /// Whether a `Host` with this value is answered. Ports do not matter: a rebound name is a name.
    #[must_use]
    pub fn answers(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        let name = name.strip_suffix('.').unwrap_or(name);
        match name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            // Listening on every address, any literal one may be ours behind a translation, and none can be rebound.
            Ok(address) => {
                let address = address.to_canonical();
                address.is_loopback() || self.listening.iter().any(|ours| ours.is_unspecified() || *ours == address)
            }
            Err(_) => {
                let name = name.to_ascii_lowercase();
                name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
            }
        }
    }
}

/// Every host that a request names: in `Host` (each of them), and in its target where that is absolute. A request of
/// HTTP/1.0 names none; no browser sends such a one.
pub(super) fn named(request: &Request) -> impl Iterator<Item = &str> {
    let target = request.uri().authority().map(|authority| authority.as_str());
    let headers = request.headers().get_all(header::HOST).iter().map(|value| value.to_str().unwrap_or_default());
    target.into_iter().chain(headers)
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`; none where it is something else.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) = match host.rfind(']') {
        Some(end) => (&host[..=end], &host[end + 1..]),
        None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
    };
    let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    (port_is_fine && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_answered() {
        let listening = ["192.168.1.5:8080".parse().unwrap()];
        let hosts = Hosts::new(&listening, "192.168.1.5:8080", &["Pod.Example".to_owned()]);
        for name in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.:80",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8080",
            "192.168.1.5:8080",
            "192.168.1.5",
            "pod.example",
            "pod.example:443",
        ] {
            assert!(hosts.answers(name), "{name}");
        }
        for name in [
            "",
            ":8080",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "192.168.1.6",
            "8.8.8.8",
            "pod.example:port",
            "pod.example@evil.example",
            "::1",
            "[::2]",
            "localhost:8080:1",
        ] {
            assert!(!hosts.answers(name), "{name}");
        }
    }

    #[test]
    fn listening_everywhere_answers_to_addresses_but_not_to_names() {
        let hosts = Hosts::new(&["0.0.0.0:1".parse().unwrap()], "0.0.0.0:1", &[]);
        assert!(hosts.answers("8.8.8.8:80"));
        assert!(!hosts.answers("evil.example"));
    }

    #[test]
    fn without_a_token_only_loopback_is_answered() {
        let hosts = Hosts::of_loopback();
        for (name, answered) in [
            ("localhost", true),
            ("pod.localhost:8080", true),
            ("127.0.0.1", true),
            ("127.0.1.1:80", true),
            ("[::1]:8080", true),
            ("[::ffff:127.0.0.1]:8080", true),
            ("build-box", false),
            ("192.168.1.5", false),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
            ("localhost.evil.example", false),
        ] {
            assert_eq!(hosts.answers(name), answered, "{name}");
        }
    }

    #[test]
    fn the_name_listened_on_is_answered() {
        let hosts = Hosts::new(&["10.0.0.1:1".parse().unwrap()], "build-box:1", &[]);
        assert!(hosts.answers("build-box:1") && hosts.answers("10.0.0.1"));
    }
}
