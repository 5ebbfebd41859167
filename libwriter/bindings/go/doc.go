// Package ringside records metrics of a VM into a shared-memory segment, which the agent reads from outside.
//
// A segment is one file of fixed size, laid out from a [Schema]. Set-up (create, attach, register, close) goes through
// the writer library by cgo. Records do not: they write to the mapping from Go, a few nanoseconds each, without a call
// into C, a system call, an allocation or a lock. Once a window (by default once a second) the first record of a series
// calls the library, which closes the windows that are over.
//
//	segment, err := ringside.Create(ringside.Options{VMID: "vm-7", Schema: &schema})
//	if err != nil {
//		log.Print(err) // the VM runs on
//	}
//	defer segment.Close(0, "guest shut down")
//	reads, _ := segment.Counter("vmm_block_requests_total", "vda", "read")
//	reads.Add(1)
//
// # Metrics are a guest
//
// When set-up fails, what it returns can be used all the same: the methods of a nil *Segment return empty handles, and
// recording into an empty handle (the zero value of its type) does nothing. So nothing of a program has to depend on
// whether there are metrics.
//
// # Goroutines
//
// A handle other than a [SharedCounter] belongs to one goroutine at a time. It is a value of two or three words: copy
// it freely, but all copies are the same series. To hand a series over to another goroutine, use what Go orders
// goroutines by anyway, such as a channel or a mutex. Which thread the goroutine runs on does not matter, nor whether
// it is preempted in the middle of a record: the series is then half written for as long as the goroutine waits, and
// readers have its closed windows alone.
//
// All methods of a [Segment] may be called by any goroutine at any time, but for Tick: one at a time.
//
// # Close
//
// A segment stays mapped until [Segment.Close]; it is never closed by a finalizer, since a VM without a writer counts
// as dead. A record that begins after Close has returned does nothing. A record that runs while Close does is an error
// of the program, as it would be in C: it may touch memory that is no longer there. The race detector sees it.
//
// # Time
//
// A record has the time of the last tick before it. Unless told otherwise a segment has a goroutine that ticks every
// [DefaultTickEvery]; see [Options]' TickEvery for what that means and for loops that would rather tick themselves.
//
// # Processes
//
// Package os/exec is safe: the child gets neither the mapping nor the file. A segment has one writer in its life; a
// process that starts again creates a new one.
package ringside
