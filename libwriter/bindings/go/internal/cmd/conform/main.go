// Command conform performs a file of operations on a provisioned segment, through package ringside: the driver of the
// conformance kit (tests/conformance/README.md).
//
//	conform SEGMENT_PATH OPERATIONS_FILE
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"ringside"
)

// operation is one line: a name and its words.
type operation struct {
	place string // file and line, for people
	name  string
	words []string
}

// refuse ends the driver: something is wrong with the file or the segment.
func refuse(place, format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s: %s\n", place, fmt.Sprintf(format, args...))
	os.Exit(2)
}

func (o operation) refuse(format string, args ...any) { refuse(o.place, o.name+": "+format, args...) }

func (o operation) whole(word int) uint64 {
	value, err := strconv.ParseUint(o.words[word], 10, 64)
	if err != nil {
		o.refuse("'%s' is not a whole number that fits", o.words[word])
	}
	return value
}

func (o operation) real(word int) float64 {
	value, err := strconv.ParseFloat(o.words[word], 64)
	if err != nil {
		o.refuse("'%s' is not a number", o.words[word])
	}
	return value
}

func readOperations(path string) []operation {
	file, err := os.Open(path)
	if err != nil {
		refuse(path, "%v", err)
	}
	defer file.Close()
	var operations []operation
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if words := strings.Fields(line); len(words) > 0 {
			operations = append(operations, operation{fmt.Sprintf("%s:%d", path, number), words[0], words[1:]})
		}
	}
	if err := lines.Err(); err != nil {
		refuse(path, "%v", err)
	}
	for i, o := range operations {
		if o.name != "close" {
			continue
		}
		if i+1 < len(operations) {
			operations[i+1].refuse("nothing may follow 'close'")
		}
		return operations
	}
	refuse(path, "the last operation must be 'close'")
	return nil
}

type driver struct {
	segment *ringside.Segment
	handles map[string]any
}

// How many words each operation takes, least and most.
var words = map[string][2]int{
	"schema": {1, 1}, "clock": {1, 1}, "tick": {1, 1},
	"counter": {2, 18}, "shared_counter": {2, 18}, "counter_f64": {2, 18}, "gauge": {2, 18}, "level": {2, 18},
	"histogram": {2, 18}, "info": {1, 17},
	"add": {2, 2}, "add_f64": {2, 2}, "total": {2, 2}, "baseline": {2, 2}, "total_f64": {2, 2}, "baseline_f64": {2, 2},
	"record": {2, 2}, "set": {2, 2}, "close": {1, 1 << 20},
}

func (d *driver) perform(o operation) {
	count, known := words[o.name]
	if !known {
		o.refuse("unknown operation")
	}
	if len(o.words) < count[0] || len(o.words) > count[1] {
		o.refuse("takes another number of words, see tests/conformance/README.md")
	}
	switch o.name {
	case "schema": // the runner's: it provisioned with it
	case "clock":
		if o.words[0] != "tick" {
			o.refuse("only 'tick' is known, not '%s'", o.words[0])
		}
	case "tick":
		ns := o.whole(0)
		d.segment.Tick(time.Unix(int64(ns/1e9), int64(ns%1e9)))
	case "info":
		_ = d.segment.Info(o.words[0], o.words[1:]...) // refused ones are counted in the header, which is compared
	case "close":
		code, err := strconv.ParseInt(o.words[0], 10, 32)
		if err != nil {
			o.refuse("'%s' is not a whole number that fits", o.words[0])
		}
		d.segment.Close(int(code), strings.Join(o.words[1:], " "))
	case "counter", "shared_counter", "counter_f64", "gauge", "level", "histogram":
		d.register(o)
	default:
		d.record(o)
	}
}

// A registration that is refused leaves an empty handle, into which later lines record.
func (d *driver) register(o operation) {
	name, metric, values := o.words[0], o.words[1], o.words[2:]
	if _, taken := d.handles[name]; taken {
		o.refuse("handle '%s' is there already", name)
	}
	switch o.name {
	case "counter":
		d.handles[name], _ = d.segment.Counter(metric, values...)
	case "shared_counter":
		d.handles[name], _ = d.segment.SharedCounter(metric, values...)
	case "counter_f64":
		d.handles[name], _ = d.segment.CounterF64(metric, values...)
	case "gauge":
		d.handles[name], _ = d.segment.Gauge(metric, values...)
	case "level":
		d.handles[name], _ = d.segment.Level(metric, values...)
	case "histogram":
		d.handles[name], _ = d.segment.Histogram(metric, values...)
	}
}

func (d *driver) record(o operation) {
	fits := true
	switch to := d.handles[o.words[0]].(type) {
	case ringside.Counter:
		switch o.name {
		case "add":
			to.Add(o.whole(1))
		case "total":
			to.Total(o.whole(1))
		case "baseline":
			to.Baseline(o.whole(1))
		default:
			fits = false
		}
	case ringside.CounterF64:
		switch o.name {
		case "add_f64":
			to.Add(o.real(1))
		case "total_f64":
			to.Total(o.real(1))
		case "baseline_f64":
			to.Baseline(o.real(1))
		default:
			fits = false
		}
	case ringside.SharedCounter:
		if fits = o.name == "add"; fits {
			to.Add(o.whole(1))
		}
	case ringside.Gauge:
		if fits = o.name == "record"; fits {
			to.Record(o.real(1))
		}
	case ringside.Histogram:
		if fits = o.name == "record"; fits {
			to.Record(o.real(1))
		}
	case ringside.Level:
		if fits = o.name == "set"; fits {
			to.Set(o.real(1))
		}
	default:
		fits = false
	}
	if !fits {
		o.refuse("no handle '%s' of a kind for it", o.words[0])
	}
}

func main() {
	if len(os.Args) != 3 {
		refuse(os.Args[0], "usage: SEGMENT_PATH OPERATIONS_FILE")
	}
	operations := readOperations(os.Args[2])
	segment, err := ringside.Attach(os.Args[1], nil, ringside.Attachment{TickEvery: ringside.ManualTicks})
	if err != nil {
		refuse(os.Args[1], "%v", err)
	}
	d := driver{segment, map[string]any{}}
	for _, o := range operations {
		d.perform(o)
	}
}
