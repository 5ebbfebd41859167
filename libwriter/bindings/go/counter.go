package ringside

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// The hot path: what <ringside/detail/hot_inline.h> does, in Go. Each record asks first whether its time has left the
// open window, by one comparison for both directions: a time before the window wraps to a huge difference. A closed
// segment has windows of length 0, which every time has left.
//
// Loads of a cell are plain: only the owner of the handle writes it, apart from what shared counters add up.

// Counter counts what only grows. A Counter belongs to one goroutine at a time.
type Counter struct {
	cell    *counterCell
	segment *Segment
}

// Empty reports whether recording into c does nothing because its set-up failed.
func (c Counter) Empty() bool { return c.cell == nil }

// Add adds delta.
func (c Counter) Add(delta uint64) {
	if c.cell == nil {
		return
	}
	window := c.segment.window
	if window == 0 || atomic.LoadUint64(&c.segment.now)-c.cell.open&^openFlags >= window {
		if _, ok := c.segment.turn(unsafe.Pointer(c.cell)); !ok {
			return
		}
	}
	store(&c.cell.value, c.cell.value+delta) // one word: here the record takes effect (F7)
}

// Total feeds a running total from a source that may restart: adds what it grew by since the call before, or all of it
// when it went down (a restart at 0). The first call adds the whole total, unless there was a Baseline.
func (c Counter) Total(total uint64) {
	if c.cell == nil || c.segment.window == 0 {
		return
	}
	delta := total
	if before := c.cell.raw; total >= before {
		delta -= before
	}
	c.Add(delta)
	store(&c.cell.raw, total)
}

// Baseline takes total as the running total from which to count on, adding nothing: for a source that is older than the
// segment.
func (c Counter) Baseline(total uint64) {
	if c.cell == nil || c.segment.window == 0 {
		return
	}
	store(&c.cell.raw, total)
}

// SharedCounter is a counter that any number of goroutines may add to at once.
type SharedCounter struct {
	cell    *counterCell
	segment *Segment
}

// Empty reports whether recording into c does nothing because its set-up failed.
func (c SharedCounter) Empty() bool { return c.cell == nil }

// Add adds delta.
func (c SharedCounter) Add(delta uint64) {
	if c.cell == nil {
		return
	}
	window := c.segment.window
	if window == 0 || atomic.LoadUint64(&c.segment.now)-atomic.LoadUint64(&c.cell.open)&^openFlags >= window {
		if _, ok := c.segment.turn(unsafe.Pointer(c.cell)); !ok {
			return
		}
	}
	// A goroutine that is late across a window's end counts into the next window.
	atomic.AddUint64(&c.cell.value, delta)
}

// CounterF64 counts what only grows and is no whole number: seconds, joules. It belongs to one goroutine at a time.
type CounterF64 struct {
	cell    *counterF64Cell
	segment *Segment
}

// Empty reports whether recording into c does nothing because its set-up failed.
func (c CounterF64) Empty() bool { return c.cell == nil }

// Add adds delta. A negative, infinite or NaN delta is left out and counted as rejected in the segment.
func (c CounterF64) Add(delta float64) {
	if c.cell == nil {
		return
	}
	if !(delta >= 0 && delta <= math.MaxFloat64) {
		c.segment.reject()
		return
	}
	window := c.segment.window
	if window == 0 || atomic.LoadUint64(&c.segment.now)-c.cell.open&^openFlags >= window {
		if _, ok := c.segment.turn(unsafe.Pointer(c.cell)); !ok {
			return
		}
	}
	storeF64(&c.cell.value, c.cell.value+delta)
}

// Total is that of [Counter.Total]. A negative, infinite or NaN total is left out and counted as rejected.
func (c CounterF64) Total(total float64) {
	if c.cell == nil || c.segment.window == 0 {
		return
	}
	if !(total >= 0 && total <= math.MaxFloat64) {
		c.segment.reject()
		return
	}
	delta := total
	if before := c.cell.raw; total >= before {
		delta -= before
	}
	c.Add(delta)
	storeF64(&c.cell.raw, total)
}

// Baseline is that of [Counter.Baseline].
func (c CounterF64) Baseline(total float64) {
	if c.cell == nil || c.segment.window == 0 {
		return
	}
	storeF64(&c.cell.raw, total)
}
