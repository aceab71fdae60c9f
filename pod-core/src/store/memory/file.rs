//! The bytes of a stream, which a worker of the same process may write too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file in memory. A clone is another handle of the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl MemoryFile {
    /// Writes over what is there, or behind it.
    pub(crate) fn write_at(&self, offset: usize, bytes: &[u8]) {
        let mut there = self.lock();
        let end = offset + bytes.len();
        if there.len() < end {
            there.resize(end, 0);
        }
        there[offset..end].copy_from_slice(bytes);
    }

    /// The bytes between two offsets, as far as they are there.
    pub(crate) fn read(&self, from: usize, to: usize) -> Vec<u8> {
        let there = self.lock();
        let to = to.min(there.len());
        there[from.min(to)..to].to_vec()
    }

    /// Another file with the same bytes.
    #[cfg(feature = "testing")]
    pub(crate) fn duplicate(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
