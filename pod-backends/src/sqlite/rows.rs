//! Statements that write many rows at once, and several of them in one step.
//!
//! What costs time is the hop to the connection's thread, so all statements of a step go there together. Their texts
//! are prepared once each: the lists of rows in them come in a few sizes and are filled up with rows of nulls, which
//! no statement here takes for a row.

use std::sync::OnceLock;

use futures::TryStreamExt as _;
use pod_core::store::StoreError;
use sqlx::{
    Arguments as _, AssertSqlSafe, Either, Executor as _, SqliteConnection, error::BoxDynError, sqlite::SqliteArguments,
};

use super::error::{conflict, from_sql};

/// How many rows a list may have. The last one is the most that a statement writes.
const SIZES: [usize; 3] = [2, 16, 64];
const MAX_ROWS: usize = SIZES[SIZES.len() - 1];

/// A statement with a list of rows in it. It must take no notice of a row whose first column is null.
#[derive(Debug)]
pub(super) struct RowsStatement {
    before: &'static str,
    columns: usize,
    after: &'static str,
    texts: OnceLock<[String; SIZES.len()]>,
}

impl RowsStatement {
    /// `before`, then rows of so many columns, then `after`.
    pub(super) const fn new(before: &'static str, columns: usize, after: &'static str) -> Self {
        Self { before, columns, after, texts: OnceLock::new() }
    }

    fn text(&'static self, size: usize) -> &'static str {
        let texts = self.texts.get_or_init(|| {
            let row = format!("({})", vec!["?"; self.columns].join(","));
            SIZES.map(|rows| format!("{}{}{};", self.before, vec![row.as_str(); rows].join(","), self.after))
        });
        &texts[size]
    }
}

/// Statements that are carried out in order, with one hop for as many as possible.
#[derive(Debug)]
pub(super) struct Step<'c> {
    connection: &'c mut SqliteConnection,
    text: String,
    arguments: SqliteArguments,
    /// What each statement is to come to.
    expected: Vec<Option<Expected>>,
}

/// How many rows a statement has to change, and what it means if it does not.
#[derive(Debug)]
struct Expected {
    affected: usize,
    otherwise: &'static str,
}

impl<'c> Step<'c> {
    pub(super) fn new(connection: &'c mut SqliteConnection) -> Self {
        Self { connection, text: String::new(), arguments: SqliteArguments::default(), expected: Vec::new() }
    }

    /// Adds a statement for all of these rows. Where there is an `otherwise`, the step is refused with it unless as
    /// many rows of the table are changed.
    pub(super) async fn rows<T>(
        &mut self,
        statement: &'static RowsStatement,
        rows: &[T],
        otherwise: Option<&'static str>,
        bind: impl Fn(&mut SqliteArguments, &T) -> Result<(), BoxDynError>,
    ) -> Result<(), StoreError> {
        for chunk in rows.chunks(MAX_ROWS) {
            if chunk.len() == MAX_ROWS {
                self.run().await?;
            }
            let size = SIZES.iter().position(|&size| chunk.len() <= size).unwrap_or(SIZES.len() - 1);
            let begin = self.arguments.len();
            self.arguments.reserve(SIZES[size] * statement.columns, 0);
            chunk.iter().try_for_each(|row| bind(&mut self.arguments, row)).map_err(encode)?;
            debug_assert_eq!(self.arguments.len() - begin, chunk.len() * statement.columns, "{}", statement.before);
            let nulls = (SIZES[size] - chunk.len()) * statement.columns;
            (0..nulls).try_for_each(|_| self.arguments.add(None::<i64>)).map_err(encode)?;
            self.text.push_str(statement.text(size));
            self.expected.push(otherwise.map(|otherwise| Expected { affected: chunk.len(), otherwise }));
            if chunk.len() == MAX_ROWS {
                self.run().await?;
            }
        }
        Ok(())
    }

    /// Adds a statement that has to change one row.
    pub(super) fn one(
        &mut self,
        text: &'static str,
        otherwise: &'static str,
        bind: impl FnOnce(&mut SqliteArguments) -> Result<(), BoxDynError>,
    ) -> Result<(), StoreError> {
        bind(&mut self.arguments).map_err(encode)?;
        self.text.push_str(text);
        self.text.push(';');
        self.expected.push(Some(Expected { affected: 1, otherwise }));
        Ok(())
    }

    /// Carries out what was added.
    pub(super) async fn run(&mut self) -> Result<(), StoreError> {
        if self.expected.is_empty() {
            return Ok(());
        }
        let (text, arguments) = (std::mem::take(&mut self.text), std::mem::take(&mut self.arguments));
        let mut expected = std::mem::take(&mut self.expected).into_iter();
        let mut results = self.connection.fetch_many(sqlx::query_with(AssertSqlSafe(text), arguments));
        let mut refused = None;
        while let Some(result) = results.try_next().await.map_err(from_sql)? {
            let Either::Left(result) = result else { continue };
            if let Some(Some(Expected { affected, otherwise })) = expected.next()
                && result.rows_affected() != affected as u64
            {
                refused.get_or_insert(otherwise);
            }
        }
        refused.map_or(Ok(()), |otherwise| Err(conflict(otherwise.to_owned())))
    }
}

fn encode(error: BoxDynError) -> StoreError {
    from_sql(sqlx::Error::Encode(error))
}
