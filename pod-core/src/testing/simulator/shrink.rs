//! Makes a run that shows a defect as small as it gets: fewer executions, a shorter time of faults, fewer kinds of them.

use std::fmt;

use super::{
    invariants::Violation,
    options::{Fault, Options},
    run::run,
};

/// The smallest run that was found to show a violation.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is made of.
    pub options: Options,
    /// What it shows; not necessarily the same as the run that it was made from.
    pub violation: Violation,
}

/// Makes a run that shows a violation smaller for as long as it goes on showing one. Everything that a seed draws follows
/// from the rest, so a smaller run is another one: what counts is that it fails, too.
#[must_use]
pub fn shrink(options: &Options, violation: &Violation) -> Scenario {
    let mut smallest = Scenario { options: options.clone(), violation: violation.clone() };
    while let Some(smaller) = smaller(&smallest.options).into_iter().find_map(|options| {
        let violation = *run(smallest.violation.seed, &options).err()?;
        Some(Scenario { options, violation })
    }) {
        smallest = smaller;
    }
    smallest
}

/// What could be left out, the most first.
fn smaller(options: &Options) -> Vec<Options> {
    let mut all = Vec::new();
    let with = |change: &dyn Fn(&mut Options)| {
        let mut changed = options.clone();
        change(&mut changed);
        changed
    };
    for by in [2, 4, 8] {
        let fewer = options.executions - options.executions.div_ceil(by);
        if fewer < options.executions && fewer > 0 {
            all.push(with(&|options| options.executions = fewer));
        }
    }
    for by in [2, 4, 8] {
        let sooner = options.faults_until - options.faults_until / by;
        if sooner < options.faults_until && sooner >= 1000 {
            all.push(with(&|options| options.faults_until = sooner));
        }
    }
    for fault in Fault::ALL.into_iter().filter(|fault| !options.without.contains(fault)) {
        all.push(with(&|options| options.without.push(fault)));
    }
    if options.clock_faults {
        all.push(with(&|options| options.clock_faults = false));
    }
    if options.worker_faults {
        all.push(with(&|options| options.worker_faults = false));
    }
    all
}

impl fmt::Display for Scenario {
    /// As it goes into a test.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { executions, faults_until, worker_faults, clock_faults, without, .. } = &self.options;
        let without: Vec<String> = without.iter().map(|fault| format!("Fault::{fault:?}")).collect();
        writeln!(f, "#[test]\nfn {}() {{", name(&self.violation.sentence))?;
        writeln!(f, "    let options = Options {{")?;
        writeln!(f, "        executions: {executions},\n        faults_until: {faults_until},")?;
        writeln!(f, "        worker_faults: {worker_faults},\n        clock_faults: {clock_faults},")?;
        writeln!(f, "        without: vec![{}],\n        ..Options::default()\n    }};", without.join(", "))?;
        writeln!(
            f,
            "    run({}, &options).unwrap_or_else(|violation| panic!(\"{{violation}}\"));",
            self.violation.seed
        )?;
        write!(f, "}}\n\n{}", self.violation)
    }
}

/// A name for a test, of what went wrong: its words without the numbers.
fn name(sentence: &str) -> String {
    let words = sentence.split(|letter: char| !letter.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    words.take(10).collect::<Vec<_>>().join("_").to_ascii_lowercase()
}
