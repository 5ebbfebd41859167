package ringside

/*
#include <ringside/ringside.h>

enum {
    go_value = offsetof(rside_cell, u.counter.value),
    go_raw = offsetof(rside_cell, u.counter.raw),
    go_gauge_sum = offsetof(rside_cell, u.gauge.sum),
    go_gauge_last = offsetof(rside_cell, u.gauge.last),
    go_gauge_min = offsetof(rside_cell, u.gauge.min),
    go_gauge_max = offsetof(rside_cell, u.gauge.max),
    go_since = offsetof(rside_cell, u.level.since_ns),
    go_level_sum = offsetof(rside_cell, u.level.sum),
    go_level_last = offsetof(rside_cell, u.level.last),
    go_level_min = offsetof(rside_cell, u.level.min),
    go_level_max = offsetof(rside_cell, u.level.max),
    go_pending = offsetof(rside_cell, u.histogram.pending),
    go_histogram_sum = offsetof(rside_cell, u.histogram.sum),
};
*/
import "C"

import "unsafe"

// A field that is elsewhere in Go than in C makes an index other than 0, which does not compile.
var pin [1]struct{}

var (
	_ = pin[unsafe.Offsetof(cellHead{}.seq)-unsafe.Offsetof(C.rside_cell{}.seq)]
	_ = pin[unsafe.Offsetof(cellHead{}.open)-unsafe.Offsetof(C.rside_cell{}.open)]
	_ = pin[unsafe.Offsetof(counterCell{}.value)-C.go_value]
	_ = pin[unsafe.Offsetof(counterCell{}.raw)-C.go_raw]
	_ = pin[unsafe.Offsetof(counterF64Cell{}.value)-C.go_value]
	_ = pin[unsafe.Offsetof(counterF64Cell{}.raw)-C.go_raw]
	_ = pin[unsafe.Offsetof(gaugeCell{}.sum)-C.go_gauge_sum]
	_ = pin[unsafe.Offsetof(gaugeCell{}.last)-C.go_gauge_last]
	_ = pin[unsafe.Offsetof(gaugeCell{}.min)-C.go_gauge_min]
	_ = pin[unsafe.Offsetof(gaugeCell{}.max)-C.go_gauge_max]
	_ = pin[unsafe.Offsetof(levelCell{}.since)-C.go_since]
	_ = pin[unsafe.Offsetof(levelCell{}.sum)-C.go_level_sum]
	_ = pin[unsafe.Offsetof(levelCell{}.last)-C.go_level_last]
	_ = pin[unsafe.Offsetof(levelCell{}.min)-C.go_level_min]
	_ = pin[unsafe.Offsetof(levelCell{}.max)-C.go_level_max]
	_ = pin[unsafe.Offsetof(histogramCell{}.pending)-C.go_pending]
	_ = pin[unsafe.Offsetof(histogramCell{}.sum)-C.go_histogram_sum]
	_ = pin[openFlags-C.RSIDE_OPEN_FLAGS]
)

// A record takes 64-bit words whole.
const _ = uint(unsafe.Sizeof(uintptr(0)) - 8)
