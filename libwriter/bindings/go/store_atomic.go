//go:build !gc || !amd64 || race || ringside_atomic

package ringside

import (
	"math"
	"sync/atomic"
	"unsafe"
)

// Stores to the mapping wherever store_amd64.go does not hold: each one is sequentially consistent, which is more than
// the protocol asks for (P1 and P2 of docs/ordering.md) and the least that sync/atomic has. On arm64 that is an STLR,
// which waits for the stores before it; so no barrier is needed beside it. Go has no fence alone.

func store(at *uint64, value uint64) { atomic.StoreUint64(at, value) }

func storeF64(at *float64, value float64) {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(at)), math.Float64bits(value))
}

func (c *cellHead) barrier() {}
