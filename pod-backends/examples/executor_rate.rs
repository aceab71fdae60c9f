//! Measures what the process executor costs: the same script run through it and with tokio's `Command::output()`,
//! two at a time each, in turns. Prints the rates and their ratio.
//!
//! `cargo run --release -p pod-backends --example executor_rate [executions]`
#![allow(clippy::print_stdout, reason = "it is a program that prints its figures")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::sync::Arc;

    use pod_backends::process::ProcessExecutor;
    use pod_core::executor::Executor;

    let count: u64 = std::env::args().nth(1).map_or(Ok(5000), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let executor = Arc::new(ProcessExecutor::open(dir.path(), 2).await?);
    measure::install(&*executor, 1, "printf '#!/bin/sh\\necho \"hello $1\"\\n' > main.sh").await?;
    measure::install(&*executor, 2, "printf '#!/bin/sh\\nexec head -c 1000000000 /dev/zero\\n' > main.sh").await?;
    let script = dir.path().join("activities/1-1/main.sh");
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let floor = measure::floor(count, &script).await?;
        let rate = measure::executor(count, &executor).await?;
        println!("floor {floor:.0}/s, executor {rate:.0}/s, ratio {:.3}", rate / floor);
        ratios.push(rate / floor);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.3}", ratios[ratios.len() / 2]);
    let written = "printf '#!/bin/sh\\necho \"hello $1\"\\necho x > out.txt\\n' > main.sh";
    measure::install(&*executor, 3, written).await?;
    for (activity, what) in [(1, "writes nothing"), (3, "writes a file")] {
        let ratio = measure::workdirs(count, &executor, activity).await?;
        println!("a working directory of its own, to a shared one: {ratio:.3} for what {what}");
    }
    println!("alone: start to first output {:.2} ms (median)", measure::latency(&*executor).await?);
    println!("one flood: {:.0} MB/s", measure::flood(&*executor).await?);
    executor.shutdown().await;
    Ok(())
}

#[cfg(target_os = "linux")]
mod measure {
    use std::{
        collections::BTreeMap,
        error::Error,
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Instant,
    };

    use pod_backends::process::ProcessExecutor;
    use pod_core::{
        domain::{
            ActivityId, AttemptKey, AttemptNo, AttemptOutcome, ExecutionId, Millis, Payload, RevisionNo, Workdir,
        },
        executor::{Executor, InstallRequest, RunEvent, StartRequest},
    };

    type Outcome<T> = Result<T, Box<dyn Error>>;

    pub(crate) async fn install(executor: &dyn Executor, activity: u64, script: &'static str) -> Outcome<()> {
        let (sink, _output) = tokio::sync::mpsc::channel(16);
        let request = InstallRequest {
            activity: ActivityId(activity),
            revision: RevisionNo(1),
            payload: Payload::Script(script.into()),
            env: BTreeMap::new(),
            timeout: Millis::from_secs(60),
        };
        Ok(executor.install(request, sink).await?)
    }

    fn request(number: u64) -> StartRequest {
        StartRequest {
            key: AttemptKey { execution: ExecutionId(number), attempt: AttemptNo(1) },
            activity: ActivityId(1),
            activity_name: "hello".into(),
            revision: RevisionNo(1),
            input: Some(number.to_string().into()),
            env: BTreeMap::new(),
            timeout: None,
            grace: Millis::from_secs(10),
            workdir: Workdir::Private,
            network: pod_core::domain::Network::Default,
        }
    }

    /// How a working directory of its own compares with the one for all: the median of ten ratios.
    pub(crate) async fn workdirs(count: u64, executor: &Arc<ProcessExecutor>, activity: u64) -> Outcome<f64> {
        let mut ratios = Vec::new();
        for turn in 0..10 {
            let mut order = [Workdir::Private, Workdir::Shared];
            order[..].rotate_left(turn % 2);
            let mut rates = [0.0; 2];
            for workdir in order {
                let place = usize::from(workdir == Workdir::Shared);
                rates[place] = rate(count, executor, ActivityId(activity), workdir).await?;
            }
            ratios.push(rates[0] / rates[1]);
        }
        ratios.sort_by(f64::total_cmp);
        Ok(f64::midpoint(ratios[4], ratios[5]))
    }

    pub(crate) async fn executor(count: u64, executor: &Arc<ProcessExecutor>) -> Outcome<f64> {
        rate(count, executor, ActivityId(1), Workdir::Private).await
    }

    async fn rate(count: u64, executor: &Arc<ProcessExecutor>, activity: ActivityId, workdir: Workdir) -> Outcome<f64> {
        let next = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let runners = [(); 2].map(|()| {
            let (next, executor) = (Arc::clone(&next), Arc::clone(executor));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let request = StartRequest { activity, workdir, ..request(number) };
                    let mut run = executor.start(request).await.expect("it is installed");
                    let mut stdout = Vec::new();
                    while let Some(event) = run.next().await {
                        match event {
                            RunEvent::Started { .. }
                            | RunEvent::InstallationLost
                            | RunEvent::Wrote { .. }
                            | RunEvent::Holds { .. } => {}
                            RunEvent::Output { bytes, .. } => stdout.extend_from_slice(&bytes),
                            RunEvent::Ended { end, .. } => assert_eq!(end, AttemptOutcome::Exited(0)),
                        }
                    }
                    assert_eq!(stdout, format!("hello {number}\n").as_bytes());
                }
            })
        });
        for runner in runners {
            runner.await?;
        }
        Ok(count as f64 / began.elapsed().as_secs_f64())
    }

    pub(crate) async fn floor(count: u64, script: &Path) -> Outcome<f64> {
        let next = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let runners = [(); 2].map(|()| {
            let (next, script) = (Arc::clone(&next), script.to_owned());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let output = tokio::process::Command::new(&script).arg(number.to_string()).output().await;
                    let output = output.expect("it can be started");
                    assert!(output.status.success());
                    assert_eq!(output.stdout, format!("hello {number}\n").as_bytes());
                }
            })
        });
        for runner in runners {
            runner.await?;
        }
        Ok(count as f64 / began.elapsed().as_secs_f64())
    }

    pub(crate) async fn flood(executor: &dyn Executor) -> Outcome<f64> {
        let began = Instant::now();
        let mut run = executor.start(StartRequest { activity: ActivityId(2), ..request(0) }).await?;
        let mut total = 0;
        while let Some(event) = run.next().await {
            if let RunEvent::Output { bytes, .. } = event {
                total += bytes.len();
            }
        }
        assert_eq!(total, 1_000_000_000);
        Ok(total as f64 / 1e6 / began.elapsed().as_secs_f64())
    }

    pub(crate) async fn latency(executor: &dyn Executor) -> Outcome<f64> {
        let mut times = Vec::new();
        for number in 0..200 {
            let began = Instant::now();
            let mut run = executor.start(request(number)).await?;
            while let Some(event) = run.next().await {
                if matches!(event, RunEvent::Output { .. }) {
                    times.push(began.elapsed().as_secs_f64() * 1000.0);
                }
            }
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }
}
