package ringside

import (
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

// A mapping of its own, as another process has one.
func mapped(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(memory) })
	return memory
}

// A copy of the 8 words of a cell, in the reader's mapping, made between two looks at seq (R1 and R2 of
// docs/ordering.md); false when the record of the first look was no longer the last one. Loads of sync/atomic do not
// pass each other.
func snapshot(words *[8]uint64, copied *[8]uint64) bool {
	seq := atomic.LoadUint64(&words[0])
	for i := range copied {
		copied[i] = atomic.LoadUint64(&words[i])
	}
	copied[0] = seq
	return atomic.LoadUint64(&words[0]) == seq
}

func wordsOf(memory []byte, s *Segment, cell unsafe.Pointer) *[8]uint64 {
	base := uintptr(unsafe.Pointer(s.tick)) - 1216 // where tick_ns lies in the header
	return (*[8]uint64)(unsafe.Pointer(&memory[uintptr(cell)-base]))
}

func f64(word uint64) float64 { return math.Float64frombits(word) }

// A reader that copies a cell while it is written never sees parts of two records. The value of record n is n, and in
// the level so is its time, so that each field says which record it is of.
func TestAReaderSeesNoTornRecord(t *testing.T) {
	s := created(t, tinySchema())
	s.Tick(secondsAfter2023(0))
	begin := s.now
	h := register(t, s)
	h.level.Set(0)
	memory := mapped(t, s.Path())
	gauge := wordsOf(memory, s, unsafe.Pointer(h.gauge.cell))
	level := wordsOf(memory, s, unsafe.Pointer(h.level.cell))
	histogram := wordsOf(memory, s, unsafe.Pointer(h.middle.cell))

	var over atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // a thread, and as far as there are two a processor, of its own
		for n := uint64(1); !over.Load() && n < 60_000_000; n++ {
			h.gauge.Record(float64(n))
			atomic.StoreUint64(&s.now, begin+2*n)
			h.level.Set(float64(n))
			h.middle.Record(float64(n))
		}
	}()

	var w [8]uint64
	whole, disturbed := 0, 0
	for i := 0; i < 3_000_000 || whole < 1000; i++ {
		if i%64 == 0 {
			runtime.Gosched()
		}
		if !snapshot(gauge, &w) {
			disturbed++
		} else if n := float64(w[0]); n > 0 {
			whole++
			sum, last := f64(w[2+w[0]&1]), f64(w[4+w[0]&1])
			// P1: nothing of a later record; P2: all of this one, and min and max of all before.
			if last != n || sum != n*(n+1)/2 || f64(w[6]) > 1 && n > 1 || f64(w[7]) > n || f64(w[7]) < n-1 {
				t.Fatalf("gauge: record %v with %v", n, w)
			}
		}
		if !snapshot(level, &w) || w[0]&1 != 0 {
			disturbed++
		} else {
			n := float64(w[0]/2 - 1)
			sum, since := f64(w[3+w[2]&1]), w[2]&^1
			if f64(w[5]) != n || float64(since-begin) != 2*n || sum != n*(n-1) || f64(w[6]) != 0 || f64(w[7]) != n {
				t.Fatalf("level: record %v with %v", n, w)
			}
		}
		if !snapshot(histogram, &w) || w[0]&1 != 0 {
			disturbed++
		} else if n := float64(w[0] / 2); f64(w[3+w[0]>>1&1]) != n*(n+1)/2 {
			t.Fatalf("histogram: record %v with %v", n, w)
		}
	}
	over.Store(true)
	<-done
	// A test in which nobody met proves nothing.
	if disturbed == 0 && runtime.NumCPU() > 1 {
		t.Error("the reader was never disturbed")
	}
	t.Logf("%d whole, %d disturbed", whole, disturbed)
}
