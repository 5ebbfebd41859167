package ringside

// The hot cell of a series as the format has it (docs/format.md, "Hot cells"): one struct per kind, where format.h has
// a union. layout.go pins each field to the offset that the C compiler gives it.

// What all cells begin with.
type cellHead struct {
	seq  uint64
	open uint64 // begin of the open window, with flags in the lowest bits
}

type counterCell struct {
	cellHead
	value uint64
	raw   uint64
}

// A counter of doubles.
type counterF64Cell struct {
	cellHead
	value float64
	raw   float64
}

type gaugeCell struct {
	cellHead
	sum, last [2]float64
	min, max  float64
}

type levelCell struct {
	cellHead
	since          uint64
	sum            [2]float64
	last, min, max float64
}

type histogramCell struct {
	cellHead
	pending uint64
	sum     [2]float64
}

// Bits of `open` that are no time.
const openFlags = 511
