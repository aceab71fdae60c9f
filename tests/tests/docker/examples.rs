//! The examples of the documentation, in containers that see what is installed on this machine.

use std::path::Path;

use pod_tests::{Pod, Ran};

use crate::engine::{Contained, Left, image};

/// What programs of this machine are made of.
const PROGRAMS: [&str; 4] = ["/usr", "/lib", "/lib64", "/etc/alternatives"];

/// Runs an example on the local backend and in containers of both kinds: nobody who runs it sees a difference. Returns
/// what was seen, where `compared` tells what of each line is the same wherever it runs.
fn run_everywhere(arguments: &[&str], compared: fn(&str) -> &str) -> Ran {
    let seen = |ran: Ran| {
        let lines = ran.stdout.split_inclusive('\n').map(compared);
        Ran { stdout: lines.collect(), ..ran }
    };
    let arguments = [&["run"], arguments].concat();
    let here = seen(Pod::new().run(&arguments));
    let mounts = PROGRAMS.iter().filter(|path| Path::new(path).exists()).map(|path| format!("{path}:{path}:ro"));
    let (image, mounts) = (image(), mounts.collect::<Vec<_>>().join("\n"));
    for isolation in ["worker", "execution"] {
        let pod = Contained::new();
        let environment = [
            ("POD_BACKEND", "docker"),
            ("POD_DOCKER_ISOLATION", isolation),
            ("POD_DOCKER_IMAGE", &image),
            ("POD_DOCKER_MOUNT", &mounts),
        ];
        let there = seen(pod.spawn(&arguments, &environment).finish());
        assert_eq!(there, here, "{arguments:?}, {isolation}");
        assert_eq!(Left::of(&pod.store()).count(), (0, 0), "{arguments:?}, {isolation}");
    }
    here
}

fn whole(line: &str) -> &str {
    line
}

#[test]
fn hello_greets_from_a_container() {
    assert_eq!(run_everywhere(&["docs/examples/hello", "Ada"], whole).stdout, "hello Ada\n");
}

#[test]
fn c_primes_is_compiled_in_a_container() {
    let ran = run_everywhere(&["docs/examples/c-primes", "1000000"], whole);
    assert_eq!(ran.stdout, "78498 primes up to 1000000\n", "{}", ran.stderr);
    let refused = run_everywhere(&["docs/examples/c-primes", "many"], whole);
    assert!(refused.code == Some(2) && refused.stderr.contains("give one whole number"), "{refused:?}");
}

#[test]
fn python_stats_makes_its_environment_in_a_container() {
    if !Path::new("/usr/bin/python3").exists() {
        return eprintln!("skipped: the only python3 of this machine is not below /usr, which is what containers see");
    }
    fn compared(line: &str) -> &str {
        // Where it is installed is another place.
        if line.starts_with("python  ") { "" } else { line }
    }
    let ran = run_everywhere(&["docs/examples/python-stats", "3 1 4 1 5 9 2 6"], compared);
    assert!(ran.stdout.contains("mean    3.875\nmedian  3.5\n"), "{ran:?}");
}

#[test]
fn word_pairs_reads_its_book_in_a_container() {
    fn compared(line: &str) -> &str {
        match line {
            // Each awk shuffles in its own way.
            line if line.starts_with("mock turtle ") => "mock turtle",
            line if line.ends_with(" by chance\n") => "",
            line => line,
        }
    }
    let ran = run_everywhere(&["-e", "SHUFFLES=50", "docs/examples/word-pairs", "alice.txt"], compared);
    assert_eq!(
        ran.stdout, "25621 words, 14794 different pairs\nshuffled 50 of 50 times\nmock turtle",
        "{}",
        ran.stderr
    );
    let refused = run_everywhere(&["docs/examples/word-pairs", "no-such-book.txt"], compared);
    assert!(refused.code == Some(1) && refused.stderr.contains("cannot read no-such-book.txt"), "{refused:?}");
}
