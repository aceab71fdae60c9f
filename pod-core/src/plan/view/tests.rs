//! Every sentence of an explanation, in the situation that it is about.

use std::collections::BTreeMap;

use crate::{
    api::{Limits, PodError, Reply, Request, TerminationMode},
    domain::{
        ActivitySettings, ActivityStatus, AttemptOutcome, Execution, ExecutionId, InstallationStatus, Millis, PolicyId,
        RevisionStatus, WorkerId,
    },
    link::InstallOutcome,
    plan::{
        Input,
        tests::harness::{ACTIVITY, Harness, REVISION, START, first_attempt, running},
    },
    provisioner::{ProvisionError, ProvisionErrorKind},
};

mod waiting {
    use super::*;

    #[test]
    fn for_a_worker_that_is_being_launched() {
        let mut rig = Harness::new(ActivitySettings::default(), 1);
        let id = rig.submit();
        assert_eq!(rig.sentences(id), ["No worker is there yet; 1 is being launched."]);
        let mut rig = Harness::new(ActivitySettings::default(), 3);
        let id = rig.submit();
        assert_eq!(rig.sentences(id), ["No worker is there yet; 3 are being launched."]);
    }

    #[test]
    fn for_a_policy_that_allows_workers() {
        let mut rig = Harness::new(ActivitySettings::default(), 0);
        let id = rig.submit();
        assert_eq!(rig.sentences(id), ["No worker is there, and the active policy allows none."]);
    }

    #[test]
    fn for_a_launch_that_was_refused_to_be_tried_again() {
        let full = || ProvisionError::new("no space.").of_kind(ProvisionErrorKind::Capacity);
        let mut rig = Harness::new(ActivitySettings::default(), 1);
        let id = rig.submit();
        for worker in [1, 2] {
            rig.step(Input::Created { worker: WorkerId(worker), result: Err(full()) });
            rig.pass(1000);
            if worker == 1 {
                let said = "No worker is there yet; 1 is being launched, after one could not be: no space.";
                assert_eq!(rig.sentences(id), [said]);
            }
        }
        let said = "No worker is there: launching one failed, and it is tried again in 9 s: no space.";
        assert_eq!(rig.sentences(id), [said]);
        let refusal = rig.overview().launch_failure.unwrap();
        assert_eq!(refusal.kind, ProvisionErrorKind::Capacity);
        assert_eq!((&*refusal.reason, refusal.lasting, refusal.retry_at), ("no space", false, rig.now + Millis(9000)));
        rig.pass(9000);
        rig.connect(3, 1);
        assert_eq!(rig.overview().launch_failure, None);
    }

    #[test]
    fn for_a_worker_that_is_being_made() {
        let mut rig = Harness::new(ActivitySettings::default(), 1);
        let id = rig.submit();
        rig.step(Input::Progress { worker: WorkerId(1), note: "the image x is pulled: 3 of 8 MB".into() });
        let said = "No worker is there yet; 1 is being launched: the image x is pulled: 3 of 8 MB.";
        assert_eq!(rig.sentences(id), [said]);
    }

