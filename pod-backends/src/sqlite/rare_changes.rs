//! Writes the changes that are seldom: everything but executions and their attempts.

use pod_core::{
    domain::Payload,
    store::{Change, KEPT_DECISIONS, KEPT_MINUTES, KEPT_NOTES, StoreError},
};
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;

use super::{
    encoding::{int, json},
    error::{expect, from_sql},
};

/// Writes one change.
pub(super) async fn write(connection: &mut SqliteConnection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::PutActivity(activity) => {
            let put = "INSERT INTO activities (id, name, created_at, status) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO \
                       UPDATE SET name = excluded.name, created_at = excluded.created_at, status = excluded.status, deleted = 0";
            sqlx::query(put)
                .bind(int(activity.id.0))
                .bind(activity.name.as_str())
                .bind(activity.created_at.0)
                .bind(json(&activity.status)?)
                .execute(&mut *connection)
                .await
        }
        Change::DeleteActivity(id) => {
            for delete in [
                "UPDATE activities SET deleted = 1, tally = '[0,0,0,0,0,0]', recent_durations = '[]' WHERE id = ?",
                "DELETE FROM revisions WHERE activity = ?",
                "DELETE FROM payloads WHERE activity = ?",
                "DELETE FROM installations WHERE activity = ?",
            ] {
                sqlx::query(delete).bind(int(id.0)).execute(&mut *connection).await.map_err(from_sql)?;
            }
            return forget_contents(connection).await;
        }
        Change::PutRevision(revision) => {
            let put = "INSERT INTO revisions (activity, no, body) VALUES (?, ?, ?) \
                       ON CONFLICT (activity, no) DO UPDATE SET body = excluded.body";
            sqlx::query(put)
                .bind(int(revision.activity.0))
                .bind(revision.no.0)
                .bind(json(revision)?)
                .execute(&mut *connection)
                .await
        }
        Change::PutPayload { activity, revision, payload } => {
            let content = put_content(connection, payload).await?;
            sqlx::query("INSERT OR REPLACE INTO payloads (activity, revision, content) VALUES (?, ?, ?)")
                .bind(int(activity.0))
                .bind(revision.0)
                .bind(content)
                .execute(&mut *connection)
                .await
                .map_err(from_sql)?;
            return forget_contents(connection).await;
        }
        Change::DeleteRevision { activity, revision } => {
            for delete in [
                "DELETE FROM revisions WHERE activity = ? AND no = ?",
                "DELETE FROM payloads WHERE activity = ? AND revision = ?",
            ] {
                let delete = sqlx::query(delete).bind(int(activity.0)).bind(revision.0);
                delete.execute(&mut *connection).await.map_err(from_sql)?;
            }
            return forget_contents(connection).await;
        }
        Change::PutInstallation(row) => {
            sqlx::query("INSERT OR REPLACE INTO installations (worker, activity, revision, body) VALUES (?, ?, ?, ?)")
                .bind(int(row.worker.0))
                .bind(int(row.activity.0))
                .bind(row.revision.0)
                .bind(json(row)?)
                .execute(&mut *connection)
                .await
        }
        Change::DeleteInstallation { worker, activity, revision } => {
            sqlx::query("DELETE FROM installations WHERE worker = ? AND activity = ? AND revision = ?")
                .bind(int(worker.0))
                .bind(int(activity.0))
                .bind(revision.0)
                .execute(&mut *connection)
                .await
        }
        Change::PutWorker(worker) => {
            sqlx::query("INSERT OR REPLACE INTO workers (id, body) VALUES (?, ?)")
                .bind(int(worker.id.0))
                .bind(json(worker)?)
                .execute(&mut *connection)
                .await
        }
        Change::DeleteWorker(id) => {
            for delete in ["DELETE FROM workers WHERE id = ?", "DELETE FROM installations WHERE worker = ?"] {
                sqlx::query(delete).bind(int(id.0)).execute(&mut *connection).await.map_err(from_sql)?;
            }
            return Ok(());
        }
        Change::PutNote { key, request_hash, note } => {
            let put = "INSERT INTO notes (key, request_hash, note) VALUES (?, ?, ?) \
                       ON CONFLICT (key) DO UPDATE SET request_hash = excluded.request_hash, note = excluded.note";
            sqlx::query(put)
                .bind(&**key)
                .bind(&request_hash[..])
                .bind(json(note)?)
                .execute(&mut *connection)
                .await
                .map_err(from_sql)?;
            sqlx::query("DELETE FROM notes WHERE no <= (SELECT max(no) FROM notes) - ?")
                .bind(int(KEPT_NOTES))
                .execute(&mut *connection)
                .await
        }
        Change::PutPolicy(policy) => {
            sqlx::query("INSERT INTO policies (id, name, body) VALUES (?, ?, ?)")
                .bind(int(policy.id.0))
                .bind(policy.name.as_str())
                .bind(json(policy)?)
                .execute(&mut *connection)
                .await
        }
        Change::DeletePolicy(id) => {
            for delete in [
                "DELETE FROM policies WHERE id = ?",
                "UPDATE lease SET active_policy = 0 WHERE active_policy = ?",
            ] {
                sqlx::query(delete).bind(int(id.0)).execute(&mut *connection).await.map_err(from_sql)?;
            }
            return Ok(());
        }
        Change::ActivatePolicy(id) => {
            let activate = "UPDATE lease SET active_policy = ?1 WHERE ?1 = 0 OR EXISTS (SELECT 1 FROM policies WHERE id = ?1)";
            let done = sqlx::query(activate).bind(int(id.0)).execute(&mut *connection).await.map_err(from_sql)?;
            return expect(done.rows_affected(), 1, &format!("policy {} does not exist", id));
        }
        Change::RecordDecision(decision) => {
            sqlx::query("INSERT INTO decisions (body) VALUES (?)")
                .bind(json(decision)?)
                .execute(&mut *connection)
                .await
                .map_err(from_sql)?;
            sqlx::query("DELETE FROM decisions WHERE no <= (SELECT max(no) FROM decisions) - ?")
                .bind(int(KEPT_DECISIONS))
                .execute(&mut *connection)
                .await
        }
        Change::PutMinute(minute) => {
            sqlx::query("INSERT OR REPLACE INTO minutes (minute, body) VALUES (?, ?)")
                .bind(minute.minute)
                .bind(json(minute)?)
                .execute(&mut *connection)
                .await
                .map_err(from_sql)?;
            sqlx::query("DELETE FROM minutes WHERE minute <= (SELECT max(minute) FROM minutes) - ?")
                .bind(int(KEPT_MINUTES as u64))
                .execute(&mut *connection)
                .await
        }
        Change::InsertExecution(_)
        | Change::UpdateExecution(_)
        | Change::Retrieve(_)
        | Change::DeleteExecutions(_)
        | Change::OpenAttempt(_)
        | Change::StartAttempt { .. }
        | Change::EndAttempt { .. }
        | Change::PutIdempotency { .. } => unreachable!("the plan holds these apart"),
    }
    .map(drop)
    .map_err(from_sql)
}

