//! Lists of executions: pages, counts, and where a moment lies among the ids.

use super::handle::{Pod, Result};
use crate::{
    api::PodError,
    domain::{Execution, ExecutionId, Timestamp},
    store::{ExecutionQuery, SortOrder},
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

    /// Limits a query to what was submitted from `from` on and before `until`, by the moments that the executions bear.
    ///
    /// As long as nobody set the system's clock back, ids are in the order of time and a span of time is a range of ids,
    /// within which the query then looks. What was submitted before the clock was set back is looked through. When the
    /// future is dropped, the query is as it was or limited in part: make it anew.
    pub async fn submitted_between(
        &self,
        query: &mut ExecutionQuery,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<()> {
        let disordered = self.engine.store().disordered().await?;
        if (from.is_some() || until.is_some()) && self.is_there(disordered).await? {
            // Their own moments tell, one by one.
            query.submitted_from = query.submitted_from.max(from);
            query.submitted_until = [query.submitted_until, until].into_iter().flatten().min();
        } else if let Some(from) = from {
            let before_first = match self.first_submitted(from, disordered).await? {
                Some(first) => ExecutionId(first.0 - 1),
                None => self.newest().await?,
            };
            query.after = query.after.max(Some(before_first));
        }
        if let Some(until) = until
            && let Some(first) = self.first_submitted(until, disordered).await?
        {
            query.before = Some(query.before.map_or(first, |before| before.min(first)));
        }
        Ok(())
    }

    /// Whether an execution up to this one is still kept.
    async fn is_there(&self, last: ExecutionId) -> Result<bool> {
        let before = Some(ExecutionId(last.0 + 1));
        Ok(!self.executions(ExecutionQuery { before, limit: 1, ..ExecutionQuery::default() }).await?.is_empty())
    }

    async fn newest(&self) -> Result<ExecutionId> {
        let newest = self.executions(ExecutionQuery { limit: 1, ..ExecutionQuery::default() }).await?.pop();
        Ok(newest.map_or(ExecutionId(0), |newest| newest.id))
    }

    /// The first execution behind `low` that was submitted at this moment or later, found in a few looks, however many
    /// there are: behind `low`, ids are in the order of time.
    async fn first_submitted(&self, at: Timestamp, low: ExecutionId) -> Result<Option<ExecutionId>> {
        let one = |after, order| ExecutionQuery { after, order, limit: 1, ..ExecutionQuery::default() };
        let Some(newest) = self.executions(one(Some(low), SortOrder::Descending)).await?.pop() else { return Ok(None) };
        // What is above `low` and at most `high` may be the first; `high` is, if nothing between them is.
        let (mut low, mut high) = (low.0, newest.id.0);
        if newest.submitted_at < at {
            return Ok(None);
        }
        let mut found = newest.id;
        while low < high {
            let middle = low + (high - low) / 2;
            // The first one that there is above the middle: ids between may be gone.
            match self.executions(one(Some(ExecutionId(middle)), SortOrder::Ascending)).await?.pop() {
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
