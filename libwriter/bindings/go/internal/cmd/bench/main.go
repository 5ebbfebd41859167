// Command bench measures each kind of record once and prints one JSON object a line: {"case": "go_counter_add_tick", "ns": 2.1}.
// bench/bindings runs it beside the programs of the other languages.
package main

import (
	"fmt"
	"os"
	"time"

	"ringside"
)

const records = 20_000_000

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The loops are spelt out: a call through a function value would be in the figure.
func report(name string, begin time.Time) {
	fmt.Printf("{\"case\": \"go_%s_tick\", \"ns\": %.4f}\n", name, float64(time.Since(begin).Nanoseconds())/records)
}

func main() {
	folder, err := os.MkdirTemp("/dev/shm", "ringside-bench-")
	fail(err)
	defer os.RemoveAll(folder)
	schema := ringside.Schema{Name: "bench", Version: 1, Metrics: []ringside.Metric{
		{Name: "counter_total", Kind: ringside.KindCounter},
		{Name: "gauge", Kind: ringside.KindGauge},
		{Name: "level", Kind: ringside.KindLevel},
		{Name: "histogram", Kind: ringside.KindHistogram, Scale: 3, Lowest: 1e-6, Highest: 10},
	}}
	setup := ringside.Setup{TickEvery: ringside.ManualTicks}
	segment, err := ringside.Create(ringside.Options{VMID: "bench", Directory: folder, Schema: &schema, Setup: setup})
	fail(err)
	defer segment.Close(0, "done")
	counter, err := segment.Counter("counter_total")
	fail(err)
	gauge, err := segment.Gauge("gauge")
	fail(err)
	level, err := segment.Level("level")
	fail(err)
	histogram, err := segment.Histogram("histogram")
	fail(err)

	begin := time.Now()
	for i := 0; i < records; i++ {
		counter.Add(1)
	}
	report("counter_add", begin)

	begin = time.Now()
	for i := 0; i < records; i++ {
		gauge.Record(float64(i & 1023))
	}
	report("gauge_record", begin)

	begin = time.Now()
	for i := 0; i < records; i++ {
		level.Set(float64(i & 1023))
	}
	report("level_set", begin)

	begin = time.Now()
	for i := 0; i < records; i++ {
		histogram.Record(float64(i&1023) / 1024)
	}
	report("histogram_record", begin)
}
