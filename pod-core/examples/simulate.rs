//! Runs many seeds of the simulator on all processors, and says which invariant broke, if one did.
//!
//! ```sh
//! cargo run --release -p pod-core --features testing --example simulate -- --seeds 100000
//! cargo run --release -p pod-core --features testing --example simulate -- --first 4711 --seeds 1
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use pod_core::testing::simulator::{Mode, Options, Report, Violation, run, shrink};

const USAGE: &str = "\
Runs seeds of the simulator.

    --seeds N            how many (1000)
    --first N            the first of them (0)
    --executions N       how many executions each submits (40)
    --faults-until MS    until when faults happen, in virtual milliseconds (120000)
    --no-worker-faults   workers do not die, and nothing may run twice
    --history N          how many of the last things that happened are told (80)
    --safety             faults never end; nothing need finish, and no invariant may break
    --keep-going         do not stop at the first that fails
";

struct Wanted {
    first: u64,
    seeds: u64,
    keep_going: bool,
    options: Options,
}

fn wanted() -> Result<Wanted, String> {
    let mut wanted = Wanted { first: 0, seeds: 1000, keep_going: false, options: Options::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments.next().unwrap_or_default();
            value.parse::<u64>().map_err(|_| format!("{argument} needs a number, and got {value:?}"))
        };
        match argument.as_str() {
            "--first" => wanted.first = number()?,
            "--seeds" => wanted.seeds = number()?,
            "--executions" => wanted.options.executions = u32::try_from(number()?).unwrap_or(u32::MAX),
            "--faults-until" => wanted.options.faults_until = number()?.cast_signed(),
            "--history" => wanted.options.history = usize::try_from(number()?).unwrap_or(usize::MAX),
            "--no-worker-faults" => wanted.options.worker_faults = false,
            "--safety" => wanted.options.mode = Mode::Safety,
            "--keep-going" => wanted.keep_going = true,
            other => return Err(format!("there is no option {other}\n\n{USAGE}")),
        }
    }
    Ok(wanted)
}

/// What all seeds amounted to.
#[derive(Default)]
struct Outcome {
    total: Report,
    done: u64,
    violations: Vec<Violation>,
}

fn main() -> ExitCode {
    let wanted = match wanted() {
        Ok(wanted) => wanted,
        Err(said) => {
            eprintln!("{said}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|_| {})); // a panic is a violation, and told as one
    let (next, outcome, begun) = (AtomicU64::new(0), Mutex::new(Outcome::default()), Instant::now());
    let last_told = Mutex::new(Instant::now());
    let lock = || outcome.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= wanted.seeds || (!wanted.keep_going && !lock().violations.is_empty()) {
                        return;
                    }
                    let result = run(wanted.first + number, &wanted.options);
                    let mut outcome = lock();
                    outcome.done += 1;
                    match result {
                        Ok(report) => outcome.total = outcome.total.and(report),
                        Err(violation) => {
                            eprintln!("seed {}: {}", violation.seed, violation.sentence);
                            outcome.violations.push(*violation);
                        }
                    }
                    let mut last = last_told.lock().unwrap_or_else(PoisonError::into_inner);
                    if last.elapsed() >= Duration::from_secs(10) {
                        *last = Instant::now();
                        eprintln!("{} of {} seeds, {} failed", outcome.done, wanted.seeds, outcome.violations.len());
                    }
                }
            });
        }
    });
    let Outcome { total, done, violations } = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    let seconds = begun.elapsed().as_secs_f64();
    println!("{done} seeds in {seconds:.1} s, {:.0} per second", done as f64 / seconds);
    println!("{total:#?}");
    let Some(first) = violations.first() else { return ExitCode::SUCCESS };
    println!("{}", shrink(&wanted.options, first));
    println!("{} of {done} seeds failed; --first {} --seeds 1 repeats the first whole", violations.len(), first.seed);
    ExitCode::FAILURE
}
