//! What was counted as it happened, against the rows.

use super::{Step, World, now_or_never};
use crate::store::Store;

impl World {
    /// The counters equal a recount of the rows.
    pub(super) fn recount(&mut self) -> Step {
        self.check_order()?;
        let Some(state) = self.state() else { return Ok(()) };
        for (id, activity) in state.activities.iter() {
            let query = crate::store::ExecutionQuery { activity: Some(*id), limit: 1_000_000, ..Default::default() };
            let rows = now_or_never(self.store.executions(query)).map_err(|error| error.to_string())?;
            let mut counts = [0; 6];
            for row in &rows {
                counts[row.status as usize] += 1;
            }
            if counts != activity.tally.executions {
                return Err(format!("activity {id}: rows {counts:?}, counters {:?}", activity.tally.executions));
            }
            for no in activity.all_revisions().iter().map(|revision| revision.no) {
                let kept = rows.iter().filter(|row| row.revision == no).count() as u64;
                let counted = activity.revision(no).map(|state| state.kept);
                if counted != Some(kept) {
                    return Err(format!("revision {no} of activity {id}: {kept} rows, counted {counted:?}"));
                }
            }
            if let Some(row) = rows.iter().find(|row| activity.revision(row.revision).is_none()) {
                return Err(format!("execution {} names revision {}, which is gone", row.id, row.revision));
            }
        }
        Ok(())
    }
}
