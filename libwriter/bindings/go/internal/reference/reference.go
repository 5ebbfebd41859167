// Package reference records through the writer library's inline functions in C, one cgo call a record: what the tests
// of package ringside compare with, and what its benchmarks stand beside.
package reference

/*
#include <ringside/ringside.h>
#include <stdlib.h>

// Handles come as the numbers of their pointers: at pointers cgo has a close look, which doubles what a call costs.
#define SERIES {(rside_cell *)cell, (rside_segment *)segment}
static void counter_add(uintptr_t cell, uintptr_t segment, uint64_t delta) {
    rside_counter handle = {SERIES};
    rside_counter_add(handle, delta);
}
static void counter_total(uintptr_t cell, uintptr_t segment, uint64_t total) {
    rside_counter handle = {SERIES};
    rside_counter_total(handle, total);
}
static void counter_baseline(uintptr_t cell, uintptr_t segment, uint64_t total) {
    rside_counter handle = {SERIES};
    rside_counter_baseline(handle, total);
}
static void shared_counter_add(uintptr_t cell, uintptr_t segment, uint64_t delta) {
    rside_shared_counter handle = {SERIES};
    rside_shared_counter_add(handle, delta);
}
static void counter_f64_add(uintptr_t cell, uintptr_t segment, double delta) {
    rside_counter_f64 handle = {SERIES};
    rside_counter_f64_add(handle, delta);
}
static void counter_f64_total(uintptr_t cell, uintptr_t segment, double total) {
    rside_counter_f64 handle = {SERIES};
    rside_counter_f64_total(handle, total);
}
static void counter_f64_baseline(uintptr_t cell, uintptr_t segment, double total) {
    rside_counter_f64 handle = {SERIES};
    rside_counter_f64_baseline(handle, total);
}
static void gauge_record(uintptr_t cell, uintptr_t segment, double value) {
    rside_gauge handle = {SERIES};
    rside_gauge_record(handle, value);
}
static void level_set(uintptr_t cell, uintptr_t segment, double value) {
    rside_level handle = {SERIES};
    rside_level_set(handle, value);
}
static void histogram_record(uintptr_t cell, uintptr_t segment, uintptr_t hot, double value) {
    rside_histogram handle = {SERIES, (const rside_histogram_hot *)hot};
    rside_histogram_record(handle, value);
}
*/
import "C"

import (
	"errors"
	"unsafe"
)

// Segment is one that C attached to, in tick mode.
type Segment struct{ c *C.rside_segment }

// Attach attaches with the library's default flags. The path is one of a test, without a NUL.
func Attach(path string) (*Segment, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var s Segment
	var why C.rside_error
	if C.rside_segment_attach(name, nil, C.RSIDE_CLOCK_TICK, C.RSIDE_DEFAULT_FLAGS, &s.c, &why) < 0 {
		return nil, errors.New(C.GoString(&why.text[0]))
	}
	return &s, nil
}

// Close closes the segment with code 0.
func (s *Segment) Close() { C.rside_segment_close(s.c, 0, nil) }

// Tick sets the time.
func (s *Segment) Tick(ns uint64) { C.rside_tick(s.c, C.uint64_t(ns)) }

// CoarseNS is CLOCK_REALTIME_COARSE by way of C.
func CoarseNS() uint64 { return uint64(C.rside_coarse_ns()) }

type series struct{ cell, segment C.uintptr_t }

// Handles of C.
type (
	Counter       series
	SharedCounter series
	CounterF64    series
	Gauge         series
	Level         series
	Histogram     struct {
		series
		hot C.uintptr_t
	}
)

func numbers(of C.rside_series) series {
	return series{C.uintptr_t(uintptr(unsafe.Pointer(of.cell))), C.uintptr_t(uintptr(unsafe.Pointer(of.segment)))}
}

// Calls with the name of a metric in C.
func named(metric string, call func(*C.char)) {
	name := C.CString(metric)
	defer C.free(unsafe.Pointer(name))
	call(name)
}

// Counter registers the only series of a metric, as do the next.
func (s *Segment) Counter(metric string) (out Counter) {
	named(metric, func(name *C.char) { out = Counter(numbers(C.rside_counter_register(s.c, name, nil, 0, nil).series)) })
	return out
}

func (s *Segment) SharedCounter(metric string) (out SharedCounter) {
	named(metric, func(name *C.char) {
		out = SharedCounter(numbers(C.rside_shared_counter_register(s.c, name, nil, 0, nil).series))
	})
	return out
}

func (s *Segment) CounterF64(metric string) (out CounterF64) {
	named(metric, func(name *C.char) {
		out = CounterF64(numbers(C.rside_counter_f64_register(s.c, name, nil, 0, nil).series))
	})
	return out
}

func (s *Segment) Gauge(metric string) (out Gauge) {
	named(metric, func(name *C.char) { out = Gauge(numbers(C.rside_gauge_register(s.c, name, nil, 0, nil).series)) })
	return out
}

func (s *Segment) Level(metric string) (out Level) {
	named(metric, func(name *C.char) { out = Level(numbers(C.rside_level_register(s.c, name, nil, 0, nil).series)) })
	return out
}

func (s *Segment) Histogram(metric string) (out Histogram) {
	named(metric, func(name *C.char) {
		handle := C.rside_histogram_register(s.c, name, nil, 0, nil)
		out = Histogram{numbers(handle.series), C.uintptr_t(uintptr(unsafe.Pointer(handle.hot)))}
	})
	return out
}

func (c Counter) Add(delta uint64)        { C.counter_add(c.cell, c.segment, C.uint64_t(delta)) }
func (c Counter) Total(total uint64)      { C.counter_total(c.cell, c.segment, C.uint64_t(total)) }
func (c Counter) Baseline(total uint64)   { C.counter_baseline(c.cell, c.segment, C.uint64_t(total)) }
func (c SharedCounter) Add(delta uint64)  { C.shared_counter_add(c.cell, c.segment, C.uint64_t(delta)) }
func (c CounterF64) Add(delta float64)    { C.counter_f64_add(c.cell, c.segment, C.double(delta)) }
func (c CounterF64) Total(total float64)  { C.counter_f64_total(c.cell, c.segment, C.double(total)) }
func (c CounterF64) Baseline(raw float64) { C.counter_f64_baseline(c.cell, c.segment, C.double(raw)) }
func (g Gauge) Record(value float64)      { C.gauge_record(g.cell, g.segment, C.double(value)) }
func (l Level) Set(value float64)         { C.level_set(l.cell, l.segment, C.double(value)) }
func (h Histogram) Record(value float64) {
	C.histogram_record(h.cell, h.segment, h.hot, C.double(value))
}
