package ringside

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func waitFor(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}

func TestASegmentTicksByItself(t *testing.T) {
	before := runtime.NumGoroutine()
	s, err := Create(Options{VMID: "vm-1", Directory: memoryFolder(t), Schema: tinySchema()})
	if err != nil {
		t.Fatal(err)
	}
	now := func() uint64 { return atomic.LoadUint64(&s.now) }
	first := now()
	if age := time.Since(time.Unix(0, int64(first))); age < 0 || age > time.Minute {
		t.Errorf("the first tick is %v old", age)
	}
	waitFor(t, "tick", func() bool { return now() > first })
	waitFor(t, "tick in the mapping", func() bool { return atomic.LoadUint64(s.tick) > first })
	s.Close(0, "")
	waitFor(t, "end of the goroutine", func() bool { return runtime.NumGoroutine() <= before })
}

func TestManualTicksAreTheOnlyOnes(t *testing.T) {
	before := runtime.NumGoroutine()
	s := created(t, tinySchema())
	if runtime.NumGoroutine() > before {
		t.Error("there is a goroutine more")
	}
	at := secondsAfter2023(0.125)
	s.Tick(at)
	if got := atomic.LoadUint64(&s.now); got != uint64(at.UnixNano()) || got != atomic.LoadUint64(s.tick) {
		t.Errorf("the tick is %d, in the mapping %d", got, atomic.LoadUint64(s.tick))
	}
}

func TestTickTakesAnyTime(t *testing.T) {
	s := created(t, tinySchema())
	for _, ns := range []uint64{0, 1, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		s.Tick(time.Unix(int64(ns/1e9), int64(ns%1e9)))
		if s.now != ns {
			t.Errorf("%d became %d", ns, s.now)
		}
	}
	for _, year := range []int{1, 1653, 1969, 2555, 2600, 9999} {
		s.Tick(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC))
		if s.now != 1<<64-1 {
			t.Errorf("the year %d became %d", year, s.now)
		}
	}
}
