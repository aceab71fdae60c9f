//! A map whose changes can be taken back: what makes a batch all or nothing.

use std::{
    collections::{BTreeMap, btree_map},
    ops::RangeBounds,
};

/// Rows by key. Changes stay provisional until [`Table::settle`]; [`Table::roll_back`] undoes them.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// What was there before each provisional change, in order.
    before: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), before: Vec::new() }
    }
}

impl<K: Ord + Clone, V> Table<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.rows.contains_key(key)
    }

    pub(super) fn iter(&self) -> btree_map::Iter<'_, K, V> {
        self.rows.iter()
    }

    pub(super) fn range<R: RangeBounds<K>>(&self, range: R) -> btree_map::Range<'_, K, V> {
        self.rows.range(range)
    }

    pub(super) fn put(&mut self, key: K, value: V) {
        let before = self.rows.insert(key.clone(), value);
        self.before.push((key, before));
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some((key, value)) = self.rows.remove_entry(key) {
            self.before.push((key, Some(value)));
        }
    }

    /// Removes every row whose key the predicate holds for.
    pub(super) fn remove_where(&mut self, mut doomed: impl FnMut(&K) -> bool) {
        let keys: Vec<K> = self.rows.keys().filter(|key| doomed(key)).cloned().collect();
        for key in keys {
            self.remove(&key);
        }
    }

    /// Makes the provisional changes final.
    pub(super) fn settle(&mut self) {
        self.before.clear();
    }

    /// Undoes the provisional changes, the last one first.
    pub(super) fn roll_back(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rolling_back_restores_every_row() {
        let mut table = Table::default();
        table.put(1, "one");
        table.settle();
        table.put(1, "uno");
        table.put(2, "two");
        table.remove(&1);
        table.put(1, "eins");
        table.roll_back();
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&1, &"one")]);
    }
}
