//! What engines refuse because of a setting, and what to do about that. Their text is the only sign: the status is that
//! of a failure as often as not.

/// What an answer says, all of it, and what to do then. The first one that fits counts.
const KNOWN: [(&[&str], &str); 12] = [
    (&["unable to find user"], USER),
    (&["unable to find group"], USER),
    (&["uids and gids must be in range"], USER),
    (&["bind source path does not exist"], "make it on the engine's machine, or change --docker-mount"),
    (&["Duplicate mount point"], "name each target of --docker-mount once"),
    (&["mount", "not a directory"], "with --docker-mount a directory goes over a directory, and a file over a file"),
    (
        &["mkdir", "read-only file system"],
        "what --docker-mount has below a :ro mount must be a directory that is there",
    ),
    (&["error mounting"], "change --docker-mount"),
    (&["Range of CPUs"], "lower --docker-cpus"),
    (&["memory limit too low"], "raise --docker-memory"),
    (&["HTTP request to an HTTPS server"], "set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"),
    (&["network", "not found"], "set --docker-network to one that docker network ls lists"),
];

const USER: &str = "set --docker-user to one that the image has, or to a number such as 1000";

/// What to do about an answer that would be the same the next time; nothing where that is not known.
pub(super) fn remedy(answer: &str) -> Option<&'static str> {
    let fits = |texts: &[&str]| texts.iter().all(|text| answer.contains(text));
    KNOWN.iter().find(|(texts, _)| fits(texts)).map(|(_, remedy)| *remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Docker 20.10 and 28 word them.
    #[test]
    fn what_a_setting_makes_is_known_by_its_text() {
        for (answer, expected) in [
            ("unable to find user nosuch: no matching entries in passwd file", "--docker-user"),
            ("unable to find group nosuch: no matching entries in group file", "--docker-user"),
            (
                "OCI runtime create failed: error mounting \"/srv\" to rootfs at \"/proc\": cannot be mounted",
                "--docker-mount",
            ),
            (
                "mount /etc/hostname:/var/lib/docker/overlay2/1/merged/tmp, flags: 0x5000: not a directory",
                "a file over",
            ),
            ("mkdir /var/lib/docker/overlay2/1/merged/a/b: read-only file system", ":ro"),
            ("runc create failed: container init was OOM-killed (memory limit too low?): unknown", "--docker-memory"),
            ("network nowhere not found", "--docker-network"),
        ] {
            assert!(remedy(answer).is_some_and(|remedy| remedy.contains(expected)), "{answer}");
        }
        for passes in [
            "failed to create shim task: context deadline exceeded: unknown",
            "mkdir /var/lib/docker/overlay2/1: no space left on device",
            "failed to create endpoint on network bridge: adding interface to bridge failed: exchange full",
        ] {
            assert_eq!(remedy(passes), None, "{passes}");
        }
    }
}
