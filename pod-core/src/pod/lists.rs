//! Lists of executions: pages, counts, and where a moment lies among the ids.

use super::{Pod, PodError, Result};
use crate::{
    domain::{Execution, ExecutionId, Timestamp},
    store::{ExecutionQuery, Order},
};

impl Pod {
    /// A page of executions, newest first unless asked otherwise. The default query asks for the newest hundred
    /// ([`ExecutionQuery::PAGE`]) of all.
    ///
    /// # Errors
    ///
    /// [`PodError::Invalid`] for a limit of 0: such a page would look like the end of the list.
    pub async fn executions(&self, query: ExecutionQuery) -> Result<Vec<Execution>> {
        if query.limit == 0 {
            let why = "a page of executions has at least one; make the limit of the query 1 or more";
            return Err(PodError::Invalid(why.to_owned()));
        }
        Ok(self.engine.store().executions(query).await?)
    }

    /// How many executions a query asks for, whatever its limit. Counted in indexes, except where a text or a worker is
    /// looked for: then all within the bounds are read.
    pub async fn count_executions(&self, query: ExecutionQuery) -> Result<u64> {
        Ok(self.engine.store().count_executions(query).await?)
    }

    /// Limits a query to what was submitted from `from` on and before `until`. Ids are handed out in the order of time,
    /// so that a span of time is a range of ids.
    pub async fn submitted_between(
        &self,
        query: &mut ExecutionQuery,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<()> {
        /// Above every id, and below what a store can write.
        const NEVER: ExecutionId = ExecutionId(i64::MAX as u64 - 1);
        if let Some(from) = from {
            let first = self.first_submitted(from).await?.map_or(NEVER, |first| ExecutionId(first.0 - 1));
            query.after = query.after.max(Some(first));
        }
        if let Some(until) = until
            && let Some(first) = self.first_submitted(until).await?
        {
            query.before = Some(query.before.map_or(first, |before| before.min(first)));
        }
        Ok(())
    }

    /// The first execution that was submitted at this moment or later, found in a few looks, however many there are.
    pub async fn first_submitted(&self, at: Timestamp) -> Result<Option<ExecutionId>> {
        let one = |after, order| ExecutionQuery { after, order, limit: 1, ..ExecutionQuery::default() };
        let Some(newest) = self.executions(one(None, Order::NewestFirst)).await?.pop() else { return Ok(None) };
        // What is above `low` and at most `high` may be the first; `high` is, if nothing between them is.
        let (mut low, mut high) = (0, newest.id.0);
        if newest.submitted_at < at {
            return Ok(None);
        }
        let mut found = newest.id;
        while low < high {
            let middle = low + (high - low) / 2;
            // The first one that there is above the middle: ids between may be gone.
            match self.executions(one(Some(ExecutionId(middle)), Order::OldestFirst)).await?.pop() {
                Some(next) if next.submitted_at < at => low = next.id.0,
                next => {
                    high = middle;
                    found = next.map_or(found, |next| next.id);
                }
            }
        }
        Ok(Some(found))
    }
}
