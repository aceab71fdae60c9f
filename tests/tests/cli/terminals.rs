//! What POD itself writes cannot act upon a terminal, and keeps its columns; what programs print stays as it is.

use pod_tests::Pod;

/// Erases the screen, by both sets of control characters, and turns text around.
const HOSTILE: &str = "a\x1b[2J\u{9b}2J\u{202e}b\u{7}\u{2066}";

fn acts(text: &str) -> bool {
    text.chars()
        .any(|c| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

#[test]
fn nothing_that_pod_writes_acts_upon_a_terminal() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let broken = pod.program("broken", "echo never\n");
    std::fs::write(
        pod.path("broken/install.sh"),
        format!("printf '%s\\n' '{HOSTILE}' 'pod: all is well' >&2\nexit 3\n"),
    )
    .unwrap();
    let ran = pod.run(&["run", &broken]);
    assert_eq!(ran.code, Some(1));
    assert!(!acts(&ran.stderr) && ran.stderr.contains("\\x1b[2J\\x9b2J\\u{202e}b"), "{:?}", ran.stderr);
    assert!(ran.stderr.lines().all(|line| !line.starts_with("pod: all is well")), "{}", ran.stderr);

    let program = pod.program("prints", "printf '%s\\n' \"$1\"\n");
    let relayed = pod.run(&["run", &program, HOSTILE]);
    assert_eq!((relayed.code, relayed.stdout), (Some(0), format!("{HOSTILE}\n")), "its output is its own");
    assert_eq!(pod.run(&["logs", "2"]).stdout, format!("{HOSTILE}\n"));
    for words in [
        &["ps", "-a"][..],
        &["ps", "-a", "-o", "json"],
        &["ps", "-a", "-o", "ndjson"],
        &["activities"],
        &["activities", "-o", "json"],
        &["explain", "2"],
        &["explain", "2", "--json"],
        &["top"],
        &["getActivity", "broken"],
        &["gae"],
        &["explain", HOSTILE],
        &["run", HOSTILE],
        &["run", &format!("./{HOSTILE}")],
        &["ps", "--activity", HOSTILE],
        &["policy", "delete", HOSTILE],
    ] {
        let ran = pod.run(words);
        assert!(!acts(&ran.stdout) && !acts(&ran.stderr), "{words:?}: {:?} {:?}", ran.stdout, ran.stderr);
    }
    let json = pod.run(&["ps", "-a", "-o", "json", "--server", server.url()]).stdout;
    let executions: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(executions[0]["input"], HOSTILE, "as JSON it is the same");
}

#[test]
fn wide_characters_keep_the_columns() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program("描画", ":\n");
    let plain = pod.program("plain", ":\n");
    for (program, input) in [(&program, "漢字".repeat(30)), (&plain, "x".repeat(70))] {
        assert_eq!(pod.run(&["run", program, &input]).code, Some(0));
    }
    let listed = pod.run(&["ps", "-a"]).stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[1].ends_with(&format!("  {}…", "x".repeat(39))), "{listed}");
    assert!(lines[2].ends_with(&format!("  {}…", "漢字".repeat(9) + "漢")), "{listed}");
    // Two columns for each of them: what follows begins where it does in the other line.
    let status_at = |line: &str| line.find("finished").unwrap();
    let wide = lines[2].split("finished").next().unwrap().chars().filter(|c| !c.is_ascii()).count();
    assert_eq!(status_at(lines[1]), status_at(lines[2]) - wide, "three bytes are two columns: {listed}");
}
