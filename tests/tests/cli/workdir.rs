//! `--workdir`: where what is run finds itself.

use pod_tests::Pod;

/// Adds to a file beside itself and prints it.
const ADDS: &str = "echo \"$1\" >> list\ncat list\n[ -z \"$POD_RESULTS\" ] || echo \"${POD_RESULTS#\"$PWD\"}\"\n";

#[test]
fn each_execution_of_a_directory_has_one_of_its_own() {
    let pod = Pod::new();
    for (number, (option, expected)) in [
        (&[][..], ["a\n/.pod/results\n", "b\n/.pod/results\n"]),
        (&["--workdir", "private"], ["a\n/.pod/results\n", "b\n/.pod/results\n"]),
        (&["--workdir", "copy"], ["a\n/.pod/results\n", "b\n/.pod/results\n"]),
        (&["--workdir=shared"], ["a\n", "a\nb\n"]),
    ]
    .into_iter()
    .enumerate()
    {
        let program = pod.program(&format!("adds-{number}"), ADDS);
        for (input, expected) in ["a", "b"].into_iter().zip(expected) {
            let ran = pod.run(&[&["run"], option, &[&*program, input]].concat());
            assert_eq!((ran.code, &*ran.stdout), (Some(0), expected), "{option:?}: {}", ran.stderr);
        }
        assert!(
            !std::fs::exists(format!("{program}/list")).unwrap_or(true),
            "the directory that was given is not touched"
        );
    }
}

#[test]
fn another_word_is_a_usage_error() {
    let pod = Pod::new();
    let program = pod.program("adds", ADDS);
    let ran = pod.run(&["run", "--workdir", "mine", &program, "a"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("give private, copy or shared"), "{}", ran.stderr);
}
