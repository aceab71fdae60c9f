//! The end of what a script printed: what explains its failure.

/// At most so much of it is told.
const LINES: usize = 20;
const BYTES: usize = 2048;

/// Keeps the last bytes of an output.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
}

impl Tail {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(&bytes[bytes.len().saturating_sub(BYTES)..]);
        let excess = self.bytes.len().saturating_sub(BYTES);
        self.bytes.drain(..excess);
    }

    /// The last lines as text; empty when nothing was printed.
    pub(crate) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::default();
        assert_eq!(tail.text(), "");
        (1..=100).for_each(|line| tail.push(format!("line {line}\n").as_bytes()));
        let expected: Vec<String> = (81..=100).map(|line| format!("line {line}")).collect();
        assert_eq!(tail.text(), expected.join("\n"));
        tail.push(&[b'x'; 10_000]);
        assert_eq!(tail.text(), "x".repeat(BYTES));
    }
}
