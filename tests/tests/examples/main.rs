//! Each example of the documentation, run as its page shows.

use pod_tests::Pod;

#[test]
fn hello_greets() {
    let pod = Pod::new();
    let ran = pod.run(&["run", "docs/examples/hello", "Ada"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "hello Ada\n"), "{}", ran.stderr);
    // The second run finds it installed.
    let ran = pod.run(&["run", "docs/examples/hello"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "hello world\n"), "{}", ran.stderr);
}

#[test]
fn c_primes_is_compiled_and_counts() {
    let pod = Pod::new();
    let ran = pod.run(&["run", "docs/examples/c-primes", "1000000"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "78498 primes up to 1000000\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("50 %"), "its progress is relayed: {}", ran.stderr);

    let ran = pod.run(&["run", "docs/examples/c-primes", "many"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "its own exit code");
    assert!(ran.stderr.contains("give one whole number"), "{}", ran.stderr);
}

#[test]
fn python_stats_runs_in_an_environment_of_its_own() {
    let pod = Pod::new();
    let ran = pod.run(&["run", "docs/examples/python-stats", "3 1 4 1 5 9 2 6"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("mean    3.875\nmedian  3.5\n"), "{}", ran.stdout);
    let prefix = ran.stdout.lines().find_map(|line| line.strip_prefix("python  ")).expect("it tells its environment");
    assert!(prefix.ends_with("/venv"), "{prefix} is what was installed");
}

#[test]
fn slow_word_pairs_finds_the_mock_turtle() {
    let pod = Pod::new();
    let ran = pod.run(&["run", "docs/examples/word-pairs", "alice.txt"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.starts_with("25621 words, 14794 different pairs\nshuffled 50 of 400 times\n"), "{}", ran.stdout);
    assert!(ran.stdout.lines().any(|line| line.starts_with("mock turtle ")), "{}", ran.stdout);

    let ran = pod.run(&["run", "docs/examples/word-pairs", "no-such-book.txt"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("cannot read no-such-book.txt"), "{}", ran.stderr);
}
