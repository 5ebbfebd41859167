package ringside

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCreateReportsWhatIsWrong(t *testing.T) {
	folder := memoryFolder(t)
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	good := Options{VMID: "vm-1", Directory: folder, Schema: tinySchema()}
	with := func(change func(*Options)) Options {
		options := good
		change(&options)
		return options
	}
	many := tinySchema()
	many.Metrics[0].MaxSeries, many.Metrics[1].MaxSeries = 65536, 65536
	half := tinySchema()
	half.Tiers[0].Resolution = 1500 * time.Millisecond
	for name, test := range map[string]struct {
		options Options
		errno   syscall.Errno
	}{
		"no schema":         {with(func(o *Options) { o.Schema = nil }), syscall.EINVAL},
		"bad VM id":         {with(func(o *Options) { o.VMID = "../x" }), syscall.EINVAL},
		"NUL in the VM id":  {with(func(o *Options) { o.VMID = "vm\x00-1" }), syscall.EINVAL},
		"bad component":     {with(func(o *Options) { o.Component = "Net" }), syscall.EINVAL},
		"too many series":   {with(func(o *Options) { o.Schema = many }), syscall.E2BIG},
		"half seconds":      {with(func(o *Options) { o.Schema = half }), syscall.EINVAL},
		"no folder":         {with(func(o *Options) { o.Directory = folder + "/none" }), syscall.ENOENT},
		"folder is a file":  {with(func(o *Options) { o.Directory = file }), syscall.ENOTDIR},
		"no files there":    {with(func(o *Options) { o.Directory = "/proc" }), syscall.ENOENT},
		"NUL in the folder": {with(func(o *Options) { o.Directory = folder + "\x00" }), syscall.EINVAL},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Create(test.options)
			wantErrno(t, err, test.errno)
			if s != nil {
				t.Error("there is a segment all the same")
			}
			if _, err := Provision(test.options); !errors.Is(err, test.errno) {
				t.Errorf("Provision says %v", err)
			}
		})
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestErrorIsAlsoOneOfTheStandardLibrary(t *testing.T) {
	_, err := Create(Options{VMID: "vm-1", Directory: "/dev/shm/ringside-there-is-no-such", Schema: tinySchema()})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	if !strings.HasPrefix(err.Error(), "ringside: ") || !strings.Contains(err.Error(), "/dev/shm/ringside-there-is-no-such") {
		t.Errorf("%q does not say what it is about", err)
	}
}

