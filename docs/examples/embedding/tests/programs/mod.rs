//! The programs of the suites, as functions.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use embedding::functions::{Function, FunctionExecutor, Functions};
use pod_core::{
    domain::Payload,
    executor::Executor,
    testing::{
        executor_suite::{ExecutorDriver, TestProgram},
        provisioner_suite::Work,
    },
};

const PROGRAMS: [(&str, Function); 4] = [
    ("greet", |input, printer, _| {
        printer.line(&format!("hello {}", input.as_deref().unwrap_or_default()));
        0
    }),
    ("exit", |input, _, _| input.as_deref().and_then(|code| code.parse().ok()).unwrap_or(99)),
    ("count", |input, printer, _| {
        let lines = input.as_deref().and_then(|lines| lines.parse().ok()).unwrap_or(0);
        (0..lines).for_each(|number: u32| printer.line(&number.to_string()));
        0
    }),
    ("wait", |input, printer, stop| {
        let mark = input.unwrap_or_default();
        running().insert(mark.clone());
        printer.line("waiting");
        while !stop.is_cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        running().remove(&mark);
        0
    }),
];

/// The inputs of what waits at the moment.
fn running() -> MutexGuard<'static, BTreeSet<Arc<str>>> {
    static RUNNING: Mutex<BTreeSet<Arc<str>>> = Mutex::new(BTreeSet::new());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn functions() -> Functions {
    Functions::new(PROGRAMS)
}

/// An executor of functions for the suite of executors.
pub struct FunctionDriver;

#[async_trait]
impl ExecutorDriver for FunctionDriver {
    async fn open(&self, _: PathBuf, slots: u32) -> Arc<dyn Executor> {
        Arc::new(FunctionExecutor::new(functions(), slots))
    }

    fn payload(&self, program: TestProgram) -> Payload {
        let name = match program {
            TestProgram::Greet => "fn:greet",
            TestProgram::Exit => "fn:exit",
            TestProgram::Count => "fn:count",
            TestProgram::Wait => "fn:wait",
            TestProgram::Unfit => "fn:nobody-has-this",
        };
        Payload::Script(name.into())
    }
}

/// What workers of functions are given to do by the suite of provisioners.
pub struct WaitingFunctions;

impl Work for WaitingFunctions {
    fn payload(&self, _: &str) -> Payload {
        Payload::Script("fn:wait".into())
    }

    fn runs(&self, mark: &str) -> bool {
        running().contains(mark)
    }
}
