//! A service that runs a program for each line it reads: POD with SQLite and workers in this process.

use std::{error::Error, io::BufRead, process::ExitCode, time::Duration};

use pod_backends::{local::InProcessWorkers, sqlite::SqliteStore};
use pod_core::{
    OutputChunk, Pod, PodError, PodErrorKind,
    domain::{Execution, ExecutionId, NewActivity, NewExecution},
};
use tokio::{sync::mpsc, task::JoinSet};

/// What installs the program: it leaves main.sh, which gets a line as its argument.
const INSTALL: &str = r#"echo 'echo "Hello, $1"' > main.sh"#;

#[tokio::main]
async fn main() -> ExitCode {
    let data = std::env::args().nth(1).unwrap_or_else(|| "./embedded-pod".to_owned());
    match serve(&data).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(data: &str) -> Result<(), Box<dyn Error>> {
    let store = SqliteStore::open(data).await?;
    let pod = Pod::builder().store(store).backend(InProcessWorkers::new(data).slots(4)).start().await?;
    let outcome = greet_all(&pod).await;
    // Also after a failure: what runs may end for a while, and what has not by then runs again at the next start.
    pod.shutdown_within(Duration::from_secs(20)).await;
    outcome
}

/// Starts an execution for each line, and follows all of them; until the input ends, Ctrl-C, or the end of POD.
async fn greet_all(pod: &Pod) -> Result<(), Box<dyn Error>> {
    pod.put_activity(NewActivity::script("greet", INSTALL)).await?;
    let (mut lines, mut followed, mut open) = (lines(), JoinSet::new(), true);
    while open || !followed.is_empty() {
        tokio::select! {
            line = lines.recv(), if open => match line {
                Some(line) => match pod.start(NewExecution::new("greet").input(line)).await {
                    Ok(run) => { followed.spawn(follow(pod.clone(), run)); }
                    // One bad line is no reason to end.
                    Err(error) if error.kind() == PodErrorKind::Invalid => eprintln!("left out: {error}"),
                    Err(error) => return Err(error.into()),
                },
                None => open = false,
            },
            Some(done) = followed.join_next() => {
                let done = done??;
                println!("execution {}: {}", done.id, done.status);
            }
            reason = pod.stopped() => return Err(reason.into()),
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
    Ok(())
}

/// Prints what an execution prints, while it prints it, and gives how it ended.
async fn follow(pod: Pod, run: ExecutionId) -> Result<Execution, PodError> {
    let mut output = pod.follow(run).await?;
    while let Some(chunk) = output.next().await? {
        match chunk {
            OutputChunk::Bytes { stream, bytes, .. } => print!("{run} {stream}: {}", String::from_utf8_lossy(&bytes)),
            OutputChunk::Gap { gap, .. } => println!("{run}: {} bytes were cut out", gap.end - gap.start),
            OutputChunk::NextAttempt(attempt) => println!("{run}: attempt {attempt} begins"),
            OutputChunk::Ended(done) => return Ok(*done),
        }
    }
    pod.wait(run).await
}

/// The lines of the standard input. They are read on a thread of their own, which does not keep the process from ending.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        lines.map_while(Result::ok).try_for_each(|line| sender.blocking_send(line).ok())
    });
    lines
}