/// The row that holds the bytes: the one that is there, or a new one.
async fn put_content(connection: &mut SqliteConnection, payload: &Payload) -> Result<i64, StoreError> {
    let kind = match payload {
        Payload::Script(_) => "script",
        Payload::Archive(_) => "archive",
    };
    let sha256 = Sha256::new().chain_update(kind).chain_update(payload.bytes()).finalize().to_vec();
    let known: Option<i64> = sqlx::query_scalar("SELECT id FROM contents WHERE sha256 = ?")
        .bind(&sha256)
        .fetch_optional(&mut *connection)
        .await
        .map_err(from_sql)?;
    if let Some(known) = known {
        return Ok(known);
    }
    let insert = "INSERT INTO contents (sha256, kind, bytes) VALUES (?, ?, ?) RETURNING id";
    let insert = sqlx::query_scalar(insert).bind(&sha256).bind(kind).bind(payload.bytes().to_vec());
    insert.fetch_one(&mut *connection).await.map_err(from_sql)
}

/// Deletes what no revision pins any more.
async fn forget_contents(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let delete = "DELETE FROM contents WHERE NOT EXISTS (SELECT 1 FROM payloads WHERE content = contents.id)";
    sqlx::query(delete).execute(&mut *connection).await.map(drop).map_err(from_sql)
}