    #[test]
    fn for_the_installation_on_a_worker() {
        let mut rig = Harness::new(ActivitySettings::default(), 1);
        let id = rig.submit();
        rig.connect(1, 2);
        assert_eq!(rig.sentences(id), ["Its activity is being installed on worker 1."]);
        let (message, permanent) = ("install.sh exited with code 3.".to_owned(), false);
        rig.install_ends(1, InstallOutcome::Failed { message, permanent });
        let said = rig.sentences(id);
        let start = "Installing its activity failed once on worker 1: install.sh exited with code 3; tried again in ";
        assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}");
        assert_eq!(rig.overview().failing_activities, [ACTIVITY]);
    }

    #[test]
    fn for_the_verification_of_its_activity() {
        let (verifying, limits) = (RevisionStatus::Verifying, Limits::default());
        let mut rig = Harness::with(ActivitySettings::default(), verifying, Some("ab".into()), 1, limits.clone());
        let id = rig.submit();
        let verified = "Its activity is still being verified: it is installed on one worker first.";
        assert_eq!(rig.sentences(id), [verified, "No worker is there yet; 1 is being launched."]);
        rig.connect(1, 2);
        assert_eq!(rig.sentences(id), [verified, "Its activity is being installed on worker 1."]);

        let mut rig = Harness::with(ActivitySettings::default(), verifying, None, 1, limits);
        let id = rig.submit();
        assert_eq!(rig.sentences(id), ["Its activity is still being verified: its script is being fetched."]);
    }

    #[test]
    fn for_a_slot_and_for_those_before_it() {
        let (mut rig, _) = running(ActivitySettings::default(), 1);
        let (second, third, fourth) = (rig.submit(), rig.submit(), rig.submit());
        let busy = "The only slot of the workers is busy.";
        assert_eq!(rig.sentences(second), [busy]);
        assert_eq!(rig.sentences(third), [busy, "1 execution of its activity is before it."]);
        assert_eq!(rig.sentences(fourth), [busy, "2 executions of its activity are before it."]);
        assert_eq!(rig.explain(fourth).queue_position, Some(2));

        let (mut rig, _) = running(ActivitySettings::default(), 2);
        let (_, third) = (rig.submit(), rig.submit());
        assert_eq!(rig.sentences(third), ["All 2 slots of the workers are busy."]);
    }

    #[test]
    fn for_its_activity_to_run_less() {
        let limited = |limit| ActivitySettings { max_concurrency: Some(limit), ..ActivitySettings::default() };
        let (mut rig, _) = running(limited(1), 4);
        let second = rig.submit();
        assert_eq!(rig.sentences(second), ["Its activity allows 1 execution at a time, and one is running."]);
        let (mut rig, _) = running(limited(2), 4);
        let (_, third) = (rig.submit(), rig.submit());
        assert_eq!(rig.sentences(third), ["Its activity allows 2 executions at a time, and as many are running."]);
    }

    #[test]
    fn for_its_next_try_after_a_failure() {
        let (mut rig, id) = running(ActivitySettings { retries: 1, ..ActivitySettings::default() }, 1);
        rig.ends(1, id, AttemptOutcome::Exited(7));
        let at = rig.now + Millis(1000);
        assert_eq!(
            rig.sentences(id),
            [format!("It is tried again at {at}, in 1 s, after failure 1."), "It has failed once.".to_owned()]
        );
    }

    #[test]
    fn for_a_worker_that_cannot_be_reached() {
        let (mut rig, first) = running(ActivitySettings::default(), 1);
        let second = rig.submit();
        for _ in 0..16 {
            rig.pass(1000);
        }
        assert_eq!(rig.sentences(second), ["The only worker cannot be reached."]);
        let said = rig.sentences(first);
        assert_eq!(said[1], "Nothing was heard of worker 1 for 16 s; after 30 s it is given up.");
    }
}

mod running {
    use super::*;

    #[test]
    fn says_where_and_since_when() {
        let (mut rig, id) = super::running(ActivitySettings::default(), 1);
        let since = rig.now;
        rig.pass(90_000);
        assert_eq!(rig.sentences(id)[0], format!("It has been running on worker 1 for 1 min 30 s, since {since}."));
    }

    #[test]
    fn says_that_the_start_is_not_reported_yet() {
        let (mut rig, _) = super::running(ActivitySettings::default(), 2);
        let second = rig.submit();
        assert_eq!(rig.sentences(second), ["It was given to worker 1, which has not reported its start yet."]);
    }

    #[test]
    fn says_that_it_was_given_out_ahead_of_time() {
        let (mut rig, first) = super::running(ActivitySettings::default(), 1);
        rig.ends(1, first, AttemptOutcome::Exited(0));
        let second = rig.submit();
        rig.ends(1, second, AttemptOutcome::Exited(0)); // two runs of 0 ms: now they are known to be short
        let (third, fourth) = (rig.submit(), rig.submit());
        rig.runs(1, third);
        assert_eq!(
            rig.sentences(fourth),
            ["It was given to worker 1 ahead of time and starts there as soon as a slot is free."]
        );
    }

    #[test]
    fn says_that_its_end_was_asked_for() {
        let (mut rig, id) = super::running(ActivitySettings::default(), 1);
        rig.ask(Request::Terminate(id, TerminationMode::Grace));
        let said = rig.sentences(id);
        assert_eq!(said[1], "Its termination was asked for; it ends as soon as its processes are gone.");
    }
}

mod ended {
    use super::*;

    /// Ends an execution so, and tells what is said of it; it is the store that holds it then.
    fn said_of(end: AttemptOutcome) -> Vec<String> {
        let (mut rig, id) = super::running(ActivitySettings::default(), 1);
        if end == AttemptOutcome::Terminated {
            rig.ask(Request::Terminate(id, TerminationMode::Grace));
        }
        rig.ends(1, id, end);
        let explanation = rig.explain(id);
        assert_eq!((explanation.queue_position, explanation.eta), (None, None));
        explanation.reasons.iter().map(ToString::to_string).collect::<Vec<_>>()
    }

