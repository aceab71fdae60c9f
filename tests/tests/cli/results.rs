//! `pod map --results`: a result belongs to the line, the program and the settings that made it, whatever happens.

use std::{
    fs::{self, read_to_string},
    path::PathBuf,
};

use pod_tests::{Live, Pod, Ran};

/// A map into a directory.
struct Map {
    pod: Pod,
    program: String,
}

impl Map {
    fn of(main: &str) -> Self {
        let pod = Pod::new();
        let program = pod.program("maps", main);
        Self { pod, program }
    }

    fn arguments<'a>(&'a self, results: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["map", &self.program, "-", "--results", results], more].concat()
    }

    fn run(&self, lines: &str, more: &[&str]) -> Ran {
        let results = self.results();
        self.pod.run_with(&self.arguments(results.to_str().unwrap(), more), lines.as_bytes())
    }

    /// Runs it on in the background, with the lines from a file.
    fn begin(&self, lines: &str, more: &[&str]) -> Live {
        let (results, file) = (self.results(), self.pod.path("lines"));
        fs::write(&file, lines).unwrap();
        let mut arguments = self.arguments(results.to_str().unwrap(), more);
        arguments[2] = file.to_str().unwrap();
        self.pod.spawn(&arguments, &[("POD_SLOTS", "1")])
    }

    fn results(&self) -> PathBuf {
        self.pod.path("results")
    }

    /// What stands in the files of that ending, by the number of the line; absent ones as `-`.
    fn all(&self, ending: &str, lines: u64) -> String {
        let one = |number| {
            let text = read_to_string(self.results().join(format!("{number}.{ending}")));
            text.map_or("-".to_owned(), |text| text.trim_end().to_owned())
        };
        (1..=lines).map(one).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn a_result_is_taken_only_where_line_program_and_settings_are_the_same() {
    let map = Map::of("echo \"$LEVEL$1\"\n");
    let _server = map.pod.serve(&[]);
    let rerun = |count: &str| format!("pod: {count}, but with another line, another program or other settings\n");
    assert_eq!(map.run("a\nb\nc\n", &[]).code, Some(0));
    let same = map.run("a\nb\nc\n", &["--retry-failed"]);
    assert_eq!((same.code, same.stderr.as_str()), (Some(0), ""));
    assert_eq!(map.pod.run(&["ps", "-a", "-o", "ndjson"]).stdout.lines().count(), 3, "nothing was run again");

    // Another line among them, and one more.
    let other = map.run("a\nx\nc\nd\n", &["--retry-failed"]);
    assert_eq!((other.code, other.stderr), (Some(0), rerun("1 line was run again: it had succeeded")));
    assert_eq!(map.all("out", 4), "a x c d");
    // Fewer.
    let fewer = map.run("a\nx\n", &["--retry-failed"]);
    assert_eq!((fewer.code, fewer.stderr.as_str()), (Some(0), ""));
    assert_eq!((map.all("out", 4), map.all("exit", 4)), ("a x - -".into(), "0 0 - -".into()));
    // Other settings.
    let settings = map.run("a\nx\n", &["--retry-failed", "-e", "LEVEL=9"]);
    assert_eq!((settings.code, settings.stderr), (Some(0), rerun("2 lines were run again: they had succeeded")));
    assert_eq!(map.all("out", 2), "9a 9x");
    // Another program.
    map.pod.program("maps", "echo \"new $LEVEL$1\"\n");
    let program = map.run("a\nx\n", &["--retry-failed", "-e", "LEVEL=9"]);
    assert_eq!((program.code, program.stderr), (Some(0), rerun("2 lines were run again: they had succeeded")));
    assert_eq!(map.all("out", 2), "new 9a new 9x");
    // A result of which nobody knows what made it.
    fs::remove_file(map.results().join("1.made")).unwrap();
    let unknown = map.run("a\nx\n", &["--retry-failed", "-e", "LEVEL=9"]);
    assert_eq!((unknown.code, unknown.stderr), (Some(0), rerun("1 line was run again: it had succeeded")));

    // A map that is not to go on leaves nothing of an earlier one.
    fs::write(map.results().join("notes.txt"), "mine").unwrap();
    assert_eq!(map.run("z\n", &[]).code, Some(0));
    assert_eq!((map.all("out", 3), map.all("exit", 3)), ("new z - -".into(), "0 - -".into()));
    assert_eq!(read_to_string(map.results().join("notes.txt")).unwrap(), "mine");
}

#[test]
fn a_registered_activity_is_known_by_its_revision() {
    let map = Map::of("echo one\n");
    let _server = map.pod.serve(&[]);
    let results = map.results();
    let arguments = ["map", "maps", "-", "--results", results.to_str().unwrap(), "--retry-failed"];
    assert_eq!(map.pod.run(&["run", &map.program]).code, Some(0));
    for _ in 0..2 {
        let ran = map.pod.run_with(&arguments, b"a\n");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    }
    map.pod.program("maps", "echo two\n");
    assert_eq!(map.pod.run(&["run", &map.program]).code, Some(0));
    let ran = map.pod.run_with(&arguments, b"a\n");
    assert!(ran.code == Some(0) && ran.stderr.contains("1 line was run again"), "{}", ran.stderr);
    assert_eq!(map.all("out", 1), "two");
}

#[test]
fn an_interrupted_map_says_how_far_it_came_and_goes_on_truthfully() {
    let map = Map::of("echo \"v1 $1\"\n");
    assert_eq!(map.run("a\nb\nc\nd\n", &[]).code, Some(0));
    // The new program stays at the third line, and at the fourth where it has begun.
    let (up, go) = (map.pod.path("up"), map.pod.path("go"));
    let main = "case $1 in c | d) : > UP; until [ -e GO ]; do sleep 0.02; done;; esac\necho \"v2 $1\"\n";
    let main = main.replace("UP", up.to_str().unwrap()).replace("GO", go.to_str().unwrap());
    map.pod.program("maps", &main);
    let live = map.begin("a\nb\nc\nd\n", &[]);
    pod_tests::until("the third line runs", || up.exists() && map.all("exit", 2) == "0 0");
    live.interrupt();
    let ran = live.finish();
    assert_eq!(ran.code, Some(130), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 of the 4 lines that were read are done; 2 were terminated"), "{}", ran.stderr);
    assert!(ran.stderr.contains("with --retry-failed goes on with the rest"), "{}", ran.stderr);
    assert_eq!((map.all("out", 2), map.all("exit", 4)), ("v2 a v2 b".into(), "0 0 - -".into()));

    fs::write(go, "").unwrap();
    let ran = map.run("a\nb\nc\nd\n", &["--retry-failed"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(map.all("out", 4), "v2 a v2 b v2 c v2 d");
}

#[test]
fn whatever_ends_a_map_early_says_how_to_go_on() {
    let map = Map::of("[ \"$1\" != bad ] || exit 4\necho \"$1\"\n");
    let limited = map.run("a\nbad\nbad\n", &["--max-fails", "1"]);
    assert_eq!(limited.code, Some(1));
    let said = |part: &str| assert!(limited.stderr.contains(part), "{part}: {}", limited.stderr);
    // Whichever of the two ends first.
    said("lines failed (line ");
    said("lines that were read are done");
    said("the same command with --retry-failed goes on with the rest");
    // A result that cannot be written ends it, too.
    fs::remove_dir_all(map.results()).unwrap();
    fs::create_dir_all(map.results().join("2.out")).unwrap();
    let unwritable = map.run("a\nb\nc\n", &["--retry-failed"]);
    assert_eq!(unwritable.code, Some(1), "{}", unwritable.stderr);
    assert!(unwritable.stderr.contains("2.out cannot be written"), "{}", unwritable.stderr);
    assert!(unwritable.stderr.contains("of the 3 lines that were read are done"), "{}", unwritable.stderr);
    assert!(unwritable.stderr.contains("the same command goes on with the rest"), "{}", unwritable.stderr);
    // On stdout there is nothing to go on from.
    let (up, stays) = (map.pod.path("up"), map.pod.program("stays", ": > \"$1\"\nsleep 1000\n"));
    fs::write(map.pod.path("lines"), format!("{}\n", up.display())).unwrap();
    let live = map.pod.spawn(&["map", &stays, map.pod.path("lines").to_str().unwrap()], &[]);
    pod_tests::until("it runs", || up.exists());
    live.interrupt();
    let ran = live.finish();
    assert_eq!(ran.code, Some(130));
    let sentence =
        "pod: 0 of the 1 lines that were read are done; 1 was terminated; with --results DIR, a map can go on";
    assert!(ran.stderr.contains(sentence), "{}", ran.stderr);
}

#[test]
fn a_line_that_is_run_once_more_is_terminated_with_the_rest() {
    let map = Map::of("[ ! -e \"$1\" ] || { echo again; sleep 1000; }\n: > \"$1\"\nexit 1\n");
    let once = map.pod.path("once");
    let live = map.begin(&format!("{}\n", once.display()), &["--retry-failed"]);
    let again = || map.pod.run(&["logs", "2"]).stdout == "again\n";
    pod_tests::until("it runs again", || once.exists() && again());
    live.interrupt();
    assert_eq!(live.finish().code, Some(130));
    let _server = map.pod.serve(&[]);
    assert_eq!(map.pod.run(&["wait", "1", "2"]).stdout, "failed\nterminated\n");
}
