//! Where executions run: in a directory of their own, in a copy, or in one for all.

use std::{fs, path::Path};

use super::harness::{Harness, eventually, finish};
use crate::{
    domain::{AttemptOutcome, Workdir},
    executor::StartRequest,
};

/// Leaves a tree of files beside main.sh.
const TREE: &str = "mkdir -p data/deep bin; echo one > data/file; echo two > data/deep/file; echo three > 'a name'\n\
                    echo four > .hidden; ln -s data/deep current; printf '#!/bin/sh\\necho \"tool $*\"\\n' > tool\n\
                    chmod +x tool; cp tool bin/tool; printf '#!%s/bin/tool\\n' \"$PWD\" > bin/script; chmod +x bin/script\n\
                    cat > main.sh <<'END OF MAIN'\n";

/// Does what its input says, or tells what is in its directory.
const OBEY: &str = "#!/bin/sh\nif [ -n \"$1\" ]; then eval \"$1\"; else\n\
                    ls -A . .pod .pod/tmp .pod/results && cat file && [ ! -L .pod ] && [ -w . ] && [ -w .pod/tmp ]; fi";

/// An activity with a tree of files beside that `main.sh`.
async fn tree(rig: &Harness, main: &str) -> StartRequest {
    let request = rig.installation(format!("{TREE}{main}\nEND OF MAIN\n"));
    let activity = request.activity;
    rig.install(request).await.expect("the installation is a good one");
    rig.request(activity)
}

fn again(rig: &Harness, request: &StartRequest, input: &str) -> StartRequest {
    let mut request = request.clone();
    request.key.execution.0 = rig.number();
    request.input = Some(input).filter(|input| !input.is_empty()).map(Into::into);
    request
}

/// Forty executions, as many at a time as there can be, leave files under the same names in all the places that are theirs.
pub async fn each_execution_sees_what_is_its_own(rig: &Harness) {
    let main = "#!/bin/sh\nls -A . .pod/tmp .pod/results | tr '\\n' ' '\n\
                for at in out.txt \"$TMPDIR/out.txt\" \"$POD_RESULTS/out.txt\"; do echo \"$1\" >> \"$at\"; done\n\
                mkdir dir && echo \"$1\" > dir/out.txt\nsleep 0.0$(($1 % 4))\n\
                cat out.txt \"$TMPDIR/out.txt\" \"$POD_RESULTS/out.txt\" dir/out.txt | tr '\\n' ' '";
    for workdir in [Workdir::Private, Workdir::Copy] {
        let mut request = rig.activity(main).await;
        request.workdir = workdir;
        let at_a_time = (rig.executor().slots() + rig.executor().prefetch_limit()) as usize;
        // One that makes a container for each takes its time.
        let numbers: Vec<usize> = (1..=if rig.executor().prefetch_limit() > 0 { 40 } else { 8 }).collect();
        for portion in numbers.chunks(at_a_time) {
            let mut running = Vec::new();
            for number in portion {
                let mut run = rig.start(again(rig, &request, &number.to_string())).await;
                running.push((number, tokio::spawn(async move { finish(&mut *run).await })));
            }
            for (number, run) in running {
                let outcome = run.await.expect("listening does not fail");
                let beginning = ".:  .pod main.sh  .pod/results:  .pod/tmp: ";
                let expected = format!("{beginning} {}", format!("{number} ").repeat(4));
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
                assert_eq!(words(outcome.text()), words(&expected), "{}", String::from_utf8_lossy(&outcome.stderr));
                assert_eq!(outcome.end, AttemptOutcome::Exited(0));
            }
        }
    }
}

/// Everything that the activity installed has the name that it had there.
pub async fn what_was_installed_is_there_under_its_name(rig: &Harness) {
    let main = "#!/bin/sh\necho \"$0\"\ncd \"$(dirname \"$0\")\"\ncat data/file data/deep/file 'a name' .hidden current/file\n\
                ./tool a; bin/tool b; bin/script";
    let request = tree(rig, main).await;
    for workdir in Workdir::ALL {
        let request = StartRequest { workdir, ..again(rig, &request, "") };
        let outcome = rig.run(request).await;
        let expected = "./main.sh\none\ntwo\nthree\nfour\ntwo\ntool a\ntool b\ntool bin/script\n";
        assert_eq!(outcome.text(), expected, "{workdir:?}: {}", String::from_utf8_lossy(&outcome.stderr));
    }
}

