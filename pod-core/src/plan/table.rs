//! A table that knows which of its rows a round has to look at: those that were changed, and those that are not done.
//!
//! Whatever is taken out to be changed is looked at in the round that comes, by construction. So a round costs what changed, and
//! nothing for the many activities and workers that there are beside.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

/// Rows by their number. Reading goes through [`Deref`].
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    awake: BTreeSet<K>,
}

impl<K: Ord, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), awake: BTreeSet::new() }
    }
}

impl<K, V> Deref for Table<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.rows
    }
}

impl<K: Copy + Ord, V> Table<K, V> {
    /// A row that is to be changed.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        self.awake.insert(*key);
        Some(row)
    }

    /// A row that is to be changed, and is made where there is none.
    pub(super) fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.awake.insert(key);
        self.rows.entry(key).or_insert_with(make)
    }

    pub(super) fn insert(&mut self, key: K, row: V) {
        self.awake.insert(key);
        self.rows.insert(key, row);
    }

    pub(super) fn remove(&mut self, key: &K) {
        self.awake.remove(key);
        self.rows.remove(key);
    }

    /// All rows, to be changed.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.wake_all();
        self.rows.values_mut()
    }

    /// Has all rows looked at.
    pub(super) fn wake_all(&mut self) {
        self.awake.extend(self.rows.keys());
    }

    /// The rows to look at.
    pub(super) fn awake(&self) -> impl Iterator<Item = (&K, &V)> {
        self.awake.iter().filter_map(|key| self.rows.get_key_value(key))
    }

    /// The numbers of the rows to look at.
    pub(super) fn awake_keys(&self) -> Vec<K> {
        self.awake.iter().copied().collect()
    }

    /// Looks no more at those that are done.
    pub(super) fn rest(&mut self, is_done: impl Fn(&V) -> bool) {
        self.awake.retain(|key| self.rows.get(key).is_some_and(|row| !is_done(row)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_looked_at_until_it_is_done() {
        let mut table = Table::default();
        for key in 0..5 {
            table.insert(key, key);
        }
        table.rest(|_| true);
        assert_eq!(table.awake().count(), 0);
        *table.get_mut(&3).unwrap() = 30;
        *table.get_or_insert_with(7, || 7) += 1;
        assert_eq!(table.get_mut(&99), None);
        assert_eq!(table.awake().map(|(key, row)| (*key, *row)).collect::<Vec<_>>(), [(3, 30), (7, 8)]);
        table.rest(|row| *row == 8);
        assert_eq!(table.awake_keys(), [3]);
        table.remove(&3);
        assert_eq!(table.awake().count(), 0);
        table.values_mut().for_each(|row| *row = 0);
        assert_eq!(table.awake().count(), table.len());
    }
}
