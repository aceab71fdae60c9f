//! Keeps programs in containers from the metadata addresses of clouds. No engine does that for one container; its init
//! does, in `spawner/fence.rs`, with capabilities that it gives up before the program starts.

use crate::docker::settings::DockerSettings;

/// What its init needs for it: rules for its network, to give up capabilities, and to become the right user, who is given
/// the output. With their numbers (`linux/capability.h`).
pub(super) const FENCING: [(&str, u8); 5] =
    [("CHOWN", 0), ("NET_ADMIN", 12), ("SETGID", 6), ("SETPCAP", 8), ("SETUID", 7)];

/// Whether a container has a network of its own that is to be kept from them: what is done to one that it shares would be
/// done to others.
pub(super) fn has_fence(network: Option<&str>, settings: &DockerSettings) -> bool {
    let is_its_own = |network: &str| !matches!(network, "none" | "host") && !network.starts_with("container:");
    !settings.metadata && network.is_none_or(is_its_own)
}

/// What is given up, by numbers, where the program is to have these capabilities.
pub(super) fn given_up(kept: &[String]) -> String {
    let keeps = |name: &str| kept.iter().any(|kept| kept == name || kept == "ALL");
    let numbers = FENCING.iter().filter(|(name, _)| !keeps(name)).map(|(_, number)| number.to_string());
    numbers.collect::<Vec<_>>().join(",")
}

/// Whom the programs of an image are run as, as the engine takes it.
pub(super) fn whom<'s>(settings: &'s DockerSettings, of_image: &'s str) -> &'s str {
    settings.user.as_deref().unwrap_or(of_image)
}

/// Why a container could not be kept from them.
pub(super) fn unfenced(errno: i32) -> String {
    format!(
        "its container could not be kept from the metadata addresses of clouds: {}; use an engine whose containers have \
         rules for their networks, --docker-network none, or --docker-metadata reachable where programs may know what \
         the machine may do",
        std::io::Error::from_raw_os_error(errno)
    )
}

/// The image has no such user.
pub(super) fn nobody(settings: &DockerSettings) -> String {
    let whom = settings.user.as_deref().unwrap_or("that it names");
    format!("the image has no user or group {whom}; set --docker-user to one that it has, or to a number such as 1000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_network_of_its_own_has_a_fence() {
        let mut settings = DockerSettings::of_image("x");
        for own in [None, Some("bridge"), Some("team")] {
            assert!(has_fence(own, &settings), "{own:?}");
        }
        for other in ["none", "host", "container:db"] {
            assert!(!has_fence(Some(other), &settings), "{other}");
        }
        settings.metadata = true;
        assert!(!has_fence(None, &settings));
    }

    #[test]
    fn what_a_program_is_to_have_is_not_given_up() {
        let kept = |names: &[&str]| given_up(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(kept(&[]), "0,12,6,8,7");
        assert_eq!(kept(&["CHOWN", "SETUID", "SETGID", "KILL"]), "12,8");
        assert_eq!(kept(&["ALL"]), "");
    }
}
