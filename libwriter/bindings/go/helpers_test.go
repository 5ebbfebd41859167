package ringside

import (
	"errors"
	"os"
	"syscall"
	"testing"
	"time"
)

// One series of each kind in tiers so short that a test crosses all of them.
func tinySchema() *Schema {
	return &Schema{
		Name:    "tiny",
		Version: 1,
		Tiers:   []Tier{{time.Second, 8, 0}, {4 * time.Second, 6, 0}, {20 * time.Second, 5, 0}},
		Metrics: []Metric{
			{Name: "counter_total", Kind: KindCounter},
			{Name: "f64_total", Kind: KindCounterF64},
			{Name: "shared_total", Kind: KindCounter, Shared: true},
			{Name: "gauge", Kind: KindGauge},
			{Name: "level", Kind: KindLevel},
			{Name: "coarse", Kind: KindHistogram, Scale: -2, Lowest: 1e-300, Highest: 1e300},
			{Name: "middle", Kind: KindHistogram, Scale: 2, Lowest: 1e-6, Highest: 10},
			{Name: "fine", Kind: KindHistogram, Scale: 8, Lowest: 0.5, Highest: 2},
			{Name: "subnormal", Kind: KindHistogram, Scale: 0, Lowest: 5e-324, Highest: 1e-305},
			{Name: "labelled_total", Kind: KindCounter, Labels: []string{"device", "op"}, MaxSeries: 3},
			{Name: "image_info", Kind: KindInfo, Labels: []string{"image"}},
		},
	}
}

// A folder on a memory file system, where segments have to lie.
func memoryFolder(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "ringside-go-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

func provisioned(t testing.TB, schema *Schema) string {
	t.Helper()
	path, err := Provision(Options{VMID: "vm-1", Directory: memoryFolder(t), Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A segment whose time the test sets.
func created(t testing.TB, schema *Schema) *Segment {
	t.Helper()
	s, err := Create(Options{VMID: "vm-1", Directory: memoryFolder(t), Schema: schema, TickEvery: ManualTicks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(0, "test over") })
	return s
}

// One handle of each kind.
type handles struct {
	counter Counter
	f64     CounterF64
	shared  SharedCounter
	gauge   Gauge
	level   Level
	coarse  Histogram
	middle  Histogram
	fine    Histogram
	tiny    Histogram
}

func register(t testing.TB, s *Segment) (h handles) {
	t.Helper()
	var errs [9]error
	h.counter, errs[0] = s.Counter("counter_total")
	h.f64, errs[1] = s.CounterF64("f64_total")
	h.shared, errs[2] = s.SharedCounter("shared_total")
	h.gauge, errs[3] = s.Gauge("gauge")
	h.level, errs[4] = s.Level("level")
	h.coarse, errs[5] = s.Histogram("coarse")
	h.middle, errs[6] = s.Histogram("middle")
	h.fine, errs[7] = s.Histogram("fine")
	h.tiny, errs[8] = s.Histogram("subnormal")
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h handles) recordAll(value float64) {
	h.counter.Add(1)
	h.counter.Total(uint64(value) + 5)
	h.counter.Baseline(uint64(value))
	h.f64.Add(value)
	h.f64.Total(value)
	h.f64.Baseline(value)
	h.shared.Add(1)
	h.gauge.Record(value)
	h.level.Set(value)
	h.coarse.Record(value)
	h.middle.Record(value)
	h.fine.Record(value)
	h.tiny.Record(value)
}

func wantErrno(t *testing.T, err error, errno syscall.Errno) {
	t.Helper()
	var full *Error
	if !errors.Is(err, errno) || !errors.As(err, &full) || full.Text == "" {
		t.Errorf("the error is %v, not a sentence that wraps %v", err, errno)
	}
}

func secondsAfter2023(seconds float64) time.Time {
	return time.Unix(1_700_000_000, int64(seconds*1e9))
}