/// The places for temporary files and for results are inside, hidden, and their paths leave room for the names of sockets.
pub async fn its_places_are_inside_and_short(rig: &Harness) {
    let main = "#!/bin/sh\necho *\npwd\necho \"$TMPDIR\"\necho \"$POD_RESULTS\"\n\
                for at in . .pod/tmp .pod/results; do : > $at/written || echo \"$at cannot be written\"; done";
    let mut request = rig.activity(main).await;
    for workdir in [Workdir::Private, Workdir::Copy] {
        let outcome = rig.run(StartRequest { workdir, ..again(rig, &request, "") }).await;
        let lines: Vec<&str> = outcome.text().lines().collect();
        let &[globbed, dir, tmp, results] = &lines[..] else { panic!("four lines: {lines:?}") };
        assert_eq!(globbed, "main.sh");
        assert_eq!([tmp, results], [format!("{dir}/.pod/tmp"), format!("{dir}/.pod/results")]);
        assert!(results.len() <= 60, "{results}");
    }
    // What the activity says about one of them holds, and the other one is not for it to say.
    request.env =
        [("TMPDIR".to_owned(), "/elsewhere".to_owned()), ("POD_RESULTS".to_owned(), "/nowhere".to_owned())].into();
    let outcome = rig.run(again(rig, &request, "")).await;
    let lines: Vec<&str> = outcome.text().lines().collect();
    assert_eq!((lines[2], lines[3]), ("/elsewhere", &*format!("{}/.pod/results", lines[1])));
}

/// Whatever becomes of a working directory, the next one is as new.
pub async fn a_program_may_do_anything_to_its_directory(rig: &Harness) {
    let script = format!("echo original > file; cat > main.sh <<'END OF MAIN'\n{OBEY}\nEND OF MAIN\n");
    let installation = rig.installation(script);
    let request = rig.request(installation.activity);
    rig.install(installation).await.expect("the installation is a good one");
    let expected = rig.run(again(rig, &request, "")).await;
    assert_eq!(expected.end, AttemptOutcome::Exited(0), "{}", String::from_utf8_lossy(&expected.stderr));
    for deed in [
        "true",
        "echo x > litter",
        "echo x > \"$TMPDIR/litter\"",
        "echo x > \"$POD_RESULTS/litter\"",
        "echo x > .pod/litter",
        "mkdir -p litter/deep; echo x > litter/deep/file",
        "mkdir litter; chmod 000 litter",
        "rm -r \"$PWD\"/* .pod",
        "rm -rf \"$PWD\"; true",
        "mv \"$PWD\" \"$PWD-moved\"; echo x > litter; true",
        "rm -rf .pod; echo x > .pod",
        "rm file; echo other > file",
        "rm main.sh; ln -s /bin/sh main.sh",
        "ln -s litter file-2; mkfifo pipe",
        "chmod 555 . .pod/tmp",
        "chmod 000 .pod",
        "chmod 000 .",
        "touch litter; touch -d '2000-01-01 00:00:00Z' . 2>/dev/null || touch -d '2000-01-01 00:00:00' .",
        "mkdir a; cp -a . \"$TMPDIR\"; true",
        "head -c 3000000 /dev/zero > litter",
        "i=0; while [ $i -lt 300 ]; do : > a-long-name-of-a-file-$i; i=$((i+1)); done",
        "d=.; i=0; while [ $i -lt 60 ]; do d=$d/deep; mkdir $d; i=$((i+1)); done",
        "(sleep 0.05; echo x > litter; echo x > .pod/litter) & true",
        "setsid sh -c 'while :; do echo x > litter; echo x > .pod/tmp/litter; done' & sleep 0.05",
        "kill -9 $$",
    ] {
        rig.run(again(rig, &request, deed)).await;
        // Both slots have had a look.
        for _ in 0..3 {
            let outcome = rig.run(again(rig, &request, "")).await;
            assert_eq!(
                (outcome.text(), &outcome.end),
                (expected.text(), &AttemptOutcome::Exited(0)),
                "after {deed}: {}",
                String::from_utf8_lossy(&outcome.stderr)
            );
        }
    }
}

/// Nothing of what executions wrote is left in the worker's directory, soon after they have ended.
pub async fn nothing_is_left_behind(rig: &Harness) {
    let main = "#!/bin/sh\nmkdir -p litter/a/b \"$TMPDIR/litter\"\n\
                for n in 1 2 3; do for at in . litter litter/a litter/a/b \"$TMPDIR/litter\"; do echo x > $at/litter-$n; done; done";
    let request = rig.activity(main).await;
    for workdir in [Workdir::Private, Workdir::Copy, Workdir::Private] {
        let outcome = rig.run(StartRequest { workdir, ..again(rig, &request, "") }).await;
        assert_eq!(outcome.end, AttemptOutcome::Exited(0), "{}", String::from_utf8_lossy(&outcome.stderr));
    }
    eventually("the end of what was left", || (!holds_litter(&rig.path("worker"))).then_some(())).await;
    rig.reopen().await;
    assert!(!holds_litter(&rig.path("worker")));
}

fn holds_litter(dir: &Path) -> bool {
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        entry.file_name().to_string_lossy().starts_with("litter")
            || entry.file_type().is_ok_and(|kind| kind.is_dir()) && holds_litter(&entry.path())
    })
}

