use std::sync::atomic::{fence, AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::slot::Slot;
use crate::handles::Level;

/// A value behind `&self` that any thread sets, bound to a level when there is a segment.
///
/// A level has one writer. Here the threads that store take turns at that: one that comes while another writes leaves its
/// value to it, and neither waits. Of values that meet so, the last one is recorded.
#[derive(Debug)]
pub struct StoreMetric {
    level: Slot<Level>,
    value: AtomicU64,
    /// Stores that are not recorded yet. Who makes it 1 has the level to itself until it is 0 again.
    pending: AtomicU32,
    /// Whether there is a `value` for a level that is bound later: one without a value is absent, and not 0.
    stored_early: AtomicBool,
}

// SAFETY: a level is Send and not Sync. What any thread does with it here is to fill its slot, which synchronizes, and to look
// whether there is one; to set it is left to the thread that made `pending` 1, and handed on by the orders of `pending`.
unsafe impl Sync for StoreMetric {}

impl Default for StoreMetric {
    fn default() -> StoreMetric {
        StoreMetric::new()
    }
}

impl StoreMetric {
    /// Bound to no level yet.
    pub const fn new() -> StoreMetric {
        StoreMetric {
            level: Slot::new(),
            value: AtomicU64::new(0),
            pending: AtomicU32::new(0),
            stored_early: AtomicBool::new(false),
        }
    }

    /// Records into this level from now on, beginning with the value that holds if there is one. The first level stays, and
    /// false tells of a second one. An empty handle binds nothing.
    pub fn bind(&self, level: Level) -> bool {
        if level.is_empty() || !self.level.fill(level) {
            return false;
        }
        // Pairs with the fence in `store`: either that thread sees the level, or this one its value.
        fence(Ordering::SeqCst);
        if self.stored_early.load(Ordering::Acquire) {
            self.record();
        }
        true
    }

    /// Sets the value, and the level's.
    pub fn store(&self, value: u64) {
        // Relaxed: whoever records it has seen the addition to `pending` that follows, or in `bind` the flag.
        self.value.store(value, Ordering::Relaxed);
        if self.level.get().is_none() {
            self.stored_early.store(true, Ordering::Release);
            fence(Ordering::SeqCst);
        }
        self.record();
    }

    fn record(&self) {
        let level = match self.level.get() {
            Some(level) => level,
            None => return,
        };
        // Acquire: what the thread before wrote into the cell. Release: our value, for the thread that has the level.
        if self.pending.fetch_add(1, Ordering::AcqRel) == 0 {
            self.record_pending(|value| level.set(value));
        }
    }

    /// By the thread that has the level: records until nothing is pending any more.
    fn record_pending(&self, mut set: impl FnMut(f64)) {
        let mut seen = 1;
        loop {
            set(self.value.load(Ordering::Relaxed) as f64);
            match self.pending.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(more) => seen = more,
            }
        }
    }

    /// The value stored last, 0 before the first.
    pub fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

impl From<Level> for StoreMetric {
    fn from(level: Level) -> StoreMetric {
        let made = StoreMetric::new();
        made.bind(level);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{self, Bytes, Folder, DEPTH};

    #[test]
    fn a_store_beside_another_leaves_its_value_to_it() {
        let folder = Folder::new();
        let (segment, path) = support::create(&folder);
        let store = StoreMetric::from(segment.level("queue_depth", &[]).unwrap());
        store.pending.store(1, Ordering::Relaxed); // another thread is about to record
        store.store(7);
        assert_eq!(Bytes::read(&path).cell(DEPTH, 1), 0, "nothing is recorded by two threads at once");
        let mut recorded = Vec::new();
        store.record_pending(|value| {
            recorded.push(value);
            if recorded.len() < 3 {
                store.store(7 + recorded.len() as u64); // while that thread records
            }
        });
        assert_eq!(recorded, [7.0, 8.0, 9.0]);
        store.store(10);
        assert_eq!(Bytes::read(&path).cell_f64(DEPTH, 5), 10.0, "the level is free again");
    }
}
