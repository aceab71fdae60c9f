//! What a working directory of its own costs an execution, against the one that all executions of an activity share.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use super::{
    Bench,
    pairs::{PAIRS, in_turn},
};
use crate::{
    client::Connection,
    server::{self, Server},
    table::{Table, Target, median},
};

const SILENT: &str = "#!/bin/sh\necho \"hello $1\"\n";
const WRITING: &str = "#!/bin/sh\necho \"hello $1\" > out.txt\n";
const KINDS: [&str; 2] = ["private", "shared"];

/// The median of the ratios of neighbours: what else the machine does is the same for both.
pub(super) async fn measure(bench: &Bench<'_>, table: &mut Table) -> Result<()> {
    let directory = server::directory()?;
    let server = Server::start(bench.pod, directory.path(), &["--slots", "2"]).await?;
    let mut connection = server.connect().await?;
    let count = bench.options.scaled(2_000);
    let mut rounds = Rounds { server: &server, finished: 0, count };
    for (name, main, target) in [("nothing", SILENT, 0.97), ("a file", WRITING, 0.85)] {
        let names = KINDS.map(|kind| format!("{kind}-{}", main.len()));
        for (kind, name) in KINDS.iter().zip(&names) {
            server.activity(name, main, json!({"workdir": kind})).await?;
            rounds.rate(&mut connection, name).await?;
        }
        let (mut ratios, mut last) = (Vec::new(), [0.0; 2]);
        for pair in 0..PAIRS {
            for place in in_turn(pair) {
                last[place] = rounds.rate(&mut connection, &names[place]).await?;
            }
            ratios.push(last[0] / last[1]);
        }
        let label = format!("private to shared, writes {name}");
        table.ratio(&label, (last[0], "/s"), median(&mut ratios), Target::AtLeast(target));
    }
    server.stop().await
}

/// Rounds of executions on one manager.
struct Rounds<'s> {
    server: &'s Server,
    finished: usize,
    count: usize,
}

impl Rounds<'_> {
    /// How many executions of an activity end in a second.
    async fn rate(&mut self, connection: &mut Connection, name: &str) -> Result<f64> {
        let begin = Instant::now();
        connection.submit_many(name, 0..self.count).await?;
        self.finished += self.count;
        self.server.finished(connection, self.finished).await?;
        Ok(self.count as f64 / begin.elapsed().as_secs_f64())
    }
}
