//! Where tasks dial the manager, as their `bash` needs it.

use pod_core::provisioner::ProvisionError;

/// A manager that is reached over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// As the worker dials it.
    pub(super) url: String,
    pub(super) host: String,
    pub(super) port: u16,
}

/// What is told where the address is missing or cannot work.
const EXAMPLE: &str = "for example http://10.0.0.7:8080";

impl Address {
    /// Understands `http://HOST`, `http://HOST:PORT` and the same without `http://`; a path is nothing to it.
    pub(super) fn parse(url: &str) -> Result<Self, ProvisionError> {
        let refused = |why: &str| {
            let message =
                format!("--docker-manager is {url:?}, {why}; set one that tasks of the swarm reach, {EXAMPLE}");
            ProvisionError::new(message)
        };
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(refused("and tasks fetch their program over plain http://")),
            None => url,
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let wrong = || refused("which is not HOST:PORT");
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (authority, 80),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() || bare.contains(char::is_whitespace) || bare.contains('@') {
            return Err(wrong());
        }
        Ok(Self { url: format!("http://{host}:{port}"), host: bare.to_owned(), port })
    }

    /// What a task shows as the host that it asks.
    pub(super) fn authority(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Whether only programs of the same machine reach it.
    pub(super) fn is_loopback(&self) -> bool {
        let literal = self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        literal || self.host.eq_ignore_ascii_case("localhost")
    }
}

/// Nobody has said where tasks find the manager.
pub(super) fn missing() -> ProvisionError {
    let message = format!(
        "tasks of a swarm need an address at which they reach this manager; set it with --docker-manager, {EXAMPLE}, and \
         listen there with --listen"
    );
    ProvisionError::new(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_are_written_in_several_ways() {
        for (written, host, port, authority) in [
            ("http://10.0.0.7:8080", "10.0.0.7", 8080, "10.0.0.7:8080"),
            ("10.0.0.7:8080", "10.0.0.7", 8080, "10.0.0.7:8080"),
            ("http://pod.example/", "pod.example", 80, "pod.example:80"),
            ("http://[::1]:8080", "::1", 8080, "[::1]:8080"),
            ("http://[fd00::7]", "fd00::7", 80, "[fd00::7]:80"),
        ] {
            let address = Address::parse(written).expect(written);
            assert_eq!((address.host.as_str(), address.port, address.authority()), (host, port, authority));
        }
        for written in ["https://pod.example", "ws://pod.example", "http://:80", "", "http://a:b", "http://a b"] {
            assert!(Address::parse(written).expect_err(written).message.contains("--docker-manager"), "{written}");
        }
        assert!(Address::parse("http://localhost:1").is_ok_and(|address| address.is_loopback()));
        assert!(!Address::parse("http://10.0.0.7:1").is_ok_and(|address| address.is_loopback()));
    }
}
