//! Programs that try to get away.

use std::fs;

use super::harness::{Harness, already_gone, eventually, finish, line, with_variable};
use crate::{
    domain::{AttemptOutcome, Millis},
    executor::StopMode,
};

/// Starts three processes that leave their group, their session, their parent and their environment, ignore every
/// polite signal and hold the pipes open; each notes its number down in `note`. Returns when all have.
fn escape(note: &std::path::Path) -> String {
    format!(
        r#"#!/bin/sh
stay='trap "" TERM HUP INT; echo $$ >> "$0"; while :; do sleep 0.1; done'
setsid sh -c "$stay" '{note}' &
( env -i sh -c "$stay" '{note}' & )
( setsid env -i setsid sh -c "( $stay ) & exec sleep 1000" '{note}' & )
while [ "$(wc -l < '{note}' 2>/dev/null || echo 0)" -lt 3 ]; do sleep 0.01; done
echo escaped
"#,
        note = note.display()
    )
}

/// The program ends by itself; what it left behind ends with it, and tells nobody anything else.
pub async fn escapees_end_with_the_program(rig: &Harness) {
    let outcome = rig.run_main(&format!("{}exit 4", escape(&rig.path("pids")))).await;
    already_gone(&rig.pids("pids", 3).await);
    assert_eq!((outcome.text(), &outcome.end), ("escaped\n", &AttemptOutcome::Exited(4)));
}

/// As above, on request.
pub async fn escapees_end_when_it_is_terminated(rig: &Harness) {
    let mut request = rig.activity(&format!("{}sleep 1000", escape(&rig.path("pids")))).await;
    request.grace = Millis(200);
    let mut run = rig.start(request).await;
    assert_eq!(line(&mut *run).await, "escaped\n");
    run.stop(StopMode::Terminate);
    assert_eq!(finish(&mut *run).await.end, AttemptOutcome::Terminated);
    already_gone(&rig.pids("pids", 3).await);
}

/// As above, when the time is up.
pub async fn escapees_end_with_the_time_limit(rig: &Harness) {
    let mut request = rig.activity(&format!("{}sleep 1000", escape(&rig.path("pids")))).await;
    request.timeout = Some(Millis(1500));
    request.grace = Millis(100);
    assert_eq!(rig.run(request).await.end, AttemptOutcome::TimedOut);
    already_gone(&rig.pids("pids", 3).await);
}

/// Who waits for the end of the pipe would wait for the child.
pub async fn a_child_that_holds_the_pipe_does_not_hold_the_end(rig: &Harness) {
    let outcome = rig.run_main("#!/bin/sh\n(sleep 1000; echo never) &\necho $!\necho problem >&2").await;
    assert_eq!(outcome.end, AttemptOutcome::Exited(0));
    assert_eq!(outcome.stderr, b"problem\n");
    already_gone(&[outcome.text().trim().parse().expect("a process id")]);
}

/// Processes that start others faster than one can look.
pub async fn a_fork_storm_ends(rig: &Harness) {
    let storm = "#!/bin/sh\ntrap '' TERM\nstorm() { while :; do ( ( sleep 0.03; : ) & ) ; done; }\n\
                 storm & storm &\necho storming\n[ \"$1\" = stay ] && storm\nsleep 0.2";
    let mut request = rig.activity(storm).await;
    let mark = format!(
        "{:x}",
        rig.path("storm")
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(7_u64, |sum, &byte| { sum.wrapping_mul(31).wrapping_add(u64::from(byte)) })
    );
    request.env.insert("POD_SUITE_STORM".to_owned(), mark.clone());
    request.grace = Millis(50);
    let variable = format!("POD_SUITE_STORM={mark}");
    assert_eq!(rig.run(request.clone()).await.end, AttemptOutcome::Exited(0));
    assert_eq!(with_variable(&variable), [] as [u32; 0]);
    request.input = Some("stay".into());
    request.key.execution.0 = rig.number();
    let mut run = rig.start(request).await;
    assert_eq!(line(&mut *run).await, "storming\n");
    eventually("some of the storm", || (with_variable(&variable).len() > 5).then_some(())).await;
    run.stop(StopMode::Terminate);
    assert_eq!(finish(&mut *run).await.end, AttemptOutcome::Terminated);
    assert_eq!(with_variable(&variable), [] as [u32; 0]);
}

/// The other slot goes on, whatever becomes of this one.
pub async fn the_neighbour_notices_nothing(rig: &Harness) {
    let go = rig.path("go");
    let main = format!(
        "#!/bin/sh\nsetsid sleep 1000 &\necho ready\ni=0\nwhile [ ! -e '{}' ]; do i=$((i+1)); echo $i >&2; sleep 0.01; done\nkill $! && echo mine",
        go.display()
    );
    let neighbour = rig.activity(&main).await;
    let mut neighbour = rig.start(neighbour).await;
    assert_eq!(line(&mut *neighbour).await, "ready\n");
    for (name, tail) in [("first", "exit 0"), ("second", "sleep 1000")] {
        let mut request = rig.activity(&format!("{}{tail}", escape(&rig.path(name)))).await;
        request.timeout = Some(Millis(1500));
        request.grace = Millis(50);
        rig.run(request).await;
        already_gone(&rig.pids(name, 3).await);
    }
    fs::write(go, "").expect("writable");
    let outcome = finish(&mut *neighbour).await;
    assert_eq!((outcome.text(), &outcome.end), ("mine\n", &AttemptOutcome::Exited(0)), "its own child was still there");
    let count = outcome.stderr.split(|&byte| byte == b'\n').count() - 1;
    let expected: String = (1..=count).map(|number| format!("{number}\n")).collect();
    assert_eq!(String::from_utf8(outcome.stderr).expect("numbers"), expected);
}
