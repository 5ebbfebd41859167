package ringside

import (
	"math"
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// Histogram records a distribution: latencies, sizes. A Histogram belongs to one goroutine at a time.
type Histogram struct {
	cell    *histogramCell
	segment *Segment
	buckets *buckets
}

// Where the buckets of one series are, and which value belongs into which. Never changes once the handle is given out.
type buckets struct {
	counts    []uint64 // in the mapping: the zero bucket, then the others
	zeroBound float64  // values up to here count as zero
	first     int32    // index of counts[1]
	shift     uint32   // from indexes of scale 8 to those of the histogram's own scale
	roundUp   int32    // 2^shift - 1
}

// Empty reports whether recording into h does nothing because its set-up failed.
func (h Histogram) Empty() bool { return h.cell == nil }

// Record takes one observation. Negative values, NaN and infinities are left out and counted as rejected in the
// segment.
func (h Histogram) Record(value float64) {
	if h.cell == nil {
		return
	}
	if !(value >= 0 && value <= math.MaxFloat64) {
		h.segment.reject()
		return
	}
	window := h.segment.window
	if window == 0 || atomic.LoadUint64(&h.segment.now)-h.cell.open&^openFlags >= window {
		if _, ok := h.segment.turn(unsafe.Pointer(h.cell)); !ok {
			return
		}
	}
	var bucket uint32 // the zero bucket
	if value > h.buckets.zeroBound {
		word := math.Float64bits(value)
		exponent, mantissa := int32(word>>52)-1023, word&mantissaBits
		if exponent == -1023 {
			exponent, mantissa = normalized(mantissa)
		}
		bucket = h.buckets.place(exponent, mantissa)
	}
	counts := h.buckets.counts
	// Beyond the last bucket: in the count and the sum, in no bucket.
	counted := bucket < uint32(len(counts))
	var before uint64
	if counted {
		before = counts[bucket]
	}
	seq := h.cell.seq
	store(&h.cell.seq, seq+1)
	h.cell.barrier() // P1: the odd count before any of the fields
	seq += 2
	store(&h.cell.pending, seq>>1<<63|uint64(bucket)<<32|before&math.MaxUint32)
	h.cell.barrier() // no bucket is changed of which `pending` does not tell
	if counted {
		store(&counts[bucket], before+1)
	}
	storeF64(&h.cell.sum[seq>>1&1], h.cell.sum[^(seq>>1)&1]+value)
	h.cell.barrier()        // P2: all fields before the even count
	store(&h.cell.seq, seq) // here the record takes effect (F7)
}

const mantissaBits = 1<<52 - 1

// place returns where a value above the zero bound is counted; a value beyond the last bucket has a place behind them
// all. It is rside_histogram_index_ of hot_inline.h, and small enough to be inlined.
func (b *buckets) place(exponent int32, mantissa uint64) uint32 {
	// The smallest k with mantissa <= histogramBounds[k]; at most two bounds fall into a 1/256 step.
	k := int32(histogramStart[mantissa>>44])
	if mantissa > histogramBounds[k] {
		k++
	}
	if mantissa > histogramBounds[k] {
		k++
	}
	index := (exponent*256 + k + b.roundUp) >> (b.shift & 31) // upper-inclusive buckets
	return uint32(index-b.first) + 1
}

// normalized shifts the leading one of a subnormal value into place. Out of line, as hardly anyone needs it.
//
//go:noinline
func normalized(mantissa uint64) (exponent int32, shifted uint64) {
	shift := bits.LeadingZeros64(mantissa) - 11
	return -1022 - int32(shift), mantissa << shift & mantissaBits
}
