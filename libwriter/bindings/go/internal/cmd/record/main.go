// Command record records a fixed sequence into one series of each kind until it is killed: the writer that the kill
// tests of the bindings look at afterwards, and stop after each instruction.
//
//	record SEGMENT_PATH SEQUENCE_FILE FINISHED_FILE [stop]
//
// The sequence is pairs of 64-bit words: the time and the value of each step. The first word of FINISHED_FILE, a file
// in memory, says how many steps are finished. With "stop" the process stops itself (SIGSTOP) between set-up and the
// first step.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"ringside"
)

// must ends the process on a failed set-up: the test sees that it ended.
func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func mapped(path string) []byte {
	file := must(os.OpenFile(path, os.O_RDWR, 0))
	defer file.Close()
	size := int(must(file.Stat()).Size())
	return must(syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED))
}

// The main thread is the one that records: who traces it wants to see each instruction.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: record SEGMENT_PATH SEQUENCE_FILE FINISHED_FILE [stop]")
		os.Exit(2)
	}
	sequence := mapped(os.Args[2])
	finished := (*uint64)(unsafe.Pointer(&mapped(os.Args[3])[0]))

	segment := must(ringside.Attach(os.Args[1], nil, ringside.Attachment{TickEvery: ringside.ManualTicks}))
	step := func(i int) (at time.Time, value float64) {
		ns := binary.LittleEndian.Uint64(sequence[16*i:])
		return time.Unix(int64(ns/1e9), int64(ns%1e9)), float64(binary.LittleEndian.Uint64(sequence[16*i+8:]))
	}
	begin, _ := step(0)
	segment.Tick(begin)
	counter := must(segment.Counter("counter"))
	f64 := must(segment.CounterF64("f64"))
	shared := must(segment.SharedCounter("shared"))
	gauge := must(segment.Gauge("gauge"))
	level := must(segment.Level("level"))
	histogram := must(segment.Histogram("histogram"))
	if len(os.Args) > 4 {
		syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
	}
	for i := 0; i < len(sequence)/16; i++ {
		at, value := step(i)
		segment.Tick(at)
		counter.Add(1)
		f64.Add(1)
		shared.Add(1)
		gauge.Record(value)
		level.Set(value)
		histogram.Record(value)
		*finished = uint64(i) + 1
	}
	select {}
}