/// A copy is the program's own, to its last file.
pub async fn a_copy_may_be_written(rig: &Harness) {
    let main = "#!/bin/sh\necho more >> data/deep/file && echo more >> 'a name' && rm -r data/file bin && chmod 600 tool\n\
                cat data/deep/file 'a name'; [ -e data/file ] || echo gone; ls -A | tr '\\n' ' '";
    let mut request = tree(rig, main).await;
    request.workdir = Workdir::Copy;
    let expected = "two\nmore\nthree\nmore\ngone\n.hidden .pod a name current data main.sh tool ";
    for _ in 0..5 {
        let outcome = rig.run(again(rig, &request, "")).await;
        assert_eq!(outcome.text(), expected, "{}", String::from_utf8_lossy(&outcome.stderr));
    }
}

/// One directory for all, as it was before there was a choice; also where executions of other activities between have
/// directories of their own.
pub async fn what_is_shared_stays(rig: &Harness) {
    let mut counts = rig.activity("#!/bin/sh\necho x >> count; wc -l < count; echo \"[$POD_RESULTS]\"").await;
    counts.workdir = Workdir::Shared;
    let private = rig.activity("#!/bin/sh\nls -A").await;
    for number in 1..=9 {
        let outcome = rig.run(again(rig, &counts, "")).await;
        assert_eq!(outcome.text().split_whitespace().collect::<Vec<_>>(), [&*number.to_string(), "[]"]);
        if number > 3 {
            assert_eq!(rig.run(again(rig, &private, "")).await.text(), ".pod\nmain.sh\n");
        }
    }
    // Those that wait in a busy slot, too.
    let mut running = Vec::new();
    for number in 0..rig.executor().slots() + rig.executor().prefetch_limit() {
        let request = if number % 2 == 0 { &counts } else { &private };
        let mut run = rig.start(again(rig, request, "")).await;
        running.push(tokio::spawn(async move { finish(&mut *run).await.end }));
    }
    for run in running {
        assert_eq!(run.await.expect("listening does not fail"), AttemptOutcome::Exited(0));
    }
}

/// What an activity installed is not for its executions to change. Where mounts can be had they cannot; elsewhere a link,
/// and the real path of anything, leads to what others see, as `docs/activities.md` says.
pub async fn a_write_through_a_link(rig: &Harness) {
    let main = "#!/bin/sh\nout() { echo \"$1: $({ echo x >> \"$2\"; } 2>&1 | sed 's/.*: //')\"; }\n\
                [ -z \"$1\" ] || { out file .hidden; out dir data/new; out deep data/deep/file; \
                out real \"$(dirname \"$(readlink -f main.sh)\")/real\"; }\n\
                cat .hidden data/deep/file; ls -A . data | tr '\\n' ' '";
    let request = tree(rig, main).await;
    let before = rig.run(again(rig, &request, "")).await;
    let writes = rig.run(again(rig, &request, "write")).await;
    let after = rig.run(again(rig, &request, "")).await;
    let text = writes.text();
    let told: Vec<(&str, &str)> = text.lines().take(4).map(|line| line.split_once(": ").expect("a colon")).collect();
    let refused = ["file", "dir", "deep", "real"].map(|what| (what, "Read-only file system"));
    if told == refused {
        assert_eq!(before.text(), after.text(), "nobody sees what could not be written");
        return;
    }
    assert_eq!(told, ["file", "dir", "deep", "real"].map(|what| (what, "")), "each leads there, or none");
    assert!(after.text().starts_with("four\nx\ntwo\nx\n") && after.text().contains("new"), "{}", after.text());
    assert!(after.text().contains("real"), "{}", after.text());
}

/// An installation that was made again is what the next execution finds.
pub async fn an_installation_that_was_made_again_is_found(rig: &Harness) {
    let mut installation = rig.installation("echo one > first; echo 'ls; cat *st' > main.sh");
    let request = rig.request(installation.activity);
    rig.install(installation.clone()).await.expect("good");
    for workdir in [Workdir::Private, Workdir::Private, Workdir::Copy] {
        let outcome = rig.run(StartRequest { workdir, ..again(rig, &request, "") }).await;
        assert_eq!(outcome.text(), "first\nmain.sh\none\n");
    }
    installation.payload =
        crate::domain::Payload::Script("echo two > last; echo 'ls; cat *st' > main.sh".to_owned().into());
    rig.executor().remove(request.activity, request.revision).await.expect("removable");
    rig.install(installation).await.expect("good");
    for workdir in [Workdir::Private, Workdir::Private, Workdir::Copy] {
        let outcome = rig.run(StartRequest { workdir, ..again(rig, &request, "") }).await;
        assert_eq!(outcome.text(), "last\nmain.sh\ntwo\n");
    }
}

/// More activities than a slot has places for.
pub async fn many_activities_take_turns(rig: &Harness) {
    let mut activities = Vec::new();
    for number in 0..9 {
        activities.push(rig.activity(&format!("#!/bin/sh\nls -A; echo {number}; echo x > litter")).await);
    }
    for _ in 0..4 {
        for (number, request) in activities.iter().enumerate() {
            assert_eq!(rig.run(again(rig, request, "")).await.text(), format!(".pod\nmain.sh\n{number}\n"));
        }
    }
}
