package ringside

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// DefaultTickEvery is how often a segment takes the time when [Options].TickEvery is 0.
const DefaultTickEvery = 10 * time.Millisecond

// ManualTicks as [Options].TickEvery leaves ticking to the program.
const ManualTicks time.Duration = -1

// Tick sets the time of the records that follow. A loop that takes the time anyway calls it once a round, at least once
// per finest window (a second by default), in a segment with ManualTicks. One goroutine at a time, and not while Close
// runs; after it, Tick does nothing. It costs a few nanoseconds and never fails.
//
// A time before 1970 or after 2106 opens no window: what is recorded then counts into the window that is open.
func (s *Segment) Tick(now time.Time) {
	if s == nil || s.window == 0 {
		return
	}
	high, low := bits.Mul64(uint64(now.Unix()), uint64(time.Second))
	ns, carry := bits.Add64(low, uint64(now.Nanosecond()), 0)
	if high|carry != 0 { // after 2554, or before 1970, whose seconds are huge without their sign
		ns = math.MaxUint64
	}
	// The mapping first: the slow path of a shared counter looks there for a time that is at least as new.
	atomic.StoreUint64(s.tick, ns)
	atomic.StoreUint64(&s.now, ns)
}

// A goroutine that ticks. A record gets a time that is late by up to the interval and what the goroutine waits for a
// processor. When it stands still for longer, for example because all processors are busy with C, nothing is lost:
// records count into the window that was open, and a level's value for the whole time is accounted when the ticks go
// on.
type ticker struct {
	quit, done chan struct{}
}

func startTicker(s *Segment, every time.Duration) *ticker {
	if every == 0 {
		every = DefaultTickEvery
	}
	t := &ticker{make(chan struct{}), make(chan struct{})}
	s.Tick(time.Now())
	go func() {
		defer close(t.done)
		interval := time.NewTicker(every)
		defer interval.Stop()
		for {
			select {
			case <-interval.C:
				s.Tick(time.Now()) // not what the channel says, which may have waited
			case <-t.quit:
				return
			}
		}
	}()
	return t
}

// stop returns when no tick will follow.
func (t *ticker) stop() {
	close(t.quit)
	<-t.done
}
