//! Charts, rendered on the server: plain shapes with their numbers as titles and in words beside them.

use pod_core::domain::{ExecutionStatus, Millis, MinuteBucket, Timestamp};

use crate::format::thousands;

/// The height of the drawing, in its own units.
const HEIGHT: f64 = 100.0;

/// The last hour: a bar per minute, and how many waited.
#[derive(Debug)]
pub(crate) struct HourChart {
    pub(crate) bars: Vec<Bar>,
    /// The corners of the line of those that waited.
    pub(crate) waiting: String,
    /// The highest bar.
    pub(crate) most_ended: u64,
    /// The highest point of the line.
    pub(crate) most_waiting: u64,
    /// All of it in a sentence.
    pub(crate) summary: String,
}

/// One minute, from the bottom up.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) x: usize,
    pub(crate) parts: Vec<Part>,
    pub(crate) title: String,
}

/// A piece of a bar.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) class: &'static str,
    pub(crate) y: String,
    pub(crate) height: String,
}

#[expect(clippy::cast_precision_loss, reason = "a drawing has a hundred steps")]
fn scaled(value: u64, most: u64) -> f64 {
    value as f64 / most.max(1) as f64 * HEIGHT
}

impl HourChart {
    /// The minutes of the last hour; those without anything are not among them.
    pub(crate) fn of(minutes: &[MinuteBucket], now: Timestamp, waiting_now: u64) -> Self {
        let last = MinuteBucket::minute_of(now);
        let ended = |tally: &MinuteBucket| tally.ended.iter().sum::<u64>();
        let most_ended = minutes.iter().map(ended).max().unwrap_or_default();
        let most_waiting = minutes.iter().map(|tally| tally.waiting).max().unwrap_or_default().max(waiting_now);
        let (mut bars, mut corners) = (Vec::new(), Vec::new());
        for (x, minute) in (last - 59..=last).enumerate() {
            let tally = minutes.iter().find(|tally| tally.minute == minute);
            let waiting = if minute == last { waiting_now } else { tally.map_or(0, |tally| tally.waiting) };
            if most_waiting > 0 {
                corners.push(format!("{}.5,{:.1}", x, HEIGHT - scaled(waiting, most_waiting)));
            }
            if let Some(tally) = tally.filter(|tally| ended(tally) > 0) {
                bars.push(Bar::of(x, tally, waiting, most_ended));
            }
        }
        let sum = |status: ExecutionStatus| minutes.iter().map(|tally| tally.ended_as(status)).sum::<u64>();
        let bad = sum(ExecutionStatus::Failed) + sum(ExecutionStatus::TimedOut);
        let summary = format!(
            "In the last hour {} finished, {} failed and {} were terminated; at most {} waited.",
            thousands(sum(ExecutionStatus::Finished)),
            thousands(bad),
            thousands(sum(ExecutionStatus::Terminated)),
            thousands(most_waiting)
        );
        Self { bars, waiting: corners.join(" "), most_ended, most_waiting, summary }
    }

    /// Whether there is nothing to draw.
    pub(crate) fn is_empty(&self) -> bool {
        self.most_ended == 0 && self.most_waiting == 0
    }
}

impl Bar {
    fn of(x: usize, tally: &MinuteBucket, waiting: u64, most: u64) -> Self {
        let finished = tally.ended_as(ExecutionStatus::Finished);
        let bad = tally.ended_as(ExecutionStatus::Failed) + tally.ended_as(ExecutionStatus::TimedOut);
        let terminated = tally.ended_as(ExecutionStatus::Terminated);
        let mut below = HEIGHT;
        let mut parts = Vec::new();
        for (class, count) in [("bad", bad), ("good", finished), ("off", terminated)] {
            if count > 0 {
                // A single failure among thousands is still to be seen: they come first.
                let height = scaled(count, most).max(1.5).min(below);
                below -= height;
                parts.push(Part { class, y: format!("{below:.1}"), height: format!("{height:.1}") });
            }
        }
        let at = &tally.begins().to_rfc3339()[11..16];
        let title = format!("{at} UTC: {finished} finished, {bad} failed, {terminated} terminated, {waiting} waiting");
        Self { x, parts, title }
    }
}

/// How long runs took: so many bars between the shortest and the longest.
#[derive(Debug)]
pub(crate) struct DurationChart {
    pub(crate) bars: Vec<Bar>,
    pub(crate) shortest: Millis,
    pub(crate) median: Millis,
    pub(crate) p95: Millis,
    pub(crate) longest: Millis,
    pub(crate) runs: usize,
}

/// How many bars a distribution has.
const STEPS: u64 = 20;

impl DurationChart {
    /// Nothing while there are fewer than two runs.
    pub(crate) fn of(durations: &[Millis]) -> Option<Self> {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        let (shortest, longest) = match sorted.as_slice() {
            [first, .., last] => (*first, *last),
            _ => return None,
        };
        let percentile = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)];
        let width = (longest.0 - shortest.0).div_ceil(STEPS).max(1);
        let mut counts = [0_u64; STEPS as usize];
        for duration in &sorted {
            counts[usize::try_from(((duration.0 - shortest.0) / width).min(STEPS - 1)).unwrap_or_default()] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or_default();
        let bar = |(x, count): (usize, &u64)| {
            let height = scaled(*count, most);
            let from = Millis(shortest.0 + width * x as u64);
            let title = format!("{count} of {} took {from} to {}", sorted.len(), Millis(from.0 + width));
            let part = Part { class: "good", y: format!("{:.1}", HEIGHT - height), height: format!("{height:.1}") };
            Bar { x, parts: vec![part], title }
        };
        let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bar).collect();
        Some(Self { bars, shortest, median: percentile(50), p95: percentile(95), longest, runs: sorted.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_minute_has_its_place_and_failures_are_seen() {
        let now = Timestamp(600 * 60_000 + 30_000);
        let minute = |minute, ended| MinuteBucket { minute, ended, waiting: 4, ..MinuteBucket::default() };
        let chart = HourChart::of(&[minute(541, [10_000, 1, 0, 0]), minute(600, [5000, 0, 2, 1])], now, 8);
        assert_eq!((chart.most_ended, chart.most_waiting), (10_001, 8));
        let places: Vec<usize> = chart.bars.iter().map(|bar| bar.x).collect();
        assert_eq!(places, [0, 59]);
        assert_eq!(chart.bars[0].parts[0].class, "bad");
        assert!(chart.bars[0].parts[0].height.parse::<f64>().unwrap() > 0.0);
        assert_eq!(chart.bars[1].title, "10:00 UTC: 5000 finished, 1 failed, 2 terminated, 8 waiting");
        assert!(chart.waiting.ends_with("59.5,0.0"), "{}", chart.waiting);
        assert!(HourChart::of(&[], now, 0).is_empty());
    }

    #[test]
    fn a_distribution_holds_every_run() {
        assert!(DurationChart::of(&[Millis(5)]).is_none());
        let chart = DurationChart::of(&[Millis(5), Millis(5), Millis(5)]).unwrap();
        assert_eq!((chart.bars.len(), chart.median), (1, Millis(5)));
        let runs: Vec<Millis> = (1..=100).map(Millis).collect();
        let chart = DurationChart::of(&runs).unwrap();
        assert_eq!(
            (chart.shortest, chart.median, chart.p95, chart.longest),
            (Millis(1), Millis(50), Millis(95), Millis(100))
        );
        assert_eq!(chart.bars.len(), 20);
    }
}
