use std::sync::atomic::{fence, AtomicU64, Ordering};

use super::slot::Slot;
use crate::handles::SharedCounter;

/// A counter behind `&self` that is bound to a series when there is a segment: an atomic addition, before and after.
///
/// It reads as the running total of its series, or as what it was reset or set to. The series itself only grows.
#[derive(Debug)]
pub struct CountMetric {
    series: Slot<SharedCounter>,
    /// Added while there was no series.
    early: AtomicU64,
    /// The total from which [`since_mark`](CountMetric::since_mark) counts.
    mark: AtomicU64,
}

impl Default for CountMetric {
    fn default() -> CountMetric {
        CountMetric::new()
    }
}

impl CountMetric {
    /// Bound to no series yet.
    pub const fn new() -> CountMetric {
        CountMetric { series: Slot::new(), early: AtomicU64::new(0), mark: AtomicU64::new(0) }
    }

    /// Counts in this series from now on, to which it adds what was counted before. The first series stays, and false tells
    /// of a second one. An empty handle binds nothing.
    pub fn bind(&self, series: SharedCounter) -> bool {
        if series.is_empty() || !self.series.fill(series) {
            return false;
        }
        self.move_early();
        true
    }

    /// Adds to the series and to the totals.
    #[inline]
    pub fn add(&self, value: u64) {
        match self.series.get() {
            Some(series) => series.add(value),
            None => self.add_early(value),
        }
    }

    #[cold]
    fn add_early(&self, value: u64) {
        // Relaxed: the order comes from the fence in `move_early`.
        self.early.fetch_add(value, Ordering::Relaxed);
        self.move_early();
    }

    /// Moves what was counted early to the series, if there is one. Nothing stays behind when a thread adds while another
    /// binds: each has stored its own word before the fence and looks at the other's after it, so one of them sees both.
    fn move_early(&self) {
        fence(Ordering::SeqCst);
        if let Some(series) = self.series.get() {
            match self.early.swap(0, Ordering::Relaxed) {
                0 => {}
                early => {
                    // Release: who sees the addition to the series finds nothing left here, and counts nothing twice.
                    fence(Ordering::Release);
                    series.add(early);
                }
            }
        }
    }

    /// All that was added: the total of the series, or of this object while it is bound to none. What another thread's
    /// [`bind`](CountMetric::bind) is just moving to the series is missing for that moment, and nothing is ever counted twice.
    pub fn total(&self) -> u64 {
        let counted = self.series.get().map_or(0, SharedCounter::value);
        fence(Ordering::Acquire); // pairs with the one in `move_early`
        counted.wrapping_add(self.early.load(Ordering::Relaxed))
    }

    /// What was added since the [`mark`](CountMetric::mark), or in all.
    pub fn since_mark(&self) -> u64 {
        // Beside `bind` the total may lie below the mark for a moment.
        self.total().saturating_sub(self.mark.load(Ordering::Relaxed))
    }

    /// Counts from here: [`since_mark`](CountMetric::since_mark) begins at 0 again. The series keeps its total.
    pub fn mark(&self) {
        self.take();
    }

    /// What [`since_mark`](CountMetric::since_mark) says, and a [`mark`](CountMetric::mark) exactly there: the sum over all
    /// takes is the total, whatever is added meanwhile. One thread at a time.
    pub fn take(&self) -> u64 {
        let since = self.since_mark();
        self.mark.fetch_add(since, Ordering::Relaxed);
        since
    }

    /// Makes [`since_mark`](CountMetric::since_mark) say `value`, as a running total that is fed from outside: what it grew by
    /// is added to the series, and all of it when it went down (a restart). One thread at a time, and not beside
    /// [`bind`](CountMetric::bind), which would look like a restart.
    pub fn set(&self, value: u64) {
        let before = self.since_mark();
        if value < before {
            self.mark();
            self.add(value);
        } else {
            self.add(value - before);
        }
    }
}

impl From<SharedCounter> for CountMetric {
    fn from(series: SharedCounter) -> CountMetric {
        let made = CountMetric::new();
        made.bind(series);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{self, Bytes, Folder, FAULTS};

    #[test]
    fn a_thread_that_saw_no_series_yet_still_adds_to_it() {
        let folder = Folder::new();
        let (segment, path) = support::create(&folder);
        let count = CountMetric::from(segment.shared_counter("faults_total", &[]).unwrap());
        count.add_early(5); // had looked for a series before it was bound
        assert_eq!((count.total(), Bytes::read(&path).cell(FAULTS, 2)), (5, 5));
    }

    #[test]
    fn what_is_on_its_way_to_the_series_is_missing_and_no_more() {
        let count = CountMetric::new();
        count.add(5);
        count.mark();
        count.early.swap(0, Ordering::Relaxed); // as in `bind`, before it adds to the series
        assert_eq!((count.total(), count.since_mark(), count.take()), (0, 0, 0));
        count.add(5);
        count.add(2);
        assert_eq!((count.take(), count.take()), (2, 0));
    }
}
