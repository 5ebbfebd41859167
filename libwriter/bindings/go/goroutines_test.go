package ringside

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// A series goes from thread to thread, as it does when the goroutine that owns it is moved: here each holder is bound to a
// thread of its own, and windows close in between.
func TestASeriesMayMoveBetweenThreads(t *testing.T) {
	s := created(t, tinySchema())
	h := register(t, s)
	const holders, rounds = 4, 500
	var turns [holders]chan int
	for i := range turns {
		turns[i] = make(chan int)
	}
	done := make(chan struct{})
	for i := range turns {
		go func(mine, next chan int) {
			runtime.LockOSThread()
			for n := range mine {
				if n == holders*rounds {
					close(done)
					return
				}
				s.Tick(secondsAfter2023(float64(n) / 8))
				h.counter.Add(1)
				h.gauge.Record(float64(n))
				h.level.Set(float64(n))
				h.middle.Record(1)
				next <- n + 1
			}
		}(turns[i], turns[(i+1)%holders])
	}
	turns[0] <- 0
	<-done
	for _, turn := range turns {
		close(turn)
	}
	total := uint64(holders * rounds)
	if h.counter.cell.value != total || h.gauge.cell.seq != total || h.middle.cell.seq != 2*total {
		t.Errorf("%d, %d and %d of %d", h.counter.cell.value, h.gauge.cell.seq, h.middle.cell.seq/2, total)
	}
	if h.level.cell.last != float64(total-1) || h.level.cell.seq&1 != 0 {
		t.Errorf("level: %+v", *h.level.cell)
	}
}

func TestManyGoroutinesMayRegister(t *testing.T) {
	s := created(t, tinySchema())
	var group sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			var c Counter
			c, errs[i] = s.Counter("labelled_total", "vd"+strconv.Itoa(i), "read")
			c.Add(1) // of an empty handle too
		}(i)
	}
	group.Wait()
	full := 0
	for _, err := range errs {
		if errors.Is(err, syscall.ENOSPC) {
			full++
		} else if err != nil {
			t.Error(err)
		}
	}
	if full != len(errs)-3 {
		t.Errorf("%d of %d found the metric full, which has room for 3", full, len(errs))
	}
}

// What a program does that hands a segment to whoever stops first.
func TestManyGoroutinesMayClose(t *testing.T) {
	s := created(t, tinySchema())
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		group.Add(2)
		go func(code int) {
			defer group.Done()
			s.Close(code, "first")
		}(i)
		go func() {
			defer group.Done()
			s.Gauge("gauge") // before or after: a handle or EINVAL
		}()
	}
	group.Wait()
	if text := closeOf(t, s.Path()); len(text) < 2 || text[1:] != " first" {
		t.Errorf("closed with %q", text)
	}
}
