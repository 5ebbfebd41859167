package ringside

import (
	"bytes"
	"flag"
	"math"
	"math/rand"
	"os"
	"testing"
	"time"

	"ringside/internal/reference"
)

var seed = flag.Int64("ringside.seed", time.Now().UnixNano(), "of the random records")

// What two segments may differ in: the text for people, epoch and boot id, the times and the process of creation and
// attach, and the checksum over them.
func masked(t *testing.T, path string) []byte {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int{{0, 512}, {544, 592}, {1020, 1024}, {1032, 1040}, {1048, 1052}} {
		copy(file[part[0]:part[1]], make([]byte, part[1]-part[0]))
	}
	return file
}

// Most steps stay in the window or go to one of the next, some cross all tiers, some go back or to where no window is.
func step(random *rand.Rand, now uint64) uint64 {
	const second = uint64(time.Second)
	switch dice := random.Intn(1000); {
	case dice < 600:
		return now + uint64(random.Intn(1000))
	case dice < 850:
		return now + uint64(random.Intn(2*int(second)))
	case dice < 950:
		return now + uint64(random.Intn(40))*second
	case dice < 960:
		return now + uint64(random.Intn(3600*24))*second
	case dice < 985:
		return now - uint64(random.Intn(20))*second
	case dice < 992:
		return now - uint64(random.Intn(3600))*second
	case dice < 995:
		return uint64(random.Intn(int(2 * second)))
	case dice < 997:
		return math.MaxUint64 - uint64(random.Intn(int(second)))
	default:
		return 1_700_000_000*second + uint64(random.Intn(int(1000*second)))
	}
}

func value(random *rand.Rand) float64 {
	switch random.Intn(12) {
	case 0:
		odd := []float64{0, math.Copysign(0, -1), 1, math.Inf(1), math.Inf(-1), math.NaN(), -1, math.MaxFloat64, 5e-324}
		return odd[random.Intn(len(odd))]
	case 1, 2: // near the bounds of buckets
		bound := math.Exp2(float64(random.Intn(2400)-1200) / 256)
		return []float64{bound, math.Nextafter(bound, 0), math.Nextafter(bound, 1e9)}[random.Intn(3)]
	case 3: // any double at all
		return math.Float64frombits(random.Uint64())
	case 4: // subnormal
		return math.Float64frombits(random.Uint64() >> (12 + random.Intn(52)))
	case 5, 6:
		return float64(random.Intn(1000))
	default:
		return random.ExpFloat64() / 100
	}
}

// The same operations through C and through Go leave the same segment, byte by byte.
func TestRecordsLeaveTheBytesOfC(t *testing.T) {
	random := rand.New(rand.NewSource(*seed))
	t.Logf("-ringside.seed=%d", *seed)
	ourPath, theirPath := provisioned(t, tinySchema()), provisioned(t, tinySchema())
	ours, err := Attach(ourPath, tinySchema(), Attachment{TickEvery: ManualTicks})
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close(0, "")
	theirs, err := reference.Attach(theirPath)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()

	now := uint64(1_700_000_000_123_456_789)
	tick := func(ns uint64) {
		ours.Tick(time.Unix(int64(ns/1e9), int64(ns%1e9)))
		theirs.Tick(ns)
	}
	tick(now)
	h := register(t, ours)
	counter, f64, shared := theirs.Counter("counter_total"), theirs.CounterF64("f64_total"), theirs.SharedCounter("shared_total")
	gauge, level := theirs.Gauge("gauge"), theirs.Level("level")
	coarse, middle := theirs.Histogram("coarse"), theirs.Histogram("middle")
	fine, tiny := theirs.Histogram("fine"), theirs.Histogram("subnormal")

	for i := 0; i < 100_000; i++ {
		if random.Intn(4) == 0 {
			now = step(random, now)
			tick(now)
		}
		n, x := random.Uint64()>>(random.Intn(64)), value(random)
		switch random.Intn(13) {
		case 0:
			h.counter.Add(n)
			counter.Add(n)
		case 1:
			h.counter.Total(n)
			counter.Total(n)
		case 2:
			h.counter.Baseline(n)
			counter.Baseline(n)
		case 3:
			h.f64.Add(x)
			f64.Add(x)
		case 4:
			h.f64.Total(x)
			f64.Total(x)
		case 5:
			h.f64.Baseline(x)
			f64.Baseline(x)
		case 6:
			h.shared.Add(n)
			shared.Add(n)
		case 7:
			h.gauge.Record(x)
			gauge.Record(x)
		case 8:
			h.level.Set(x)
			level.Set(x)
		case 9:
			h.coarse.Record(x)
			coarse.Record(x)
		case 10:
			h.middle.Record(x)
			middle.Record(x)
		case 11:
			h.fine.Record(x)
			fine.Record(x)
		case 12:
			h.tiny.Record(x)
			tiny.Record(x)
		}
		if i%1000 != 0 && i != 99_999 {
			continue
		}
		if a, b := masked(t, ourPath), masked(t, theirPath); !bytes.Equal(a, b) {
			at := 0
			for a[at] == b[at] {
				at++
			}
			t.Fatalf("after %d records byte %d is %#x in Go and %#x in C", i+1, at, a[at], b[at])
		}
	}
}
