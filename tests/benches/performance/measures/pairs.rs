//! Two binaries of POD beside each other: the one that is built here, and one from before.

use anyhow::{Result, ensure};

use super::Bench;
use crate::table::{Figure, Table, Target, median};

/// So many times each is measured, one after the other and each first in turn: what else the machine does is the same
/// for both.
pub(super) const PAIRS: usize = 10;

/// Which of two comes first in a pair, and which second.
pub(super) const fn in_turn(pair: usize) -> [usize; 2] {
    if pair.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// Adds, for each figure of the measure, the median of the ratios of neighbours: of this binary to the one before.
pub(super) async fn measure(name: &str, now: &Bench<'_>, before: &Bench<'_>, table: &mut Table) -> Result<()> {
    let mut rounds: Vec<[Vec<Figure>; 2]> = Vec::new();
    for pair in 0..PAIRS {
        let mut figures = [Vec::new(), Vec::new()];
        for which in in_turn(pair) {
            println!("{name}, pair {} of {PAIRS}, {}:", pair + 1, ["now", "before"][which]);
            let mut measured = Table::default();
            super::measure(name, [now, before][which], &mut measured).await?;
            figures[which] = measured.figures().to_vec();
        }
        ensure!(figures[0].len() == figures[1].len(), "the two binaries were not measured alike");
        rounds.push(figures);
    }
    for row in 0..rounds.first().map_or(0, |[now, _]| now.len()) {
        let mut ratios: Vec<f64> = rounds.iter().map(|[now, before]| now[row].figure / before[row].figure).collect();
        let mut figures: Vec<f64> = rounds.iter().map(|[now, _]| now[row].figure).collect();
        let Figure { measure, unit, .. } = &rounds[0][0][row];
        let label = format!("{measure}: to the binary before");
        table.ratio(&label, (median(&mut figures), unit), median(&mut ratios), Target::None);
    }
    Ok(())
}
