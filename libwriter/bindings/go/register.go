package ringside

// #include <ringside/ringside.h>
import "C"

import (
	"unsafe"
)

// The tables behind rside_histogram_index: the bounds 2^(i/256) of one factor of two as 52-bit mantissas, and for each
// 1/256 step of the mantissa the first bound that can be at or above it.
var (
	histogramBounds = (*[257]uint64)(unsafe.Pointer(&C.rside_histogram_bounds))
	histogramStart  = (*[256]uint16)(unsafe.Pointer(&C.rside_histogram_start))
)

// Counter registers one series of metric, with label values in the order of the schema's label names. Any goroutine may
// register, without a system call. On failure the handle is empty, the segment is unchanged but for its count of
// refused series, and the error wraps one of EINVAL (a nil or closed segment, a metric of another kind, another number
// of labels, or a value that is too long or not UTF-8), ENOENT (no such metric), EEXIST (the series exists), ENOSPC (the
// metric's series or the room for labels are used up) and EAGAIN (another thread has been registering for a second:
// this one keeps it from running, by a real-time priority on one core).
func (s *Segment) Counter(metric string, values ...string) (Counter, error) {
	var out C.rside_counter
	err := s.register(metric, values, func(in registration) {
		out = C.rside_counter_register(in.segment, in.metric, in.values, in.count, in.why)
	})
	return Counter{(*counterCell)(unsafe.Pointer(out.series.cell)), s}, err
}

// SharedCounter registers a series as Counter does, of a metric declared Shared. Registering a series again returns the
// same handle.
func (s *Segment) SharedCounter(metric string, values ...string) (SharedCounter, error) {
	var out C.rside_shared_counter
	err := s.register(metric, values, func(in registration) {
		out = C.rside_shared_counter_register(in.segment, in.metric, in.values, in.count, in.why)
	})
	return SharedCounter{(*counterCell)(unsafe.Pointer(out.series.cell)), s}, err
}

// CounterF64 registers a series as Counter does.
func (s *Segment) CounterF64(metric string, values ...string) (CounterF64, error) {
	var out C.rside_counter_f64
	err := s.register(metric, values, func(in registration) {
		out = C.rside_counter_f64_register(in.segment, in.metric, in.values, in.count, in.why)
	})
	return CounterF64{(*counterF64Cell)(unsafe.Pointer(out.series.cell)), s}, err
}

// Gauge registers a series as Counter does.
func (s *Segment) Gauge(metric string, values ...string) (Gauge, error) {
	var out C.rside_gauge
	err := s.register(metric, values, func(in registration) {
		out = C.rside_gauge_register(in.segment, in.metric, in.values, in.count, in.why)
	})
	return Gauge{(*gaugeCell)(unsafe.Pointer(out.series.cell)), s}, err
}

// Level registers a series as Counter does.
func (s *Segment) Level(metric string, values ...string) (Level, error) {
	var out C.rside_level
	err := s.register(metric, values, func(in registration) {
		out = C.rside_level_register(in.segment, in.metric, in.values, in.count, in.why)
	})
	return Level{(*levelCell)(unsafe.Pointer(out.series.cell)), s}, err
}

// Histogram registers a series as Counter does.
func (s *Segment) Histogram(metric string, values ...string) (Histogram, error) {
	var out C.rside_histogram
	err := s.register(metric, values, func(in registration) {
		out = C.rside_histogram_register(in.segment, in.metric, in.values, in.count, in.why)
	})
	if err != nil {
		return Histogram{}, err
	}
	shift := uint32(C.RSIDE_HISTOGRAM_SCALE_MAX - out.hot.scale)
	return Histogram{
		cell:    (*histogramCell)(unsafe.Pointer(out.series.cell)),
		segment: s,
		buckets: &buckets{
			counts:    unsafe.Slice((*uint64)(unsafe.Pointer(out.hot.buckets)), 1+int(out.hot.count)),
			zeroBound: float64(out.hot.zero_bound),
			first:     int32(out.hot.first),
			shift:     shift,
			roundUp:   1<<shift - 1,
		},
	}, nil
}

// Info registers a series that is the constant 1 and needs no handle. Errors are those of Counter.
func (s *Segment) Info(metric string, values ...string) error {
	return s.register(metric, values, func(in registration) {
		C.rside_info_register(in.segment, in.metric, in.values, in.count, in.why)
	})
}

// The arguments that all kinds have in common, in C.
type registration struct {
	segment *C.rside_segment
	metric  *C.char
	values  **C.char
	count   C.size_t
	why     *C.rside_error
}

// register makes one call to C while the segment cannot be closed.
func (s *Segment) register(metric string, values []string, call func(registration)) error {
	var memory scratch
	defer memory.free()
	in := registration{
		metric: memory.text("metric", metric),
		values: memory.texts("label value", values),
		count:  C.size_t(len(values)),
		why:    (*C.rside_error)(memory.zeroed(1, unsafe.Sizeof(C.rside_error{}))),
	}
	if memory.err != nil {
		return memory.err
	}
	if s != nil {
		s.setup.RLock()
		defer s.setup.RUnlock()
		in.segment = s.c
	}
	call(in)
	if in.why.code != 0 {
		return errorOf(in.why.code, in.why)
	}
	return nil
}
