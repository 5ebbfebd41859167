package ringside

import (
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Children get neither the mapping nor a descriptor of the file, and what is recorded while they start is all there.
func TestChildrenHaveNoPartInTheSegment(t *testing.T) {
	folder := memoryFolder(t)
	s, err := Create(Options{VMID: "vm-1", Directory: folder, Schema: tinySchema(), TickEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(0, "")
	h := register(t, s)
	var over atomic.Bool
	var group sync.WaitGroup
	group.Add(1)
	records := uint64(0)
	go func() {
		defer group.Done()
		for ; !over.Load(); records++ {
			h.counter.Add(1)
			h.gauge.Record(1)
		}
	}()
	for i := 0; i < 20; i++ {
		out, err := exec.Command("/bin/sh", "-c", "cat /proc/self/maps && ls -l /proc/self/fd").CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		if strings.Contains(string(out), folder) {
			t.Errorf("a child has it:\n%s", out)
		}
	}
	over.Store(true)
	group.Wait()
	if h.counter.cell.value != records || h.gauge.cell.seq != records {
		t.Errorf("%d records became %d and %d", records, h.counter.cell.value, h.gauge.cell.seq)
	}
}
