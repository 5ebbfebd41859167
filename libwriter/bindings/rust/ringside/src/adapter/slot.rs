use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Once;

/// A place for a handle that is filled once, by any thread, and may stand in a `static` before that.
pub(super) struct Slot<T> {
    filled: Once,
    handle: UnsafeCell<Option<T>>,
}

// SAFETY: the handle is written under `filled`, by any thread (Send), and only read once that is complete, by all (Sync).
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub(super) const fn new() -> Slot<T> {
        Slot { filled: Once::new(), handle: UnsafeCell::new(None) }
    }

    /// Whether `handle` was taken: the first one is.
    pub(super) fn fill(&self, handle: T) -> bool {
        let mut taken = false;
        self.filled.call_once(|| {
            // SAFETY: once, and nobody reads before it is complete.
            unsafe { *self.handle.get() = Some(handle) };
            taken = true;
        });
        taken
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        if !self.filled.is_completed() {
            return None;
        }
        // SAFETY: written before `filled` was complete, which acquires, and never again.
        unsafe { (*self.handle.get()).as_ref() }
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.filled.is_completed() { "bound" } else { "unbound" })
    }
}
