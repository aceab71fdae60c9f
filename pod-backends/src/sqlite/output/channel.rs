//! What is kept of the output of an attempt: both streams, and the log of the order in which they came.

use pod_core::domain::Stream;

/// One of them. Each is bytes by offset, in a column while it is short and in files when it is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sqlite) enum OutputChannel {
    Of(Stream),
    Order,
}

impl OutputChannel {
    /// All of them.
    pub(in crate::sqlite) const ALL: [Self; 3] = [Self::Of(Stream::Stdout), Self::Of(Stream::Stderr), Self::Order];

    /// Its column.
    pub(in crate::sqlite) const fn column(self) -> &'static str {
        match self {
            Self::Of(stream) => stream.as_str(),
            Self::Order => "output_order",
        }
    }

    /// How long its head is, as an expression over the columns; nothing of the log, which only the manager writes.
    pub(in crate::sqlite) const fn head(self) -> &'static str {
        match self {
            Self::Of(Stream::Stdout) => "coalesce(stdout_gap_start, stdout_len)",
            Self::Of(Stream::Stderr) => "coalesce(stderr_gap_start, stderr_len)",
            Self::Order => "NULL",
        }
    }

    /// The end of the names of its files.
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::Of(stream) => stream.as_str(),
            Self::Order => "order",
        }
    }
}
