package ringside

// #include <stdlib.h>
// #include <ringside/ringside.h>
import "C"

import (
	"math"
	"syscall"
	"time"
	"unsafe"
)

// Kind is what a series is. docs/writer.md tells which one is for what.
type Kind uint8

const (
	KindCounter    Kind = C.RSIDE_COUNTER     // whole numbers that only grow
	KindCounterF64 Kind = C.RSIDE_COUNTER_F64 // what only grows and is no whole number
	KindGauge      Kind = C.RSIDE_GAUGE       // a stream of observations
	KindLevel      Kind = C.RSIDE_LEVEL       // holds until set again
	KindHistogram  Kind = C.RSIDE_HISTOGRAM   // a distribution
	KindInfo       Kind = C.RSIDE_INFO        // facts that do not change
)

// Columns is a set of what a tier may keep of a window.
type Columns uint32

const (
	ColumnCount   Columns = C.RSIDE_COLUMN_COUNT
	ColumnSum     Columns = C.RSIDE_COLUMN_SUM
	ColumnMin     Columns = C.RSIDE_COLUMN_MIN
	ColumnMax     Columns = C.RSIDE_COLUMN_MAX
	ColumnLast    Columns = C.RSIDE_COLUMN_LAST
	ColumnValue   Columns = C.RSIDE_COLUMN_VALUE
	ColumnBuckets Columns = C.RSIDE_COLUMN_BUCKETS
)

// Tier is one resolution.
type Tier struct {
	Resolution time.Duration // length of a window, whole seconds
	Slots      uint32        // windows kept
	Columns    Columns       // what they keep; 0 means all
}

// DefaultTiers returns the tiers of a [Schema] that names none: 1s x 300, 10s x 360, 5m x 288 with all columns.
func DefaultTiers() []Tier {
	tiers := make([]Tier, len(C.rside_default_tiers))
	for i, tier := range C.rside_default_tiers {
		tiers[i] = Tier{time.Duration(tier.resolution_s) * time.Second, uint32(tier.slots), Columns(tier.columns)}
	}
	return tiers
}

// Metric is a name, a kind, and room for a fixed number of series that differ by their label values.
type Metric struct {
	Name      string // [a-zA-Z_][a-zA-Z0-9_]*, the base unit in it, counters end in _total
	Kind      Kind
	Shared    bool     // KindCounter: registered as [SharedCounter], for several goroutines at once
	Unit      string   // base unit ("seconds", "bytes"), or ""
	Help      string   // one line, or ""
	Labels    []string // names
	MaxSeries uint32   // series that may be registered; 0 means 1
	// Histograms only: 2^Scale buckets per factor of two, Scale -4 to 8, and the bounds of what is told apart. Values
	// up to the lower bound of Lowest's bucket count as zero, values above Highest's bucket are in the count and in no
	// bucket.
	Scale           int8
	Lowest, Highest float64
}

// Schema says what a segment will hold, fixed before it is created, so that its size is known to the byte.
type Schema struct {
	Name    string // [a-zA-Z_][a-zA-Z0-9_]*
	Version uint32 // of this schema, its author's own count
	Tiers   []Tier // finest first, each a whole multiple of the one before; nil means DefaultTiers
	Metrics []Metric
	// Room for all label values, each with one NUL; 0 means 64 bytes for each series that has labels.
	LabelArenaBytes uint32
}

// Check reports the first rule that the schema breaks: EINVAL, or E2BIG for what is over a limit of the format.
func (s *Schema) Check() error {
	_, err := s.Size()
	return err
}

// Size returns the size in bytes of a segment of this schema, or the error of Check.
func (s *Schema) Size() (uint64, error) {
	var memory scratch
	defer memory.free()
	schema, err := s.inC(&memory)
	if err != nil {
		return 0, err
	}
	var why C.rside_error
	size := uint64(C.rside_schema_size(schema, &why))
	if size == 0 {
		return 0, errorOf(why.code, &why)
	}
	return size, nil
}

// inC copies the schema to C memory.
func (s *Schema) inC(memory *scratch) (*C.rside_schema, error) {
	tiers := s.Tiers
	if tiers == nil {
		tiers = DefaultTiers()
	}
	out := (*C.rside_schema)(memory.zeroed(1, unsafe.Sizeof(C.rside_schema{})))
	out.name = memory.text("schema name", s.Name)
	out.version = C.uint32_t(s.Version)
	out.label_arena_bytes = C.uint32_t(s.LabelArenaBytes)
	out.tier_count = C.uint32_t(len(tiers))
	out.metric_count = C.uint32_t(len(s.Metrics))

	out.tiers = (*C.rside_tier)(memory.zeroed(len(tiers), unsafe.Sizeof(C.rside_tier{})))
	for i, tier := range tiers {
		seconds := tier.Resolution / time.Second
		if tier.Resolution%time.Second != 0 || seconds < 0 || seconds > math.MaxUint32 {
			return nil, failure(syscall.EINVAL, "schema %s: tier %d has a resolution of %v; it must be whole seconds",
				s.Name, i, tier.Resolution)
		}
		unsafe.Slice(out.tiers, len(tiers))[i] = C.rside_tier{
			resolution_s: C.uint32_t(seconds),
			slots:        C.uint32_t(tier.Slots),
			columns:      C.uint32_t(tier.Columns),
		}
	}

	out.metrics = (*C.rside_metric)(memory.zeroed(len(s.Metrics), unsafe.Sizeof(C.rside_metric{})))
	for i := range s.Metrics {
		unsafe.Slice(out.metrics, len(s.Metrics))[i] = s.Metrics[i].inC(memory)
	}
	return out, memory.err
}

func (m *Metric) inC(memory *scratch) C.rside_metric {
	out := C.rside_metric{
		name:              memory.text("metric name", m.Name),
		kind:              C.uint8_t(m.Kind),
		unit:              memory.text("unit", m.Unit),
		help:              memory.text("help", m.Help),
		labels:            memory.texts("label name", m.Labels),
		label_count:       C.uint32_t(len(m.Labels)),
		max_series:        C.uint32_t(m.MaxSeries),
		histogram_scale:   C.int8_t(m.Scale),
		histogram_lowest:  C.double(m.Lowest),
		histogram_highest: C.double(m.Highest),
	}
	if m.Shared {
		out.flags = C.RSIDE_METRIC_SHARED
	}
	if m.MaxSeries == 0 {
		out.max_series = 1
	}
	return out
}

// scratch is C memory for the time of one call: C may not be given Go memory with Go pointers in it.
type scratch struct {
	blocks []unsafe.Pointer
	err    error // the first text that cannot be a C string
}

func (s *scratch) free() {
	for _, block := range s.blocks {
		C.free(block)
	}
}

// Never nil: C takes a null table for one that was forgotten.
func (s *scratch) zeroed(count int, size uintptr) unsafe.Pointer {
	block := C.CBytes(make([]byte, uintptr(count)*size+1))
	s.blocks = append(s.blocks, block)
	return block
}

func (s *scratch) text(what, text string) *C.char {
	if err := checkText(what, text); err != nil && s.err == nil {
		s.err = err
	}
	copied := C.CString(text)
	s.blocks = append(s.blocks, unsafe.Pointer(copied))
	return copied
}

func (s *scratch) texts(what string, texts []string) **C.char {
	out := (**C.char)(s.zeroed(len(texts), unsafe.Sizeof((*C.char)(nil))))
	for i, text := range texts {
		unsafe.Slice(out, len(texts))[i] = s.text(what, text)
	}
	return out
}
