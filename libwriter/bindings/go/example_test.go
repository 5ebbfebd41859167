package ringside_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"ringside"
)

// Where the examples put their segments, in place of /dev/shm/ringside.
func temporaryFolder() string {
	folder, err := os.MkdirTemp("/dev/shm", "ringside-go-")
	if err != nil {
		log.Fatal(err)
	}
	return folder
}

func Example() {
	folder := temporaryFolder()
	defer os.RemoveAll(folder)

	schema := ringside.Schema{
		Name:    "example",
		Version: 1,
		Metrics: []ringside.Metric{
			{Name: "requests_total", Kind: ringside.KindCounter, Labels: []string{"device"}, MaxSeries: 2},
			{Name: "queue_depth", Kind: ringside.KindLevel},
		},
	}
	segment, err := ringside.Create(ringside.Options{VMID: "vm-7", Directory: folder, Schema: &schema})
	if err != nil {
		fmt.Println(err) // the VM runs on
	}
	defer segment.Close(0, "guest shut down")

	requests, err := segment.Counter("requests_total", "vda")
	fmt.Println(requests.Empty(), err)
	depth, err := segment.Level("queue_depth")
	fmt.Println(depth.Empty(), err)

	depth.Set(1)
	requests.Add(1)
	depth.Set(0)
	fmt.Println(segment.VMID())
	// Output:
	// false <nil>
	// false <nil>
	// vm-7
}

// A launcher lays the segment out, the VMM attaches to it: once.
func ExampleAttach() {
	folder := temporaryFolder()
	defer os.RemoveAll(folder)

	schema := ringside.Schema{Name: "example", Metrics: []ringside.Metric{{Name: "boots_total", Kind: ringside.KindCounter}}}
	path, err := ringside.Provision(ringside.Options{VMID: "vm-7", Directory: folder, Schema: &schema})
	if err != nil {
		log.Fatal(err)
	}

	segment, err := ringside.Attach(path, &schema, ringside.Attachment{})
	fmt.Println(segment.VMID(), err)
	segment.Close(0, "guest shut down")

	_, err = ringside.Attach(path, &schema, ringside.Attachment{})
	fmt.Println(errors.Is(err, syscall.EBUSY))
	// Output:
	// vm-7 <nil>
	// true
}

// A loop that takes the time anyway ticks itself.
func ExampleSegment_Tick() {
	folder := temporaryFolder()
	defer os.RemoveAll(folder)

	schema := ringside.Schema{Name: "example", Metrics: []ringside.Metric{{Name: "polls_total", Kind: ringside.KindCounter}}}
	segment, err := ringside.Create(ringside.Options{
		VMID: "vm-7", Directory: folder, Schema: &schema,
		TickEvery: ringside.ManualTicks,
	})
	if err != nil {
		fmt.Println(err)
	}
	defer segment.Close(0, "done")
	polls, err := segment.Counter("polls_total")
	if err != nil {
		fmt.Println(err)
	}
	for round := 0; round < 3; round++ {
		segment.Tick(time.Now())
		polls.Add(1)
	}
	// Output:
}
