//! What the words of a command line mean: options, inputs, names and paths.

use pod_tests::Pod;

const SHOWS: &str = "printf '%s|%s|%s\\n' \"$#\" \"$1\" \"$LEVEL\"\n";

#[test]
fn options_stand_where_docker_takes_them_and_a_misspelt_one_is_no_input() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let program = pod.program("shows", SHOWS);
    let program = program.as_str();
    let taken: [(&[&str], &str); 12] = [
        (&["-eLEVEL=2", program, "x"], "1|x|2\n"),
        (&[program, "-eLEVEL=2"], "0||2\n"),
        (&[program, "-e", "LEVEL=2", "x"], "1|x|2\n"),
        (&[program, "x", "-eLEVEL=2"], "1|x|2\n"),
        (&["--timeout=30s", program, "x", "--env=LEVEL=-3"], "1|x|-3\n"),
        (&[program, "-5"], "1|-5|\n"),
        (&[program, "-0.25", "-eLEVEL=-1"], "1|-0.25|-1\n"),
        (&[program, "--", "--help"], "1|--help|\n"),
        (&[program, "-eLEVEL=2", "--", "-eLEVEL=3"], "1|-eLEVEL=3|2\n"),
        (&["--", program, "-v"], "1|-v|\n"),
        (&[program, "--", "--"], "1|--|\n"),
        (&[program, ""], "1||\n"),
    ];
    for (words, stdout) in taken {
        let ran = pod.run(&[&["run"], words].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), stdout), "{words:?}: {}", ran.stderr);
    }
    let mapped = pod.run_with(&["map", program, "-eLEVEL=3", "-"], b"-v\n");
    assert_eq!((mapped.code, mapped.stdout.as_str()), (Some(0), "1|-v|3\n"), "{}", mapped.stderr);

    let refused: [(&[&str], &str); 7] = [
        (&[program, "--data-dri=/x"], "'--data-dri' found\n\n  tip: a similar argument exists: '--data-dir'"),
        (&[program, "-v"], "unexpected argument '-v'"),
        (&[program, "x", "-v"], "unexpected argument '-v'"),
        (&["--timout=3", program], "'--timout' found\n\n  tip: a similar argument exists: '--timeout'"),
        (&[program, "--retry", "3"], "unexpected argument '--retry' found"),
        (&[program, "--retries", "-1"], "'-1' for '--retries <N>'"),
        (&[program, "--max-fail", "3"], "unexpected argument '--max-fail'"),
    ];
    for (words, sentence) in refused {
        for command in ["run", "map"] {
            let ran = pod.run(&[&[command], words].concat());
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{command} {words:?}: {}", ran.stderr);
            assert!(ran.stderr.contains(sentence), "{command} {words:?}: {}", ran.stderr);
        }
    }
    let listed = pod.run(&["ps", "-a", "-o", "ndjson"]);
    assert_eq!(listed.stdout.lines().count(), taken.len() + 1, "what is refused starts nothing");
}

#[test]
fn a_name_that_is_a_path_and_an_activity_is_not_guessed() {
    let pod = Pod::new();
    let server = pod.serve(&[]);
    let url = server.url();
    for name in ["thumbs", "notes", "app.v2"] {
        let body = serde_json::json!({"name": name, "script": "printf 'echo registered\\n' > main.sh"}).to_string();
        let url = format!("{url}/api/v1/activities");
        let curl = ["-sf", "-H", "content-type: application/json", "-d", &body, &url];
        assert!(std::process::Command::new("curl").args(curl).output().unwrap().status.success());
    }
    let here = pod.path("here");
    let within = |arguments: &[&str]| {
        let output = pod.command(arguments).current_dir(&here).output().unwrap();
        pod_tests::Ran::from(output)
    };
    for name in ["thumbs", "job", "app.v2"] {
        pod.program(&format!("here/{name}"), "echo here\n");
    }
    std::fs::write(here.join("notes"), "").unwrap();
    std::fs::write(here.join("lines"), "x\n").unwrap();

    for words in [&["run", "thumbs"][..], &["map", "thumbs", "lines"], &["run", "notes"], &["map", "notes", "lines"]] {
        let ran = within(words);
        let name = words[1];
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{words:?}: {}", ran.stderr);
        let both = ran.stderr.contains(&format!("./{name} ")) && ran.stderr.contains(&format!("activity:{name} "));
        assert!(both, "{words:?}: {}", ran.stderr);
    }
    // Nothing became of what is registered.
    for (words, stdout) in [
        (&["run", "activity:thumbs"][..], "registered\n"),
        (&["map", "activity:thumbs", "lines"], "registered\n"),
        (&["run", "activity:notes"], "registered\n"),
        // What was made of a directory here is the directory's, as often as it is run.
        (&["run", "job"], "here\n"),
        (&["run", "job"], "here\n"),
        (&["map", "job", "lines"], "here\n"),
        (&["run", "./job"], "here\n"),
        // With a dot, it is a path.
        (&["run", "app.v2"], "here\n"),
    ] {
        let ran = within(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), stdout), "{words:?}: {}", ran.stderr);
    }
    let file = within(&["run", "lines"]);
    assert!(file.code == Some(1) && file.stderr.contains("lines is a file"), "{}", file.stderr);
}

#[test]
fn an_empty_filter_is_refused() {
    let pod = Pod::new();
    let _server = pod.serve(&[]);
    let refused = |given: &[&str]| {
        let ran = pod.run(given);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{given:?}: {}", ran.stderr);
    };
    for command in ["terminate", "retry", "ps"] {
        for option in ["--activity", "--status", "--since", "--until"] {
            refused(&[command, option, ""]);
            refused(&[command, &format!("{option}="), "--status", "failed"]);
        }
        for blank in [" ", "\u{a0}", "\u{200b}"] {
            refused(&[command, "--activity", blank]);
        }
    }
}
