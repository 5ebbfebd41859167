// Command bench times the four calls of bench/bindings in Go, as the other languages' programs do: bench FOLDER, one
// line of JSON per case.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"ringside"
)

const (
	sampleCount = 1024
	batchRounds = 256
	timed       = 20 * time.Millisecond
)

var schema = ringside.Schema{
	Name:    "bench_bindings",
	Version: 1,
	Metrics: []ringside.Metric{
		{Name: "bench_counter_total", Kind: ringside.KindCounter},
		{Name: "bench_gauge", Kind: ringside.KindGauge},
		{Name: "bench_level", Kind: ringside.KindLevel},
		{Name: "bench_histogram_seconds", Kind: ringside.KindHistogram, Unit: "seconds", Scale: 3, Lowest: 1e-6, Highest: 10},
	},
}

// must ends the program on a failed set-up.
func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go_bench:", err)
		os.Exit(1)
	}
	return value
}

// cpuTime is that of this thread: what others did with the core meanwhile is not in it.
func cpuTime() time.Duration {
	const threadCPU = 3 // CLOCK_THREAD_CPUTIME_ID
	var now syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadCPU, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		must(0, error(errno))
	}
	return time.Duration(now.Nano())
}

// measure times `rounds`, which makes that many rounds of one call per sample.
func measure(name string, rounds func(count int)) {
	rounds(100)
	var took time.Duration
	calls := 0
	for begin := cpuTime(); took < timed; took = cpuTime() - begin {
		rounds(batchRounds)
		calls += batchRounds * sampleCount
	}
	fmt.Printf("{\"case\": \"go_%s_tick\", \"ns\": %g}\n", name, float64(took.Nanoseconds())/float64(calls))
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go_bench FOLDER, on a memory file system")
		os.Exit(2)
	}
	runtime.LockOSThread()
	options := ringside.Options{VMID: "bench-go", Directory: os.Args[1], Schema: &schema}
	options.TickEvery = ringside.ManualTicks
	segment := must(ringside.Create(options))
	counter := must(segment.Counter("bench_counter_total"))
	gauge := must(segment.Gauge("bench_gauge"))
	level := must(segment.Level("bench_level"))
	histogram := must(segment.Histogram("bench_histogram_seconds"))

	var samples [sampleCount]float64
	for i := range samples {
		samples[i] = 30e-6 + float64(i*709%sampleCount)*1.5e-6
	}
	now := time.Now()
	tick := func() {
		now = now.Add(time.Millisecond)
		segment.Tick(now)
	}
	// The loops are spelt out: a call through a function value would be in the figure.
	measure("counter_add", func(count int) {
		for ; count > 0; count-- {
			tick()
			for range samples {
				counter.Add(1)
			}
		}
	})
	measure("gauge_record", func(count int) {
		for ; count > 0; count-- {
			tick()
			for i := range samples {
				gauge.Record(samples[i])
			}
		}
	})
	measure("level_set", func(count int) {
		for ; count > 0; count-- {
			tick()
			for i := range samples {
				level.Set(samples[i])
			}
		}
	})
	measure("histogram_record", func(count int) {
		for ; count > 0; count-- {
			tick()
			for i := range samples {
				histogram.Record(samples[i])
			}
		}
	})
	segment.Close(0, "measured")
}
