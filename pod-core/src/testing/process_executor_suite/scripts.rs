//! Scripts as editors save them, and those that hold more than a script.

use std::fs;

use super::harness::Harness;
use crate::domain::AttemptOutcome;

/// A shell header, more text than one looks at in passing, and a payload that holds everything.
fn self_extracting(header: &str) -> (Vec<u8>, Vec<u8>) {
    let mut payload: Vec<u8> = (0..=255).collect();
    payload.extend(b"\r\n\r\n text \r\n");
    let comments = "# a line of a long header .............................\n".repeat(400);
    let length = |skip: usize| format!("{}{comments}", header.replace("SKIP", &format!("{skip:07}")));
    let skip = length(0).len() + 1;
    let mut file = length(skip).into_bytes();
    file.extend(&payload);
    (file, payload)
}

/// A program that unpacks itself from behind its script, as many installers are.
pub async fn a_payload_behind_a_program_is_not_touched(rig: &Harness) {
    let (file, payload) = self_extracting("#!/bin/sh\ntail -c +SKIP \"$0\"; exit 0\n");
    fs::write(rig.path("main"), file).expect("writable");
    let request = rig.installation(format!("cp '{}' main.sh", rig.path("main").display()));
    rig.install(request.clone()).await.expect("good");
    assert_eq!(rig.run(rig.request(request.activity)).await.stdout, payload);
}

/// An installation script that unpacks itself.
pub async fn a_payload_behind_an_installation_script_is_not_touched(rig: &Harness) {
    let header = "#!/bin/bash\ntail -c +SKIP \"$0\" > payload; printf '#!/bin/sh\\ncat payload' > main.sh; exit 0\n";
    let (file, payload) = self_extracting(header);
    let request = rig.installation(file);
    rig.install(request.clone()).await.expect("good");
    assert_eq!(rig.run(rig.request(request.activity)).await.stdout, payload);
}

/// A text that writes what must have such line ends: a request, a letter.
pub async fn wanted_carriage_returns_stay(rig: &Harness) {
    let outcome = rig.run_main("#!/bin/sh\ncat <<'END'\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\nEND").await;
    assert_eq!(
        (outcome.text(), outcome.end.clone()),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", AttemptOutcome::Exited(0))
    );
}

/// What has another name, outside of the activity, is nobody's to change.
pub async fn a_file_with_another_name_is_not_touched(rig: &Harness) {
    for (name, text) in [("windows", "#!/bin/sh\r\necho it runs\r\n"), ("closed", "#!/bin/sh\necho it runs\n")] {
        let shared = rig.path(name);
        fs::write(&shared, text).expect("writable");
        let script = format!("chmod 600 '{0}'; ln '{0}' main.sh 2>&1", shared.display());
        let request = rig.installation(script);
        rig.install(request.clone()).await.expect("good");
        assert_eq!(rig.run(rig.request(request.activity)).await.text(), "it runs\n");
        assert_eq!(fs::read_to_string(&shared).expect("readable"), text, "{name}");
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&shared).expect("there"));
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// Some editors put a mark in front of what they save.
pub async fn the_mark_of_an_editor_does_not_matter(rig: &Harness) {
    for main in ["#!/bin/sh\\necho 1\\n", "#!/bin/sh\\r\\necho 1\\r\\n", "echo 1\\n"] {
        let request = rig.installation(format!("\u{feff}printf '\\357\\273\\277{main}' > main.sh"));
        rig.install(request.clone()).await.expect("good");
        let outcome = rig.run(rig.request(request.activity)).await;
        assert_eq!((outcome.text(), &outcome.end), ("1\n", &AttemptOutcome::Exited(0)), "{main}");
        assert_eq!(outcome.stderr, b"", "{main}");
    }
}

/// Others save what no interpreter reads: that is said, for the installation script and for the program.
pub async fn text_that_no_interpreter_reads_is_refused(rig: &Harness) {
    let wide: Vec<u8> = "\u{feff}echo hi > main.sh".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for script in [wide, b"printf '\\377\\376#\\000!\\000/\\000b\\000' > main.sh".to_vec()] {
        let error = rig.install(rig.installation(script)).await.expect_err("nobody reads that");
        assert!(error.permanent && error.message.contains("UTF-16") && error.message.contains("UTF-8"), "{error}");
    }
}

/// A text whose first line only ends as on Windows cannot be run, and that is why.
pub async fn line_ends_of_both_kinds_are_named(rig: &Harness) {
    let request = rig.installation("printf '#!/bin/sh\\r\\necho hi\\n' > main.sh");
    rig.install(request.clone()).await.expect("good");
    let AttemptOutcome::StartFailed(reason) = rig.run(rig.request(request.activity)).await.end else {
        panic!("it cannot be started")
    };
    assert!(reason.contains("line ends"), "{reason}");
}
