//! What to measure, and how thoroughly.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::measures::NAMES;

/// The choices of one run.
#[derive(Debug)]
pub(crate) struct Options {
    /// A tenth of the work: for a look, not for a figure to quote.
    pub(crate) quick: bool,
    /// Another `pod` binary, beside which this one is measured.
    pub(crate) against: Option<PathBuf>,
    names: Vec<String>,
}

const HELP: &str = "\
Usage: cargo bench -p pod-tests [-- [--quick] [--against POD] [MEASURE...]]

Measures POD against the floor and prints a table of ratios and targets.

  --quick        a tenth of the work, and no queue of a million
  --against POD  the median of the ratios to this binary, in ten interleaved pairs of each measure
  MEASURE        only these:";

impl Options {
    /// Understands the command line; nothing when only help was wanted.
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self { quick: false, against: None, names: Vec::new() };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--help" | "-h" => {
                    println!("{HELP} {}", NAMES.join(", "));
                    return Ok(None);
                }
                "--against" => {
                    let named = arguments.next().context("--against wants the path of a pod binary")?;
                    options.against =
                        Some(std::fs::canonicalize(&named).with_context(|| format!("{named} is not there"))?);
                }
                // What cargo adds by itself.
                "--bench" => {}
                name if NAMES.contains(&name) => options.names.push(argument),
                other => bail!("there is no measure {other:?}; there are {}", NAMES.join(", ")),
            }
        }
        Ok(Some(options))
    }

    /// Whether this measure was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }

    /// So many in full, a tenth of it when in a hurry.
    pub(crate) fn scaled(&self, count: usize) -> usize {
        if self.quick { count.div_ceil(10) } else { count }
    }
}
