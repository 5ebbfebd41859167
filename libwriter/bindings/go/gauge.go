package ringside

import (
	"sync/atomic"
	"unsafe"
)

// Gauge records a stream of observations: a measured delay, a sampled depth. A Gauge belongs to one goroutine at a
// time.
type Gauge struct {
	cell    *gaugeCell
	segment *Segment
}

// Empty reports whether recording into g does nothing because its set-up failed.
func (g Gauge) Empty() bool { return g.cell == nil }

// Record takes one observation into count, sum, min, max and last. NaN and infinities are left out and counted as
// rejected in the segment.
func (g Gauge) Record(value float64) {
	if g.cell == nil {
		return
	}
	if value-value != 0 { // 0 for every finite value, NaN for the rest
		g.segment.reject()
		return
	}
	window := g.segment.window
	if window == 0 || atomic.LoadUint64(&g.segment.now)-g.cell.open&^openFlags >= window {
		if _, ok := g.segment.turn(unsafe.Pointer(g.cell)); !ok {
			return
		}
	}
	seq := g.cell.fill(value)
	g.cell.barrier()        // P2: the pair before the count that makes it valid
	store(&g.cell.seq, seq) // here the record takes effect (F7)
	g.cell.barrier()        // P1: the count before min and max, and before the pair that the next record overwrites
	g.cell.widen(value)
}

// Writes the pair of sum and last that is not valid; returns the seq that makes it valid. Small enough to be inlined,
// as is the next.
func (c *gaugeCell) fill(value float64) (seq uint64) {
	seq = c.seq + 1
	storeF64(&c.sum[seq&1], c.sum[^seq&1]+value)
	storeF64(&c.last[seq&1], value)
	return seq
}

func (c *gaugeCell) widen(value float64) {
	if value < c.min {
		storeF64(&c.min, value)
	}
	if value > c.max {
		storeF64(&c.max, value)
	}
}

// Level holds a state until it is set again: memory in use, a queue's depth. Its average is weighted by time. A Level
// belongs to one goroutine at a time.
type Level struct {
	cell    *levelCell
	segment *Segment
}

// Empty reports whether setting l does nothing because its set-up failed.
func (l Level) Empty() bool { return l.cell == nil }

// Set makes the level hold value until the next call. NaN and infinities are left out and counted as rejected in the
// segment.
func (l Level) Set(value float64) {
	if l.cell == nil {
		return
	}
	if value-value != 0 {
		l.segment.reject()
		return
	}
	window, now := l.segment.window, atomic.LoadUint64(&l.segment.now)
	if window == 0 || now-l.cell.open&^openFlags >= window {
		var ok bool
		if now, ok = l.segment.turn(unsafe.Pointer(l.cell)); !ok {
			return
		}
	}
	seq := l.cell.seq
	store(&l.cell.seq, seq+1)
	l.cell.barrier() // P1: the odd count before any of the fields
	l.cell.account(now)
	l.cell.barrier()              // the time of the old value is accounted before the value changes
	storeF64(&l.cell.last, value) // here the record takes effect (F7)
	l.cell.barrier()              // no value is in min or max that was not set
	l.cell.widen(value)
	l.cell.barrier() // P2: all fields before the even count
	store(&l.cell.seq, seq+2)
}

// Accounts the level's value up to now. The new sum takes effect by the store of since, which names it.
func (c *levelCell) account(now uint64) {
	since := c.since
	bank := since & 1
	now &^= 1
	if now <= since { // the clock stepped back, or stands: no time passes
		return
	}
	// The conversion keeps product and sum from being fused into one rounding, which C does not do either.
	sum := c.sum[bank] + float64(c.last*float64(now-(since-bank)))
	storeF64(&c.sum[bank^1], sum)
	c.barrier()
	store(&c.since, now|(bank^1))
}

func (c *levelCell) widen(value float64) {
	if value < c.min {
		storeF64(&c.min, value)
	}
	if value > c.max {
		storeF64(&c.max, value)
	}
}