    #[test]
    fn says_how_and_why() {
        assert_eq!(said_of(AttemptOutcome::Exited(0)), ["It ran to its end with exit code 0."]);
        assert_eq!(
            said_of(AttemptOutcome::Exited(7)),
            ["It ended because main.sh exited with code 7.", "It has failed once."]
        );
        assert_eq!(
            said_of(AttemptOutcome::Signalled(11))[0],
            "It ended because main.sh was ended by signal 11, which POD did not send."
        );
        assert_eq!(said_of(AttemptOutcome::TimedOut), ["It was ended because its time limit passed."]);
        assert_eq!(
            said_of(AttemptOutcome::StartFailed("main.sh is missing.".into()))[0],
            "It was given up: main.sh is missing."
        );
        assert_eq!(said_of(AttemptOutcome::Terminated), ["It was terminated because someone asked for it."]);
    }

    #[test]
    fn an_execution_that_is_nowhere_is_an_error() {
        let mut rig = Harness::new(ActivitySettings::default(), 1);
        let reply = rig.try_ask(Request::Explain(ExecutionId(9)));
        assert!(matches!(reply, Err(PodError::NoSuchExecution(ExecutionId(9)))), "{reply:?}");
    }
}

#[test]
fn losses_are_told() {
    let (mut rig, id) = running(ActivitySettings::default(), 1);
    rig.step(Input::Gone { worker: WorkerId(1), reason: "it was killed".into() });
    rig.step(Input::Destroyed { worker: WorkerId(1), result: Ok(()) });
    let said = rig.sentences(id);
    assert_eq!(said, ["No worker is there yet; 1 is being launched.", "It has lost its worker once."]);
}

#[test]
fn the_overview_counts_workers_slots_and_executions() {
    let (mut rig, _) = running(ActivitySettings::default(), 2);
    rig.submit();
    rig.submit();
    let overview = rig.overview();
    assert_eq!(overview.counts, [2, 1, 0, 0, 0, 0], "the second has a slot and has not begun");
    assert_eq!((overview.fleet.working, overview.fleet.slots, overview.fleet.busy_slots), (1, 2, 2));
    assert_eq!((overview.desired, overview.policy, overview.oldest_waiting), ((1, 1), PolicyId(1), Some(START)));
    assert!(overview.failing_activities.is_empty());
}

#[test]
fn each_minute_is_counted_and_written_within_seconds() {
    let (mut rig, first) = running(ActivitySettings::default(), 1);
    let second = rig.submit();
    rig.pass(2000);
    rig.ends(1, first, AttemptOutcome::Exited(0));
    rig.runs(1, second);
    rig.pass(60_000);
    rig.ends(1, second, AttemptOutcome::Exited(3));
    rig.submit();
    rig.pass(5000);
    let overview = rig.overview();
    let seen: Vec<_> = overview.minutes.iter().map(|tally| (tally.minute, tally.submitted, tally.ended)).collect();
    assert_eq!(seen, [(16, 2, [1, 0, 0, 0]), (17, 1, [0, 1, 0, 0])]);
    assert_eq!(overview.ended_last_24h, [1, 1, 0, 0]);
    assert_eq!(overview.waits.len(), 2, "each is counted when it first begins to run");
    assert_eq!(overview.waits.percentile(50), Some(Millis(0)));
    assert!(overview.waits.percentile(95).unwrap() >= Millis(2000));
    assert_eq!(rig.written, overview.minutes, "what is stored is what is shown");
    // A day later nothing of it is in the numbers.
    rig.pass(24 * 3600 * 1000);
    let overview = rig.overview();
    assert!(overview.ended_last_24h == [0; 4] && overview.waits.is_empty());
}

