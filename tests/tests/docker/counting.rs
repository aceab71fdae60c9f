//! A program that counts, by which one sees that nothing of its output is missing.

use serde_json::json;

use crate::client;

/// Counts until the file is there; [`check`] looks at what it printed.
pub(crate) const COUNTING: &str =
    "i=0; while [ ! -e /tmp/stop ]; do i=$((i + 1)); echo $i; sleep 0.01; done; echo end $i";

/// The execution of [`COUNTING`] has finished at its first attempt, and no number is missing or there twice.
pub(crate) fn check(url: &str, id: u64) {
    let ended = client::ended(url, id);
    assert_eq!((&ended["status"], &ended["attempt"]), (&json!("finished"), &json!(1)), "{ended}");
    let text = String::from_utf8(client::stdout(url, id).body).expect("text");
    let last: u32 = text.lines().last().and_then(|line| line.strip_prefix("end ")?.parse().ok()).expect("a last line");
    let expected: String =
        (1..=last).map(|number| format!("{number}\n")).collect::<String>() + &format!("end {last}\n");
    assert!(text == expected, "{} bytes are there and {} should be", text.len(), expected.len());
}
