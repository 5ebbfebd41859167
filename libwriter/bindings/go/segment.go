package ringside

/*
#include <ringside/ringside.h>

// Numbers for pointers: at a pointer cgo has a close look, for which it allocates. These two point into C memory.
static uint64_t go_turn(uintptr_t cell, uintptr_t segment, uint64_t now_ns) {
    return rside_turn((rside_cell *)cell, (rside_segment *)segment, now_ns);
}
static void go_reject(uintptr_t segment) { rside_reject((rside_segment *)segment); }
*/
import "C"

import (
	"io/fs"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Segment is one file of a VM's metrics, mapped for writing. A nil *Segment is one whose set-up failed: it gives empty
// handles.
type Segment struct {
	// What a record reads, side by side. In Go's memory, not in the mapping, so that a handle that outlives its segment
	// finds window 0 and stops there.
	now    uint64 // ns since 1970, stored by Tick
	window uint64 // length of a window of the finest tier; 0 once closed
	tick   *uint64

	setup      sync.RWMutex     // registering against closing
	c          *C.rside_segment // behind setup; nil once closed
	ticker     *ticker          // nil: the program ticks
	path, vmID string
	bytes      uint64
}

// Options are what a new segment is made from. Zero values mean the defaults.
type Options struct {
	VMID      string      // 1 to 63 of [A-Za-z0-9._:-], the first one alphanumeric
	Component string      // "" for the VMM itself, else 1 to 31 of [a-z0-9_-]
	Directory string      // "": /dev/shm/ringside. Must lie on a tmpfs or hugetlbfs.
	Schema    *Schema     // needed
	Mode      fs.FileMode // 0: 0640

	// Owner gives a provisioned segment away; nil keeps what the caller and the directory give.
	Owner *Owner

	// TickEvery is how often the segment takes the time by itself: 0 means DefaultTickEvery, less than 0 (ManualTicks)
	// never, so that the program calls Tick.
	TickEvery time.Duration
	// NoForkGuard leaves out what keeps the mapping from children of C code that forks without exec.
	NoForkGuard bool
	// NoLock leaves out the OFD lock, a second proof of life beside the kernel's count of writers.
	NoLock bool
}

// Owner is the user and group of a file; -1 keeps what it has.
type Owner struct{ UID, GID int }

// Attachment is how to attach. Its zero value is for VMMs behind a seccomp filter: the library's only system calls are
// open, fstat, mmap and close.
type Attachment struct {
	TickEvery time.Duration // as in Options
	ForkGuard bool          // keeps the mapping from children of C code that forks without exec
	Lock      bool          // holds an OFD lock, a second proof of life beside the kernel's count of writers
}

func flagsOf(forkGuard, lock bool) C.uint32_t {
	var flags C.uint32_t
	if forkGuard {
		flags |= C.RSIDE_FORK_GUARD
	}
	if lock {
		flags |= C.RSIDE_LOCK
	}
	return flags
}

// Create creates a new segment in options.Directory and attaches to it. The file appears under its final name only when
// it is complete and every page is reserved: a full /dev/shm is an error here and never a fault later. On failure no
// file is left, and the error wraps one of EINVAL (schema, VM id or component against the rules), E2BIG (schema over a
// limit), ENOENT, ENOTDIR, EACCES, EROFS (the directory), EMEDIUMTYPE (not on a memory file system), ENOSPC, EDQUOT,
// ENOMEM, EFBIG.
func Create(options Options) (*Segment, error) {
	var memory scratch
	defer memory.free()
	in, err := options.inC(&memory)
	if err != nil {
		return nil, err
	}
	var why C.rside_error
	var out *C.rside_segment
	if code := C.rside_segment_create(&in, &out, &why); code < 0 {
		return nil, errorOf(code, &why)
	}
	return newSegment(out, options.TickEvery), nil
}

// Provision lays out a segment for a VMM that attaches later, and returns its path: for launchers. Call it inside the
// VM's own cgroup, as the pages are charged for good to whoever touches them first. Errors are those of Create, and
// EPERM where the caller may not give the file away.
func Provision(options Options) (path string, err error) {
	var memory scratch
	defer memory.free()
	in, err := options.inC(&memory)
	if err != nil {
		return "", err
	}
	size := len(options.Directory) + len(C.RSIDE_DEFAULT_DIRECTORY) + 140 // what ringside.h asks for
	out := (*C.char)(memory.zeroed(size, 1))
	var why C.rside_error
	if code := C.rside_segment_provision(&in, out, C.size_t(size), &why); code < 0 {
		return "", errorOf(code, &why)
	}
	return C.GoString(out), nil
}

func (o Options) inC(memory *scratch) (C.rside_options, error) {
	var in C.rside_options
	C.rside_options_init(&in)
	if o.Schema == nil {
		return in, failure(syscall.EINVAL, "no schema: set Options.Schema")
	}
	schema, err := o.Schema.inC(memory)
	if err != nil {
		return in, err
	}
	in.schema = schema
	in.vm_id = memory.text("VM id", o.VMID)
	in.component = memory.text("component", o.Component)
	if o.Directory != "" {
		in.directory = memory.text("directory", o.Directory)
	}
	in.clock = C.RSIDE_CLOCK_TICK
	in.flags = flagsOf(!o.NoForkGuard, !o.NoLock)
	in.mode = C.mode_t(o.Mode.Perm())
	if o.Owner != nil {
		in.owner, in.group = C.uid_t(o.Owner.UID), C.gid_t(o.Owner.GID)
	}
	return in, memory.err
}

// Attach takes over the provisioned segment at path. schema must be the one it was laid out with, or nil to take what
// is there. On failure the segment is untouched, and the error wraps one of EINVAL (no segment), EPROTONOSUPPORT
// (another format version), ESTALE (laid out with another schema), EUCLEAN (damaged), EBUSY (a writer is or was
// attached: provision a new one), EAGAIN (the agent was looking at it at each try), or what open and mmap say.
func Attach(path string, schema *Schema, how Attachment) (*Segment, error) {
	var memory scratch
	defer memory.free()
	name := memory.text("path", path)
	return attach(&memory, schema, how.TickEvery, func(in *C.rside_schema, out **C.rside_segment, why *C.rside_error) C.int {
		return C.rside_segment_attach(name, in, C.RSIDE_CLOCK_TICK, flagsOf(how.ForkGuard, how.Lock), out, why)
	})
}

// AttachFile is Attach for a file that is open for reading and writing, such as one inherited from a launcher. The
// caller keeps it and may close it afterwards. EBADF when it is not open for both.
func AttachFile(file *os.File, schema *Schema, how Attachment) (*Segment, error) {
	var memory scratch
	defer memory.free()
	defer runtime.KeepAlive(file) // its finalizer closes the descriptor
	return attach(&memory, schema, how.TickEvery, func(in *C.rside_schema, out **C.rside_segment, why *C.rside_error) C.int {
		return C.rside_segment_attach_fd(C.int(file.Fd()), in, C.RSIDE_CLOCK_TICK, flagsOf(how.ForkGuard, how.Lock), out, why)
	})
}

func attach(memory *scratch, schema *Schema, tickEvery time.Duration,
	call func(*C.rside_schema, **C.rside_segment, *C.rside_error) C.int) (*Segment, error) {
	var in *C.rside_schema
	if schema != nil {
		var err error
		if in, err = schema.inC(memory); err != nil {
			return nil, err
		}
	}
	if memory.err != nil {
		return nil, memory.err
	}
	var why C.rside_error
	var out *C.rside_segment
	if code := call(in, &out, &why); code < 0 {
		return nil, errorOf(code, &why)
	}
	return newSegment(out, tickEvery), nil
}

func newSegment(c *C.rside_segment, tickEvery time.Duration) *Segment {
	hot := (*C.rside_hot)(unsafe.Pointer(c)) // its first bytes
	s := &Segment{
		window: uint64(hot.window_ns),
		tick:   (*uint64)(unsafe.Pointer(hot.tick_ns)),
		c:      c,
		path:   C.GoString(C.rside_segment_path(c)),
		vmID:   C.GoString(C.rside_segment_vm_id(c)),
		bytes:  uint64(C.rside_segment_bytes(c)),
	}
	s.now = atomic.LoadUint64(s.tick) // the time of the attach
	if tickEvery >= 0 {
		s.ticker = startTicker(s, tickEvery)
	}
	return s
}

// Close marks the segment as closed with code (0: as planned) and text (cut at 127 bytes), and unmaps it; the agent
// then drains it. Recording goroutines must have stopped: see the package's comment. Of a nil or closed segment it does
// nothing.
func (s *Segment) Close(code int, text string) {
	if s == nil {
		return
	}
	s.setup.Lock()
	defer s.setup.Unlock()
	if s.c == nil {
		return
	}
	if s.ticker != nil {
		s.ticker.stop()
	}
	s.window = 0 // from here on no handle reaches the mapping
	if code != int(int32(code)) {
		code = math.MaxInt32 // it must not pass for 0, which is as planned
	}
	text, _, _ = strings.Cut(text, "\x00")
	var memory scratch
	defer memory.free()
	C.rside_segment_close(s.c, C.int(code), memory.text("text", text))
	s.c, s.tick = nil, nil
}

// Path returns the file's path as created, or as given to Attach; "" when attached by descriptor.
func (s *Segment) Path() string {
	if s == nil {
		return ""
	}
	return s.path
}

// VMID returns the id of the VM; "" for a nil segment.
func (s *Segment) VMID() string {
	if s == nil {
		return ""
	}
	return s.vmID
}

// Bytes returns the size of the file; 0 for a nil segment.
func (s *Segment) Bytes() uint64 {
	if s == nil {
		return 0
	}
	return s.bytes
}

// turn is the slow path of a record: the tick has left the open window of cell. It closes the windows that are over,
// and returns the time that the record counts with; or false when the segment is closed and the record must not happen.
func (s *Segment) turn(cell unsafe.Pointer) (now uint64, ok bool) {
	if s.window == 0 {
		return 0, false
	}
	return uint64(C.go_turn(number(cell), number(unsafe.Pointer(s.c)), C.uint64_t(atomic.LoadUint64(&s.now)))), true
}

// reject counts a sample that cannot be recorded.
func (s *Segment) reject() {
	if s.window != 0 {
		C.go_reject(number(unsafe.Pointer(s.c)))
	}
}

func number(pointer unsafe.Pointer) C.uintptr_t { return C.uintptr_t(uintptr(pointer)) }