#[test]
fn what_was_counted_just_before_a_minute_ended_is_written_too() {
    let (mut rig, _) = running(ActivitySettings::default(), 1);
    rig.pass(19_000);
    rig.submit();
    rig.pass(1500);
    rig.submit();
    rig.pass(5000);
    let minutes = rig.overview().minutes;
    assert_eq!(minutes.iter().map(|tally| tally.submitted).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(rig.written, minutes);
}

#[test]
fn a_policy_tells_what_it_would_do_and_does_it_when_it_is_changed() {
    let (mut rig, _) = running(ActivitySettings::default(), 2);
    let rules = |workers: &str| BTreeMap::from([("fixedWorkers".to_owned(), workers.to_owned())]);
    let mut preview = |rules| {
        let Reply::Preview(preview) = rig.ask(Request::PreviewPolicy { rules }) else { panic!() };
        (preview.launch, preview.drain, preview.running, preview.workers)
    };
    assert_eq!(preview(rules("3")), (2, vec![], 0, 1));
    assert_eq!(preview(rules("1")), (0, vec![], 0, 1));
    assert_eq!(preview(rules("0")), (0, vec![WorkerId(1)], 1, 1));
    let refused = rig.try_ask(Request::PreviewPolicy { rules: rules("many") });
    assert!(matches!(refused, Err(PodError::InvalidRule(_))), "{refused:?}");
    assert_eq!(rig.overview().fleet.launching, 0, "a preview changes nothing");
    // The active policy, by another row of the same name.
    let Reply::Policies(before, active) = rig.ask(Request::Policies) else { panic!() };
    let name = before.iter().find(|policy| policy.id == active).unwrap().name.to_string();
    rig.ask(Request::PutPolicy { name: name.clone(), rules: rules("3") });
    let Reply::Policies(after, active) = rig.ask(Request::Policies) else { panic!() };
    assert_eq!(after.iter().find(|policy| policy.id == active).unwrap().name.as_str(), name);
    assert_eq!((after.len(), rig.overview().fleet.launching), (before.len(), 2));
    let refused = rig.try_ask(Request::PutPolicy { name: "default".into(), rules: rules("3") });
    assert!(matches!(refused, Err(PodError::DefaultPolicy)), "{refused:?}");
}

#[test]
fn an_activity_is_shown_with_its_installations_and_a_worker_with_its_attempts() {
    let (mut rig, id) = running(ActivitySettings::default(), 2);
    let Reply::Activity(activity) = rig.ask(Request::Activity { name: "echo".into() }) else { panic!() };
    let shown: Vec<_> = activity.installations.iter().map(|found| (found.worker, found.status)).collect();
    assert_eq!(shown, [(WorkerId(1), InstallationStatus::Installed)]);
    let Reply::Workers(workers) = rig.ask(Request::Workers) else { panic!() };
    assert_eq!(workers[0].attempts, [first_attempt(id)]);
    let reply = rig.try_ask(Request::Activity { name: "other".into() });
    assert!(matches!(reply, Err(PodError::NoSuchActivity(_))), "{reply:?}");
}

/// Situations that last for one round at most, or that only an odd clock brings about.
mod in_passing {
    use super::*;

    fn said(rig: &Harness, execution: &Execution) -> Vec<String> {
        rig.state.explain(execution.clone()).reasons.iter().map(ToString::to_string).collect()
    }

    fn one_waits(workers: u32) -> (Harness, Execution) {
        let mut rig = Harness::new(ActivitySettings::default(), workers);
        let id = rig.submit();
        let execution = rig.stored[&id].clone();
        (rig, execution)
    }

    #[test]
    fn activities_that_end_their_queues() {
        let (mut rig, execution) = one_waits(1);
        let ends = |why| [format!("Its activity {why}; it is about to be ended for that.")];
        let activity = rig.state.activities.get_mut(&ACTIVITY).unwrap();
        activity.revisions.get_mut(&REVISION).unwrap().revision.status = RevisionStatus::Rejected;
        assert_eq!(said(&rig, &execution), ends("was rejected"));
        rig.state.activities.get_mut(&ACTIVITY).unwrap().activity.status = ActivityStatus::Uninstalling;
        assert_eq!(said(&rig, &execution), ends("is being removed"));
        rig.state.activities = crate::plan::table::Table::default();
        assert_eq!(said(&rig, &execution), ["Its activity is gone; it is about to be ended."]);
    }

    #[test]
    fn a_clock_that_was_set_back() {
        let (rig, mut execution) = one_waits(1);
        execution.not_before = crate::domain::Age(rig.now.0) + Millis(2000);
        let at = rig.now + Millis(2000);
        assert_eq!(said(&rig, &execution), [format!("It is given to a worker at {at} at the earliest, in 2 s.")]);
    }

    #[test]
    fn rounds_that_have_not_come_yet() {
        let (mut rig, execution) = one_waits(1);
        rig.state.workers = crate::plan::table::Table::default();
        assert_eq!(said(&rig, &execution), ["No worker is there; one is about to be launched."]);

        let (mut rig, execution) = one_waits(1);
        rig.connect(1, 1);
        let installations = &mut rig.state.workers.get_mut(&WorkerId(1)).unwrap().installations;
        let installation = installations.get_mut(&(ACTIVITY, REVISION)).unwrap();
        installation.status = InstallationStatus::Installed;
        assert_eq!(said(&rig, &execution), ["It is about to be given to a worker."]);
        rig.state.workers.get_mut(&WorkerId(1)).unwrap().installations.clear();
        assert_eq!(said(&rig, &execution), ["Its activity is not installed yet on a worker with an idle slot."]);
    }

    #[test]
    fn several_workers_that_cannot_be_reached() {
        let (mut rig, execution) = one_waits(2);
        rig.connect(1, 1);
        rig.connect(2, 1);
        for _ in 0..16 {
            rig.pass(1000);
        }
        assert_eq!(said(&rig, &execution), ["None of the 2 workers can be reached."]);
    }
}
