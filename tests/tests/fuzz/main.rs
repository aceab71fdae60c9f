//! What strangers send is parsed without harm: every target over its corpus, and then over mutations of it for a while.
//!
//! `POD_FUZZ_SECONDS` says for how long, `POD_FUZZ_TARGET` which target alone, `POD_TEST_SEED` how chance begins.

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pod_tests::fuzz::{Mutator, TARGETS, Target};

/// For how long all targets together are run, unless it is said.
const SECONDS: u64 = 10;
/// No input is worth so long, on a machine that does other things, too, and without optimisation.
const TOO_LONG: Duration = Duration::from_secs(10);
/// No input of 64 KiB is worth so much memory.
const TOO_MUCH: u64 = 1 << 30;

#[test]
fn what_strangers_send_is_parsed_without_harm() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos().into());
    let seed = number("POD_TEST_SEED").unwrap_or(now);
    let only = env::var("POD_FUZZ_TARGET").ok();
    let targets: Vec<&Target> =
        TARGETS.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)).collect();
    assert!(!targets.is_empty(), "there is no target of that name; there are {:?}", names());
    let seconds = number("POD_FUZZ_SECONDS").unwrap_or(SECONDS);
    let share = Duration::from_secs(seconds) / u32::try_from(targets.len()).expect("a few");
    eprintln!("POD_TEST_SEED={seed}, {seconds} s");
    for target in targets {
        run(target, seed, share);
    }
}

fn names() -> Vec<&'static str> {
    TARGETS.iter().map(|(name, _)| *name).collect()
}

fn run((name, parse): &Target, seed: u64, share: Duration) {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    for (path, input) in &corpus {
        once(name, *parse, input, &path.display().to_string());
    }
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(seed);
    let (began, mut count) = (Instant::now(), 0_u64);
    while began.elapsed() < share {
        let input = mutator.mutated(&inputs);
        once(name, *parse, &input, &format!("POD_TEST_SEED={seed}"));
        count += 1;
    }
    eprintln!("{name}: {count} inputs, {:.0} a second", count as f64 / began.elapsed().as_secs_f64().max(0.001));
    let peak = peak();
    assert!(peak < TOO_MUCH, "{name} takes {} MiB of memory", peak >> 20);
}

fn once(name: &str, parse: fn(&[u8]), input: &[u8], from: &str) {
    let began = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| parse(input)));
    let took = began.elapsed();
    if outcome.is_err() || took > TOO_LONG {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
        fs::write(&kept, input).expect("the input is kept");
        panic!("{name} fails, or takes {took:?}, with what is in {} (from {from})", kept.display());
    }
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

/// The most memory that this process has had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}