func TestAttachReportsWhatIsWrong(t *testing.T) {
	folder := memoryFolder(t)
	_, err := Attach(folder+"/none.seg", nil, Attachment{})
	wantErrno(t, err, syscall.ENOENT)
	_, err = Attach(folder+"\x00", nil, Attachment{})
	wantErrno(t, err, syscall.EINVAL)
	text := filepath.Join(folder, "text.seg")
	if err := os.WriteFile(text, []byte("no segment"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Attach(text, nil, Attachment{})
	wantErrno(t, err, syscall.EINVAL)

	path := provisioned(t, tinySchema())
	other := tinySchema()
	other.Version++
	_, err = Attach(path, other, Attachment{})
	wantErrno(t, err, syscall.ESTALE)
	s, err := Attach(path, tinySchema(), Attachment{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Attach(path, nil, Attachment{})
	wantErrno(t, err, syscall.EBUSY)
	s.Close(0, "")
	_, err = Attach(path, nil, Attachment{})
	wantErrno(t, err, syscall.EBUSY)
}

// Whether the mapping of path is kept from children, and whether somebody holds a lock on the file.
func guards(t *testing.T, path string) (forkGuard, lock bool) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, mapping, found := strings.Cut(string(maps), path)
	_, flags, _ := strings.Cut(mapping, "VmFlags:")
	flags, _, _ = strings.Cut(flags, "\n")
	if !found {
		t.Fatalf("%s is not mapped", path)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const getOFDLock = 36 // F_OFD_GETLK
	question := syscall.Flock_t{Type: syscall.F_WRLCK}
	if err := syscall.FcntlFlock(file.Fd(), getOFDLock, &question); err != nil {
		t.Fatal(err)
	}
	return strings.Contains(flags, " dc"), question.Type != syscall.F_UNLCK
}

func TestForkGuardAndLockAreThereWhereAskedFor(t *testing.T) {
	for how, want := range map[Attachment][2]bool{
		{}:                            {false, false},
		{ForkGuard: true}:             {true, false},
		{Lock: true}:                  {false, true},
		{ForkGuard: true, Lock: true}: {true, true},
	} {
		path := provisioned(t, tinySchema())
		s, err := Attach(path, nil, how)
		if err != nil {
			t.Fatal(err)
		}
		if forkGuard, lock := guards(t, path); forkGuard != want[0] || lock != want[1] {
			t.Errorf("attached with %+v: fork guard %v, lock %v", how, forkGuard, lock)
		}
		s.Close(0, "")

		s, err = Create(Options{VMID: "vm-1", Directory: memoryFolder(t), Schema: tinySchema(), NoForkGuard: !how.ForkGuard, NoLock: !how.Lock})
		if err != nil {
			t.Fatal(err)
		}
		if forkGuard, lock := guards(t, s.Path()); forkGuard != want[0] || lock != want[1] {
			t.Errorf("created with what makes %+v: fork guard %v, lock %v", how, forkGuard, lock)
		}
		s.Close(0, "")
	}
}

func TestAttachFileLeavesTheFileToTheCaller(t *testing.T) {
	path := provisioned(t, tinySchema())
	read, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	_, err = AttachFile(read, nil, Attachment{})
	wantErrno(t, err, syscall.EBADF)

	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err := AttachFile(file, nil, Attachment{TickEvery: ManualTicks})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(0, "")
	if err := file.Close(); err != nil {
		t.Errorf("the descriptor is gone: %v", err)
	}
	if s.Path() != "" || s.VMID() != "vm-1" || s.Bytes() == 0 {
		t.Errorf("path %q, VM id %q, %d bytes", s.Path(), s.VMID(), s.Bytes())
	}
	c, err := s.Counter("counter_total")
	if err != nil {
		t.Fatal(err)
	}
	c.Add(3)
	if c.cell.value != 3 {
		t.Errorf("the counter says %d", c.cell.value)
	}
}

func TestSizeIsThatOfTheFile(t *testing.T) {
	schema := tinySchema()
	size, err := schema.Size()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(provisioned(t, schema))
	if err != nil {
		t.Fatal(err)
	}
	if size != uint64(info.Size()) {
		t.Errorf("Size says %d, the file has %d bytes", size, info.Size())
	}
	if err := schema.Check(); err != nil {
		t.Error(err)
	}
	schema.Metrics[3].Name = "no name"
	wantErrno(t, schema.Check(), syscall.EINVAL)
	schema.Metrics[3].Name = "gauge\x00"
	wantErrno(t, schema.Check(), syscall.EINVAL)
}

func TestASchemaWithoutTiersHasTheDefaultOnes(t *testing.T) {
	with, without := tinySchema(), tinySchema()
	with.Tiers, without.Tiers = DefaultTiers(), nil
	a, err := with.Size()
	if err != nil {
		t.Fatal(err)
	}
	b, err := without.Size()
	if err != nil {
		t.Fatal(err)
	}
	first := Tier{time.Second, 300, ColumnCount | ColumnSum | ColumnMin | ColumnMax | ColumnLast | ColumnValue | ColumnBuckets}
	if tiers := DefaultTiers(); a != b || len(tiers) != 3 || tiers[0] != first {
		t.Errorf("%d and %d bytes with %v", a, b, tiers)
	}
	without.Tiers = []Tier{}
	wantErrno(t, without.Check(), syscall.EINVAL)
}

func TestRegisterReportsWhatIsWrong(t *testing.T) {
	s := created(t, tinySchema())
	_, err := s.Counter("nothing_total")
	wantErrno(t, err, syscall.ENOENT)
	_, err = s.Counter("gauge")
	wantErrno(t, err, syscall.EINVAL)
	_, err = s.Counter("shared_total")
	wantErrno(t, err, syscall.EINVAL)
	_, err = s.Counter("labelled_total", "vda")
	wantErrno(t, err, syscall.EINVAL)
	_, err = s.Counter("labelled_total", "vda", "a\xffb")
	wantErrno(t, err, syscall.EINVAL)
	_, err = s.Counter("labelled_total", "vda", "read\x00er")
	wantErrno(t, err, syscall.EINVAL)
	if err := s.Info("image_info", "debian"); err != nil {
		t.Error(err)
	}
	wantErrno(t, s.Info("image_info", "debian"), syscall.EEXIST)

	for _, device := range []string{"vda", "vdb", ""} {
		if _, err := s.Counter("labelled_total", device, "read"); err != nil {
			t.Error(err)
		}
	}
	_, err = s.Counter("labelled_total", "vda", "read")
	wantErrno(t, err, syscall.EEXIST)
	c, err := s.Counter("labelled_total", "vdc", "read")
	wantErrno(t, err, syscall.ENOSPC)
	if !c.Empty() {
		t.Error("the handle is not empty")
	}
	c.Add(1)
}

func TestASharedCounterMayBeRegisteredAgain(t *testing.T) {
	s := created(t, tinySchema())
	first, err := s.SharedCounter("shared_total")
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.SharedCounter("shared_total")
	if err != nil || first != second || first.Empty() {
		t.Errorf("%v and %v, %v", first, second, err)
	}
}

func TestCloseLeavesCodeAndText(t *testing.T) {
	for name, test := range map[string]struct {
		code int
		text string
		want string
	}{
		"as planned":   {0, "guest shut down", "0 guest shut down"},
		"NUL":          {7, "half\x00text", "7 half"},
		"long":         {-3, strings.Repeat("x", 300), "-3 " + strings.Repeat("x", 127)},
		"code too big": {1 << 40, "", "2147483647 "},
	} {
		t.Run(name, func(t *testing.T) {
			s := created(t, tinySchema())
			path := s.Path()
			s.Close(test.code, test.text)
			s.Close(99, "a second time does nothing")
			if got := closeOf(t, path); got != test.want {
				t.Errorf("%q, not %q", got, test.want)
			}
			if s.Path() != path || s.VMID() != "vm-1" || s.Bytes() == 0 {
				t.Error("what is known of the segment is gone")
			}
		})
	}
}

// A nil segment is one whose set-up failed: a program goes on with it as if nothing were.
func TestNothingNeedsASegment(t *testing.T) {
	var s *Segment
	c, err := s.Counter("counter_total")
	wantErrno(t, err, syscall.EINVAL)
	wantErrno(t, s.Info("image_info", "debian"), syscall.EINVAL)
	c.Add(1)
	s.Tick(time.Now())
	s.Close(0, "")
	if s.Path() != "" || s.VMID() != "" || s.Bytes() != 0 {
		t.Error("a nil segment says something")
	}
	handles{}.recordAll(1)
	h := handles{}
	empty := h.counter.Empty() && h.f64.Empty() && h.shared.Empty() && h.gauge.Empty() && h.level.Empty() && h.fine.Empty()
	if !empty {
		t.Error("a zero handle is not empty")
	}
}

// The mapping is gone after Close: a handle that reached for it would end the process.
func TestRecordsAfterCloseDoNothing(t *testing.T) {
	s := created(t, tinySchema())
	h := register(t, s)
	h.recordAll(3)
	path := s.Path()
	s.Close(0, "")
	before := masked(t, path)
	h.recordAll(4)
	h.recordAll(-1) // rejected by some
	s.Tick(time.Now())
	if _, err := s.Gauge("gauge"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a closed segment registers: %v", err)
	}
	if string(before) != string(masked(t, path)) {
		t.Error("the file changed")
	}
}

func TestProvisionSetsModeAndOwner(t *testing.T) {
	options := Options{VMID: "vm-1", Directory: memoryFolder(t), Schema: tinySchema(), Mode: 0o600}
	options.Owner = &Owner{UID: -1, GID: os.Getgid()}
	path, err := Provision(options)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if info.Mode().Perm() != 0o600 || int(owner.Gid) != os.Getgid() || int(owner.Uid) != os.Getuid() {
		t.Errorf("%v %d:%d", info.Mode(), owner.Uid, owner.Gid)
	}
}
