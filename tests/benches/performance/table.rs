//! What was measured, as a table.

use std::fmt;

/// The rows so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 5]>,
    figures: Vec<Figure>,
}

/// What was measured, as a number.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) measure: String,
    pub(crate) figure: f64,
    pub(crate) unit: String,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// At least this.
    AtLeast(f64),
    /// Below this.
    Below(f64),
    /// Told for the reader, promised to nobody.
    None,
}

impl Target {
    fn met(self, figure: f64) -> &'static str {
        match self {
            Self::None => "",
            Self::AtLeast(least) if figure >= least => "met",
            Self::Below(limit) if figure < limit => "met",
            _ => "NOT MET",
        }
    }
}

impl Table {
    /// Adds a row whose target is about the ratio.
    pub(crate) fn ratio(&mut self, measure: &str, (figure, unit): (f64, &str), ratio: f64, target: Target) {
        let wanted = match target {
            Target::AtLeast(least) => format!("ratio ≥ {least:.2}"),
            Target::Below(limit) => format!("ratio < {limit:.2}"),
            Target::None => String::new(),
        };
        self.push(measure, figure, unit, [format!("{ratio:.2}"), wanted, target.met(ratio).to_owned()]);
    }

    /// Adds a row whose target is about the value itself.
    pub(crate) fn value(&mut self, measure: &str, figure: f64, unit: &str, target: Target) {
        let wanted = match target {
            Target::AtLeast(least) => format!("≥ {least} {unit}"),
            Target::Below(limit) => format!("< {limit} {unit}"),
            Target::None => String::new(),
        };
        self.push(measure, figure, unit, [String::new(), wanted, target.met(figure).to_owned()]);
    }

    /// The figures of all rows, in their order.
    pub(crate) fn figures(&self) -> &[Figure] {
        &self.figures
    }

    fn push(&mut self, measure: &str, figure: f64, unit: &str, [ratio, wanted, met]: [String; 3]) {
        self.figures.push(Figure { measure: measure.to_owned(), figure, unit: unit.to_owned() });
        let value = if figure < 10.0 { format!("{figure:.2} {unit}") } else { format!("{figure:.0} {unit}") };
        let row = [measure.to_owned(), value, ratio, wanted, met];
        // As it comes, for whoever watches; the whole table again at the end.
        println!("{}", row.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join("  ·  "));
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["measure", "value", "ratio", "target", ""].map(str::to_owned);
        let rows: Vec<&[String; 5]> = std::iter::once(&head).chain(&self.rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        for (number, row) in rows.iter().enumerate() {
            let cells: Vec<String> = (0..5).map(|column| format!("{:<1$}", row[column], width(column))).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
            if number == 0 {
                writeln!(f, "{}", "─".repeat((0..5).map(width).sum::<usize>() + 8))?;
            }
        }
        Ok(())
    }
}

/// The value in the middle of a sample.
pub(crate) fn median(sample: &mut [f64]) -> f64 {
    sample.sort_by(f64::total_cmp);
    let middle = sample.len() / 2;
    match sample.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(sample[middle - 1], sample[middle]),
        _ => sample[middle],
    }
}

/// The value below which so much (0 to 1) of a sample lies.
pub(crate) fn quantile(sample: &mut [f64], part: f64) -> f64 {
    sample.sort_by(f64::total_cmp);
    let last = sample.len().saturating_sub(1);
    sample.get(((last as f64) * part).round() as usize).copied().unwrap_or(f64::NAN)
}
