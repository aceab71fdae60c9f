//! Seeds of the simulator that every change must pass, and defects that it must notice.

use pod_core::testing::simulator::{Mode, Mutant, Options, Report, run, shrink};

fn seeds(count: u64) -> std::ops::Range<u64> {
    let first = std::env::var("POD_SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    first..first + std::env::var("POD_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(count)
}

#[test]
fn nothing_is_lost_and_nothing_concludes_twice_whatever_fails() {
    let mut total = Report::default();
    for seed in seeds(150) {
        let report = run(seed, &Options::default()).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(report.acknowledged, report.concluded);
        total = total.and(report);
    }
    // What never happens is not tested.
    for (count, what) in [
        (total.crashes, "manager crashed"),
        (total.output_losses, "crash lost output that was not durable"),
        (total.refusals, "store refused a batch"),
        (total.lost_answers, "commit was answered by nothing"),
        (total.orderly_ends, "manager ended in order"),
        (total.manager_pauses, "manager got no processor for a while"),
        (total.fenced, "manager lost its lease"),
        (total.expired, "lease expired and was acquired by another manager"),
        (total.restorations, "store was restored from an older copy"),
        (total.outdated, "worker of before a restoration dialled in after it"),
        (total.abandoned, "creation was given up"),
        (total.deaths, "worker died"),
        (total.cuts, "link was cut"),
        (total.silent_cuts, "link fell silent"),
        (total.half_open_cuts, "link fell silent one way"),
        (total.stalls, "link stalled"),
        (total.pauses, "worker process was stopped for a while"),
        (total.sleeps, "machine slept"),
        (total.leaves, "machine was asked to leave"),
        (total.stopped, "program was stopped"),
        (total.timed_out, "program ran out of its time"),
        (total.install_timeouts, "installation hung"),
        (total.streams, "output was compared"),
        (total.gaps, "output had a gap"),
        (total.acknowledgements, "output was acknowledged before its end"),
        (total.wrote, "output was written into the store by its worker"),
        (total.left_out, "full store left output out"),
    ] {
        assert!(count > 0, "no {what} in any run: {total:?}");
    }
}

#[test]
fn a_crashing_manager_makes_nothing_run_twice() {
    let options = Options { worker_faults: false, ..Options::default() };
    for seed in seeds(150) {
        run(seed, &options).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

/// Here nothing need finish, so far more can go wrong at a time.
#[test]
fn no_invariant_breaks_while_faults_never_end() {
    let options = Options { mode: Mode::Safety, faults_until: 300_000, ..Options::default() };
    let mut total = Report::default();
    for seed in seeds(50) {
        total = total.and(run(seed, &options).unwrap_or_else(|violation| panic!("{violation}")));
    }
    assert!(total.concluded > 0 && total.crashes > 0, "{total:?}");
}

/// Somebody sets the clock over and over, by seconds, hours and years. What the simulator checks: nothing is deleted
/// before it was kept for its time, nothing is tried again before its delay or held back beyond it, whatever is submitted
/// bears the moment that the clock tells, and everything ends. With `POD_SIM_SEEDS=72` it is a whole day.
#[test]
fn hours_of_clocks_that_jump() {
    let options = Options { executions: 60, faults_until: 20 * 60_000, ..Options::default() };
    let mut deleted = 0;
    for seed in seeds(6) {
        let report = run(seed, &options).unwrap_or_else(|violation| panic!("{violation}"));
        assert_eq!(report.acknowledged, report.concluded);
        assert!(report.clock_changes > 10, "{report:?}");
        deleted += report.deleted;
    }
    assert!(deleted > 0, "the retention deleted nothing");
}

fn are_noticed(mutants: &[Mutant], worker_faults: bool) {
    for mutant in mutants {
        let options = Options { mutant: Some(*mutant), worker_faults, ..Options::default() };
        let noticed = (0..1000).find_map(|seed| run(seed, &options).err());
        let noticed = noticed.unwrap_or_else(|| panic!("{mutant:?} went unnoticed"));
        eprintln!("{mutant:?}: {} (seed {})", noticed.sentence, noticed.seed);
    }
}

#[test]
fn what_shows_a_defect_is_made_small() {
    let options = Options { mutant: Some(Mutant::IgnoreStops), ..Options::default() };
    let violation = (0..1000).find_map(|seed| run(seed, &options).err()).expect("it is noticed");
    let small = shrink(&options, &violation);
    assert!(small.options.executions < options.executions, "{small}");
    assert!(small.options.faults_until < options.faults_until, "{small}");
    assert!(small.options.without.len() > 3, "{small}");
    assert!(run(small.violation.seed, &small.options).is_err(), "it repeats");
    assert!(small.to_string().contains(&format!("run({}, &options)", small.violation.seed)), "{small}");
}

#[test]
fn defects_built_in_on_purpose_are_noticed() {
    are_noticed(
        &[
            Mutant::ActBeforeCommit,
            Mutant::ForgetEnds,
            Mutant::TrustEveryHello,
            Mutant::SkipTheFence,
            Mutant::KeepWhatWasRefused,
            Mutant::LiveByTheWall,
            Mutant::NeverAcknowledgeEnds,
            Mutant::ForgetToDestroy,
            Mutant::IgnoreKeys,
            Mutant::RunAnotherRevision,
        ],
        false,
    );
}

#[test]
fn defects_of_workers_and_links_are_noticed() {
    are_noticed(
        &[
            Mutant::AcknowledgeTooEarly,
            Mutant::TellEndsOnce,
            Mutant::ResendFromElsewhere,
            Mutant::IgnoreStops,
            Mutant::GiveBackWhatRuns,
        ],
        false,
    );
}

/// Only where workers may lose what they run is a store restored.
#[test]
fn a_store_that_overlooks_its_restoration_is_noticed() {
    are_noticed(&[Mutant::OverlookRestorations], true);
}
