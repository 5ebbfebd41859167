package ringside

import (
	"testing"
	"time"

	"ringside/internal/reference"
)

// What one record costs: in Go, and as one cgo call to the inline function of C. README.md has figures.

func BenchmarkCounterAdd(b *testing.B) {
	h := register(b, created(b, tinySchema()))
	for i := 0; i < b.N; i++ {
		h.counter.Add(1)
	}
}

func BenchmarkSharedCounterAdd(b *testing.B) {
	h := register(b, created(b, tinySchema()))
	for i := 0; i < b.N; i++ {
		h.shared.Add(1)
	}
}

func BenchmarkCounterF64Add(b *testing.B) {
	h := register(b, created(b, tinySchema()))
	for i := 0; i < b.N; i++ {
		h.f64.Add(0.25)
	}
}

func BenchmarkGaugeRecord(b *testing.B) {
	h := register(b, created(b, tinySchema()))
	for i := 0; i < b.N; i++ {
		h.gauge.Record(float64(i & 1023))
	}
}

func BenchmarkLevelSet(b *testing.B) {
	h := register(b, created(b, tinySchema()))
	for i := 0; i < b.N; i++ {
		h.level.Set(float64(i & 1023))
	}
}

func BenchmarkHistogramRecord(b *testing.B) {
	h := register(b, created(b, tinySchema()))
	for i := 0; i < b.N; i++ {
		h.middle.Record(float64(i&1023) / 1024)
	}
}

// With a clock read each time, as coarse mode would do it in Go.
func BenchmarkCounterAddAndTimeNow(b *testing.B) {
	s := created(b, tinySchema())
	h := register(b, s)
	for i := 0; i < b.N; i++ {
		s.Tick(time.Now())
		h.counter.Add(1)
	}
}

func BenchmarkTick(b *testing.B) {
	s := created(b, tinySchema())
	now := time.Now()
	for i := 0; i < b.N; i++ {
		s.Tick(now)
	}
}

// A record that closes a window, the slow path: each crosses 1s, one in four 4s, one in twenty 20s.
func BenchmarkGaugeRecordInANewWindow(b *testing.B) {
	s := created(b, tinySchema())
	h := register(b, s)
	now := secondsAfter2023(0)
	for i := 0; i < b.N; i++ {
		now = now.Add(time.Second)
		s.Tick(now)
		h.gauge.Record(1)
	}
}

func referenceSegment(b *testing.B) *reference.Segment {
	s, err := reference.Attach(provisioned(b, tinySchema()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

func BenchmarkCgoCounterAdd(b *testing.B) {
	c := referenceSegment(b).Counter("counter_total")
	for i := 0; i < b.N; i++ {
		c.Add(1)
	}
}

func BenchmarkCgoGaugeRecord(b *testing.B) {
	g := referenceSegment(b).Gauge("gauge")
	for i := 0; i < b.N; i++ {
		g.Record(float64(i & 1023))
	}
}

func BenchmarkCgoCoarseClock(b *testing.B) {
	var sum uint64
	for i := 0; i < b.N; i++ {
		sum += reference.CoarseNS()
	}
	_ = sum
}
