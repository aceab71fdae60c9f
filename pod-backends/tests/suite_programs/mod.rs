//! The programs of the suite of executors, as scripts.

use pod_core::{domain::Payload, testing::executor_suite::TestProgram};

pub(crate) fn payload(program: TestProgram) -> Payload {
    let main = match program {
        TestProgram::Greet => "echo \"hello $1\"",
        TestProgram::Exit => "exit \"$1\"",
        TestProgram::Count => "i=0; while [ $i -lt \"$1\" ]; do echo $i; i=$((i + 1)); done",
        TestProgram::Wait => "trap 'exit 0' TERM; echo waiting; while :; do sleep 0.05; done",
        TestProgram::Unfit => return Payload::Script("echo no >&2; exit 3".into()),
    };
    Payload::Script(format!("cat > main.sh <<'END'\n#!/bin/sh\n{main}\nEND\n").into())
}
