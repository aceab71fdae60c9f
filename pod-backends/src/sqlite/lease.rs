//! The lease: one row, which says who may commit and for how long.

use std::fs;

use pod_core::{
    domain::{Epoch, Millis},
    store::{Acquisition, HeldLease, Holder, Lease, StoreError},
};
use sqlx::{Row, SqliteConnection};

use super::{
    encoding::int,
    error::{from_sql, unreadable},
};

/// A moment by a clock that nobody can set: the time since a start of the machine.
struct Moment {
    boot: String,
    uptime: i64,
}

impl Moment {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn now() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        let uptime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Self { boot, uptime: uptime.tv_sec * 1000 + uptime.tv_nsec / 1_000_000 }
    }

    /// The system's clock, where nothing better is known.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { boot: String::new(), uptime: i64::try_from(since.as_millis()).unwrap_or(i64::MAX) }
    }

    fn after(&self, ttl: Millis) -> i64 {
        self.uptime.saturating_add(int(ttl.0))
    }
}

/// Who holds the lease at the moment, if anybody does.
async fn held(connection: &mut SqliteConnection, now: &Moment) -> Result<Option<HeldLease>, StoreError> {
    let read = "SELECT holder, holder_url, expires, expires_boot FROM lease";
    let row = sqlx::query(read).fetch_one(connection).await.map_err(from_sql)?;
    let name: Option<String> = row.try_get(0).map_err(from_sql)?;
    let url: Option<String> = row.try_get(1).map_err(from_sql)?;
    let expires: Option<i64> = row.try_get(2).map_err(from_sql)?;
    let boot: Option<String> = row.try_get(3).map_err(from_sql)?;
    let Some(name) = name.filter(|_| boot.as_ref() == Some(&now.boot)) else { return Ok(None) };
    let left = expires.ok_or_else(|| unreadable("a lease without an end"))?.saturating_sub(now.uptime);
    let holder = url.into_iter().fold(Holder::new(name), Holder::at);
    Ok((left > 0).then(|| HeldLease { holder, expires_in: Millis(left.unsigned_abs()) }))
}

/// Acquires the lease, in a transaction of the caller's.
pub(super) async fn acquire(
    connection: &mut SqliteConnection,
    holder: &Holder,
    ttl: Millis,
) -> Result<Acquisition, StoreError> {
    let now = Moment::now();
    if let Some(held) = held(&mut *connection, &now).await?.filter(|held| held.holder.name != holder.name) {
        return Ok(Acquisition::HeldBy(held));
    }
    let take = "UPDATE lease SET epoch = epoch + 1, seq = 0, holder = ?, holder_url = ?, expires = ?, expires_boot = ? \
                RETURNING epoch";
    let take = sqlx::query_scalar(take).bind(&*holder.name).bind(holder.url.as_deref());
    let epoch: i64 = take.bind(now.after(ttl)).bind(now.boot).fetch_one(connection).await.map_err(from_sql)?;
    Ok(Acquisition::Acquired(Lease { epoch: Epoch(epoch.unsigned_abs()), expires_in: ttl }))
}

/// Renews the lease of an epoch, unless another one was acquired or it was released.
pub(super) async fn renew(connection: &mut SqliteConnection, epoch: Epoch, ttl: Millis) -> Result<(), StoreError> {
    let now = Moment::now();
    let renew = "UPDATE lease SET expires = ?, expires_boot = ? WHERE epoch = ? AND holder IS NOT NULL";
    let renew = sqlx::query(renew).bind(now.after(ttl)).bind(now.boot).bind(int(epoch.0));
    let renewed = renew.execute(connection).await.map_err(from_sql)?.rows_affected();
    if renewed == 1 { Ok(()) } else { Err(StoreError::Fenced) }
}

/// Releases the lease of an epoch, if it is still the newest.
pub(super) async fn release(connection: &mut SqliteConnection, epoch: Epoch) -> Result<(), StoreError> {
    let release = "UPDATE lease SET holder = NULL, holder_url = NULL WHERE epoch = ?";
    sqlx::query(release).bind(int(epoch.0)).execute(connection).await.map_err(from_sql)?;
    Ok(())
}
