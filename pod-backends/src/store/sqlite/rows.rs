//! Statements that write many rows at once.
//!
//! A statement costs a hop to the connection's thread, so rows go in chunks; the chunks have a few fixed sizes, so that
//! each text is prepared once.

use std::sync::OnceLock;

use sqlx::{SqliteConnection, error::BoxDynError, sqlite::SqliteArguments};

const CHUNKS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A statement with a list of rows in it.
#[derive(Debug)]
pub(super) struct RowsStatement {
    before: &'static str,
    columns: usize,
    after: &'static str,
    texts: OnceLock<[String; CHUNKS.len()]>,
}

impl RowsStatement {
    /// `before`, then rows of so many columns, then `after`.
    pub(super) const fn new(before: &'static str, columns: usize, after: &'static str) -> Self {
        Self { before, columns, after, texts: OnceLock::new() }
    }

    fn text(&'static self, chunk: usize) -> &'static str {
        let texts = self.texts.get_or_init(|| {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            CHUNKS.map(|rows| format!("{}{}{}", self.before, vec![row.as_str(); rows].join(","), self.after))
        });
        &texts[chunk]
    }

    /// Writes all rows and says how many were affected.
    pub(super) async fn write<T>(
        &'static self,
        connection: &mut SqliteConnection,
        mut rows: &[T],
        bind: impl Fn(&mut SqliteArguments, &T) -> Result<(), BoxDynError>,
    ) -> Result<u64, sqlx::Error> {
        let mut affected = 0;
        for (chunk, size) in CHUNKS.into_iter().enumerate() {
            while let Some((now, later)) = rows.split_at_checked(size) {
                let mut arguments = SqliteArguments::default();
                sqlx::Arguments::reserve(&mut arguments, size * self.columns, 0);
                for row in now {
                    bind(&mut arguments, row).map_err(sqlx::Error::Encode)?;
                }
                debug_assert_eq!(sqlx::Arguments::len(&arguments), size * self.columns, "{}", self.before);
                affected +=
                    sqlx::query_with(self.text(chunk), arguments).execute(&mut *connection).await?.rows_affected();
                rows = later;
            }
        }
        Ok(affected)
    }
}
