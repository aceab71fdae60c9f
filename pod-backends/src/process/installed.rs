//! What is installed, and what becomes of an installation that somebody damaged: it is taken away and made again, once.
//! One that is damaged again before anything could run in it is somebody's fault who would only do it a third time.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::runtime::Handle;

use super::layout::{Key, remove_tree};

/// The installations of a worker; `T` is what is to be known in order to run one.
#[derive(Debug)]
pub(crate) struct Installations<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    there: HashMap<Key, Arc<Installation<T>>>,
    /// Those that were damaged, until they are made again or not wanted any more.
    damaged: HashMap<Key, Arc<Installation<T>>>,
    /// Those that were made again, until something has run in them.
    made_again: HashSet<Key>,
}

/// An installation, kept by what runs in it also when it is not there for anything else any more.
#[derive(Debug)]
pub(crate) struct Installation<T> {
    pub(crate) what: T,
    /// Something has run in it.
    served: AtomicBool,
    /// Where its files are when another one has its place, and who deletes them.
    aside: OnceLock<(Option<PathBuf>, Handle)>,
}

/// What is to become of an execution whose installation is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// It can run when the installation was made again.
    Passing,
    /// It was made again, and is damaged again.
    Lasting,
}

/// Why there is no installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Unknown,
    /// It is to be made again.
    Damaged,
}

impl<T> Installations<T> {
    pub(crate) fn new(there: impl IntoIterator<Item = (Key, T)>) -> Self {
        let there = there.into_iter().map(|(key, what)| (key, Arc::new(Installation::new(what)))).collect();
        Self(Mutex::new(State { there, damaged: HashMap::new(), made_again: HashSet::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: Key) -> Result<Arc<Installation<T>>, Absent> {
        let state = self.state();
        let absent = || if state.damaged.contains_key(&key) { Absent::Damaged } else { Absent::Unknown };
        state.there.get(&key).cloned().ok_or_else(absent)
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.state().there.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// It is about to be made, or made again. Gives the one whose place it takes, if that was damaged.
    pub(crate) fn begin(&self, key: Key) -> Option<Arc<Installation<T>>> {
        let mut state = self.state();
        state.there.remove(&key);
        state.damaged.get(&key).cloned()
    }

    /// It is complete.
    pub(crate) fn complete(&self, key: Key, what: T) {
        let mut state = self.state();
        if state.damaged.remove(&key).is_some() {
            state.made_again.insert(key);
        }
        state.there.insert(key, Arc::new(Installation::new(what)));
    }

    /// Nobody wants it any more.
    pub(crate) fn forget(&self, key: Key) {
        let mut state = self.state();
        state.there.remove(&key);
        state.damaged.remove(&key);
        state.made_again.remove(&key);
    }

    /// It was found damaged: nothing is started in it any more.
    pub(crate) fn damaged(&self, key: Key, found: &Arc<Installation<T>>) -> Damage {
        let mut state = self.state();
        if !state.there.get(&key).is_some_and(|there| Arc::ptr_eq(there, found)) {
            // Somebody else has found that, too.
            return Damage::Passing;
        }
        if let Some(found) = state.there.remove(&key) {
            state.damaged.insert(key, found);
        }
        if state.made_again.contains(&key) { Damage::Lasting } else { Damage::Passing }
    }

    /// Something runs in it.
    pub(crate) fn serves(&self, key: Key, installation: &Installation<T>) {
        if !installation.served.swap(true, Ordering::Relaxed) {
            self.state().made_again.remove(&key);
        }
    }
}

impl<T> Installation<T> {
    fn new(what: T) -> Self {
        Self { what, served: AtomicBool::new(false), aside: OnceLock::new() }
    }

    /// Whether something has run in it.
    pub(crate) fn has_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// Its files, if there are any, are there now, and go when nothing runs in it any more.
    pub(super) fn set_aside(&self, files: Option<PathBuf>, deleter: &Handle) {
        let _ = self.aside.set((files, deleter.clone()));
    }

    pub(super) fn is_aside(&self) -> bool {
        self.aside.get().is_some()
    }
}

impl<T> Drop for Installation<T> {
    fn drop(&mut self) {
        let Some((Some(files), deleter)) = self.aside.take() else { return };
        deleter.spawn_blocking(move || {
            if let Err(error) = remove_tree(&files) {
                tracing::warn!(%error, "what is left of a damaged installation could not be deleted");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use pod_core::domain::{ActivityId, RevisionNo};

    use super::*;

    #[test]
    fn what_is_damaged_is_made_again_once_unless_something_ran_in_it() {
        let key = (ActivityId(7), RevisionNo(2));
        let all = Installations::new([(key, ())]);
        let first = all.get(key).unwrap();
        assert_eq!(all.damaged(key, &first), Damage::Passing);
        assert_eq!(all.damaged(key, &first), Damage::Passing, "who comes later found the same");
        assert_eq!(all.get(key).unwrap_err(), Absent::Damaged);
        assert!(all.begin(key).is_some());
        all.complete(key, ());
        let second = all.get(key).unwrap();
        assert_eq!(all.damaged(key, &first), Damage::Passing, "that was the one before");
        assert_eq!(all.damaged(key, &second), Damage::Lasting);
        assert!(all.begin(key).is_some());
        all.complete(key, ());
        let third = all.get(key).unwrap();
        all.serves(key, &third);
        assert_eq!(all.damaged(key, &third), Damage::Passing);
        all.forget(key);
        assert_eq!(all.get(key).unwrap_err(), Absent::Unknown);
    }
}
