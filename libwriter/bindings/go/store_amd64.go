//go:build gc && amd64 && !race && !ringside_atomic

package ringside

import "sync/atomic"

// Stores to the mapping on amd64: plain MOVs where sync/atomic would have an XCHG each, 1 to 3 ns apiece.
//
// What the protocol asks for is that stores become visible in program order (P1 and P2 of docs/ordering.md), and are
// executed in program order (F7, for whoever looks at what a killed process left). The processor does the first: on
// amd64 no store passes another. The compiler does the second: gc threads all stores and all atomic operations of a
// function through one state of memory and keeps their order, it never splits an aligned word, and it drops a store
// only when another one to the same word follows with nothing that reads memory in between. A barrier is such a read.
//
// The language promises less than that, so it is tested on the machine code: a writer is stopped after each single
// instruction, and each state of its segment must be one that the protocol allows (tests/bindings). Other processors,
// other compilers and the race detector have store_atomic.go.

func store(at *uint64, value uint64) { *at = value }

func storeF64(at *float64, value float64) { *at = value }

// barrier keeps the stores before it before those after it. It costs a load from a line that the record has in hand.
func (c *cellHead) barrier() { atomic.LoadUint64(&c.open) }
