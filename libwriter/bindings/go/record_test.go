package ringside

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// "CODE TEXT" of a closed segment, from the file (docs/format.md).
func closeOf(t *testing.T, path string) string {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if state := binary.LittleEndian.Uint32(file[1024:]); state != 2 {
		t.Fatalf("the state is %d", state)
	}
	text, _, _ := strings.Cut(string(file[1088:1216]), "\x00")
	return fmt.Sprintf("%d %s", int32(binary.LittleEndian.Uint32(file[1028:])), text)
}

// rejected_samples of the header.
func rejected(t *testing.T, path string) uint64 {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(file[1320:])
}

// The fields of the cells themselves; what windows make of them is compared with C (same_bytes_test.go) and with
// ringsidectl (tests/bindings).
func TestRecordsStandInTheCells(t *testing.T) {
	s := created(t, tinySchema())
	s.Tick(secondsAfter2023(0.25))
	h := register(t, s)
	h.counter.Add(2)
	h.counter.Add(40)
	if h.counter.cell.value != 42 {
		t.Errorf("counter: %d", h.counter.cell.value)
	}
	h.counter.Baseline(100)
	h.counter.Total(110)
	h.counter.Total(3) // a restart
	if h.counter.cell.value != 55 || h.counter.cell.raw != 3 {
		t.Errorf("counter after totals: %d, raw %d", h.counter.cell.value, h.counter.cell.raw)
	}
	h.f64.Add(0.5)
	h.f64.Total(0.25)
	if h.f64.cell.value != 0.75 {
		t.Errorf("f64: %v", h.f64.cell.value)
	}
	for _, v := range []float64{3, -1, 2} {
		h.gauge.Record(v)
	}
	if g := h.gauge.cell; g.seq != 3 || g.sum[1] != 4 || g.last[1] != 2 || g.min != -1 || g.max != 3 {
		t.Errorf("gauge: %+v", *g)
	}
	h.level.Set(5)
	s.Tick(secondsAfter2023(0.75))
	h.level.Set(7)
	if l := h.level.cell; l.sum[l.since&1] != 5*0.5e9 || l.last != 7 || l.min != 5 || l.max != 7 || l.seq != 4 {
		t.Errorf("level: %+v", *l)
	}
	h.middle.Record(1)
	h.middle.Record(0)
	h.middle.Record(1e9)
	if m := h.middle.cell; m.seq != 6 || m.sum[1] != 1e9+1 || h.middle.buckets.counts[0] != 1 {
		t.Errorf("histogram: %+v, %d", *m, h.middle.buckets.counts[0])
	}
}

func TestWhatCannotBeRecordedIsCounted(t *testing.T) {
	s := created(t, tinySchema())
	h := register(t, s)
	nan, inf := math.NaN(), math.Inf(1)
	for _, v := range []float64{nan, inf, -inf, -1} {
		h.f64.Add(v)
		h.f64.Total(v)
		h.middle.Record(v)
	}
	for _, v := range []float64{nan, inf, -inf} {
		h.gauge.Record(v)
		h.level.Set(v)
	}
	if got := rejected(t, s.Path()); got != 4*3+3*2 {
		t.Errorf("%d rejected", got)
	}
	if h.f64.cell.value != 0 || h.middle.cell.seq != 0 || h.gauge.cell.seq != 0 || h.level.cell.seq != 0 {
		t.Error("some were recorded")
	}
}

func TestManyGoroutinesShareACounter(t *testing.T) {
	s := created(t, tinySchema())
	shared, err := s.SharedCounter("shared_total")
	if err != nil {
		t.Fatal(err)
	}
	const goroutines, each = 8, 20_000
	var group sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < each; i++ {
				shared.Add(1)
				if i%64 == 0 { // windows close all the while
					s.Tick(secondsAfter2023(float64(i) / 64))
				}
			}
		}()
	}
	group.Wait()
	if shared.cell.value != goroutines*each {
		t.Errorf("%d of %d", shared.cell.value, goroutines*each)
	}
}

func TestRecordsAllocateNothing(t *testing.T) {
	s := created(t, tinySchema())
	h := register(t, s)
	now := secondsAfter2023(0)
	for name, test := range map[string]func(){
		"in the window":      func() { h.recordAll(1) },
		"across windows":     func() { now = now.Add(time.Second); s.Tick(now); h.recordAll(1) },
		"what is not finite": func() { h.gauge.Record(math.NaN()); h.fine.Record(-1); h.f64.Add(-1) },
	} {
		if allocations := testing.AllocsPerRun(200, test); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}
