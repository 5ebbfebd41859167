// A writer and a reader as two threads over one mapping, in a program that ThreadSanitizer watches in every build. The reader
// does what docs/format.md says and looks at every word that a writer changes, with relaxed loads, so that each word
// which the writer touches in any other way than an atomic one is a race. What ThreadSanitizer cannot see is order: it
// knows no fences, and to it no relaxed load follows any store. The models are for that. What the reader finds is checked
// all the same, to the last digit.
//
// race_test.py runs this, and again with the atomics of the writer taken away one sort after the other: then each test that
// has such words must be stopped. So nothing here may use what it takes away: loads are __atomic_load, not _n, and
// the two threads tell each other nothing but the end.
#include <gtest/gtest.h>
#include <ringside/ringside.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "libwriter/src/segment.h"
#include "tests/support/schema_spec.h"
#include "tests/support/temporary_folder.h"

namespace ringside {
namespace {

constexpr std::uint64_t kSecond = RSIDE_NS_PER_S;
constexpr std::uint64_t kNow = 1'700'000'000 * kSecond;  // begins a window of every tier
constexpr int kLooks = 20000;
constexpr int kLeastWhole = 2000;  // of these; more looks when the writer spoils too many

// What is recorded in each window of 1 s: half of it at the begin, half of it half a second later.
constexpr std::array<double, 8> kValues = {4, 2, 7, 1, 8, 3, 6, 5};
constexpr std::uint64_t kCount = kValues.size();
constexpr double kSum = 36, kMin = 1, kMax = 8, kLast = 5;
constexpr double kLevelSum = 1 * 0.5 + 5 * 0.5;                     // value x seconds
constexpr std::array<std::uint64_t, 5> kBuckets = {0, 1, 1, 2, 4};  // up to 0.5, 1, 2, 4 and 8

template <typename T>
T load(const T* at) {
    T value;
    __atomic_load(at, &value, __ATOMIC_RELAXED);
    return value;
}
void load_fence() { __atomic_thread_fence(__ATOMIC_ACQUIRE); }

double as_double(std::uint64_t bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// What a reader looks at, where the writer of this process has it mapped. The schema has one metric and two tiers.
class Mapping {
  public:
    explicit Mapping(const rside_segment* segment) : segment_(*segment), places_(segment->metrics[0].at) {}

    std::uint8_t kind() const { return segment_.metrics[0].kind; }
    std::uint32_t slots(std::uint32_t tier) const { return segment_.tiers[tier].slots; }
    std::uint64_t resolution_s(std::uint32_t tier) const { return segment_.tiers[tier].resolution_ns / kSecond; }
    const rside_header* header() const { return at<rside_header>(0); }
    const rside_cell* cell(std::uint32_t i = 0) const { return at<rside_cell>(header()->cells_offset) + i; }
    const rside_series_record* record(std::uint32_t i) const {
        return at<rside_series_record>(header()->directory_offset) + i;
    }
    const char* labels(std::uint32_t offset) const { return at<char>(header()->arena_offset + offset); }
    const rside_origin* origin() const { return at<rside_origin>(places_.accumulators); }
    // Of the second tier.
    const rside_accumulator* bank(std::uint64_t bank) const {
        return at<rside_accumulator>(places_.accumulators + sizeof(rside_origin)) + bank;
    }
    const std::uint64_t* buckets() const { return at<std::uint64_t>(places_.hot_buckets); }
    std::uint32_t slot_words(std::uint32_t tier) const { return places_.slot_words[tier]; }
    const std::uint32_t* slot(std::uint32_t tier, std::uint64_t place) const {
        return at<std::uint32_t>(places_.ring[tier]) + place * slot_words(tier);
    }

  private:
    template <typename T>
    const T* at(std::uint64_t offset) const {
        return reinterpret_cast<const T*>(segment_.base + offset);
    }

    const rside_segment& segment_;
    const rside_metric_geometry& places_;
};

class Race : public testing::Test {
  protected:
    void create(SchemaSpec spec) {
        spec_ = std::move(spec);
        rside_options options;
        rside_options_init(&options);
        options.vm_id = "vm-1";
        options.directory = folder_.path().c_str();
        options.schema = spec_.get();
        options.clock = RSIDE_CLOCK_TICK;
        options.flags = 0;
        rside_error error = {};
        ASSERT_EQ(rside_segment_create(&options, &segment_, &error), 0) << error.text;
        rside_tick(segment_, kNow);
    }
    void create(rside_kind kind) {
        SchemaSpec spec("race");
        spec.tier(1, 5).tier(10, 3);
        if (kind == RSIDE_HISTOGRAM) return create(spec.histogram("series", 0, 1, 8));
        create(spec.metric("series", kind, 1, {}, shared_ ? RSIDE_METRIC_SHARED : 0));
    }
    void TearDown() override { rside_segment_close(segment_, 0, nullptr); }

    // Records window after window in a thread of its own while this one looks.
    void race(const std::function<void(double)>& record) {
        const Mapping mapping(segment_);
        std::atomic_flag over;
        std::thread writer([&] {
            for (std::uint64_t half = 0; !over.test(); ++half) {
                rside_tick(segment_, kNow + half * kSecond / 2);
                for (std::size_t i = 0; i < kCount / 2; ++i) record(kValues[half % 2 * kCount / 2 + i]);
            }
        });
        int closed = 0, open = 0;
        for (int i = 0; i < 100 * kLooks && !HasFailure(); ++i) {
            closed += look_at_closed(mapping);
            open += look_at_open(mapping);
            if (i >= kLooks && std::min(closed, open) >= kLeastWhole) break;
        }
        over.test_and_set();
        writer.join();
        EXPECT_GE(std::min(closed, open), kLeastWhole) << "the reader has seen too little";
    }

    // One look at what has closed, whether it could be used: the slots of all windows before the open one, and the bank.
    bool look_at_closed(const Mapping& mapping) {
        const std::uint64_t raw = load(&mapping.cell()->open);
        if (raw == 0 || (raw & RSIDE_OPEN_TURNING)) return false;
        load_fence();
        std::array<std::vector<std::vector<std::uint32_t>>, 2> rings;
        for (std::uint32_t t = 0; t < 2; ++t) {
            for (std::uint32_t i = 0; i < mapping.slots(t); ++i) rings[t].push_back(copy_slot(mapping, t, i));
        }
        rside_accumulator bank{};
        if (rside_is_gauge(mapping.kind())) {
            const rside_accumulator* from = mapping.bank(raw & RSIDE_OPEN_BANK);
            bank = {load(&from->count), load(&from->sum), load(&from->min), load(&from->max), load(&from->last)};
        }
        load_fence();
        if (load(&mapping.cell()->open) != raw) return false;
        const std::uint64_t second = (raw & ~RSIDE_OPEN_FLAGS) / kSecond;
        for (std::uint32_t t = 0; t < 2; ++t) check_ring(mapping, t, second, rings[t]);
        if (rside_is_gauge(mapping.kind())) check_bank(mapping.kind(), second, bank);
        return true;
    }

    // The same for the open window.
    bool look_at_open(const Mapping& mapping) {
        load(&mapping.header()->tick_ns);
        const rside_cell* cell = mapping.cell();
        const std::uint64_t seq = load(&cell->seq), raw = load(&cell->open);
        if (raw == 0 || (raw & (RSIDE_OPEN_TURNING | RSIDE_OPEN_STALE))) return false;
        load_fence();
        rside_origin origin{};
        if (rside_is_gauge(mapping.kind())) {
            for (int i = 0; i < 2; ++i) origin.origin[i] = load(&mapping.origin()->origin[i]);
        }
        std::array<std::uint64_t, kBuckets.size()> buckets{};
        if (mapping.kind() == RSIDE_HISTOGRAM) {
            for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] = load(mapping.buckets() + i);
        }
        std::array<std::uint64_t, sizeof cell->u / 8> words;
        for (std::size_t i = 0; i < words.size(); ++i) words[i] = load(&cell->u.counter.value + i);
        load_fence();
        const bool odd_is_half_done = mapping.kind() == RSIDE_LEVEL || mapping.kind() == RSIDE_HISTOGRAM;
        if (load(&cell->seq) != seq || load(&cell->open) != raw || (odd_is_half_done && (seq & 1))) return false;
        rside_cell copy{seq, raw, {}};
        std::memcpy(&copy.u, words.data(), sizeof copy.u);
        check_hot(mapping.kind(), (raw & ~RSIDE_OPEN_FLAGS) / kSecond - kNow / kSecond, copy, origin, buckets);
        return true;
    }

    static std::vector<std::uint32_t> copy_slot(const Mapping& mapping, std::uint32_t tier, std::uint64_t place) {
        std::vector<std::uint32_t> words(mapping.slot_words(tier));
        for (std::size_t i = 0; i < words.size(); ++i) words[i] = load(mapping.slot(tier, place) + i);
        return words;
    }

    // The slots of all windows before the open one, as far back as the ring reaches, and none else.
    void check_ring(const Mapping& mapping, std::uint32_t tier, std::uint64_t second,
                    const std::vector<std::vector<std::uint32_t>>& ring) {
        const std::uint64_t resolution = mapping.resolution_s(tier), open = second / resolution;
        const std::uint64_t first = kNow / kSecond / resolution;
        const std::uint64_t oldest = std::max(first, open - std::min<std::uint64_t>(open, ring.size()));
        for (std::uint64_t window = oldest; window < open; ++window) {
            const std::vector<std::uint32_t>& slot = ring[window % ring.size()];
            // A thread that was elected for a turn may stand still in it while time goes on: the others add, and windows are left out.
            if (shared_ && slot[0] < window) continue;
            ASSERT_EQ(slot[0], window) << "tier " << tier;
            check_slot(mapping.kind(), slot, resolution, window - first + 1);
        }
    }

    // The n-th window of a tier, of `seconds` length.
    void check_slot(std::uint8_t kind, const std::vector<std::uint32_t>& slot, std::uint64_t seconds, std::uint64_t n) {
        auto word = [&](std::size_t i) { return slot[1 + 2 * i] | std::uint64_t{slot[2 + 2 * i]} << 32; };
        const auto windows = static_cast<double>(seconds);
        const std::uint64_t so_far = kCount * seconds * n;
        switch (kind) {
            case RSIDE_COUNTER: ASSERT_TRUE(shared_ || word(0) == so_far) << word(0); break;
            case RSIDE_COUNTER_F64: ASSERT_EQ(as_double(word(0)), kSum * windows * static_cast<double>(n)); break;
            case RSIDE_GAUGE:
            case RSIDE_LEVEL:
                ASSERT_EQ(word(0), kind == RSIDE_GAUGE ? kCount * seconds : kSecond * seconds);
                ASSERT_EQ(as_double(word(1)), (kind == RSIDE_GAUGE ? kSum : kLevelSum) * windows);
                ASSERT_EQ(as_double(word(2)), kMin);
                ASSERT_EQ(as_double(word(3)), kMax);
                ASSERT_EQ(as_double(word(4)), kLast);
                break;
            default:
                ASSERT_EQ(word(0), so_far);
                ASSERT_EQ(as_double(word(1)), kSum * windows * static_cast<double>(n));
                for (std::size_t i = 0; i < kBuckets.size(); ++i) {
                    ASSERT_EQ(slot[5 + i], static_cast<std::uint32_t>(kBuckets[i] * seconds * n)) << "bucket " << i;
                }
        }
    }

    // F5: the closed windows of 1 s of the open window of 10 s.
    void check_bank(std::uint8_t kind, std::uint64_t second, const rside_accumulator& bank) {
        const std::uint64_t closed = second % 10;
        ASSERT_EQ(bank.count, closed * (kind == RSIDE_GAUGE ? kCount : kSecond));
        if (closed == 0) return;
        ASSERT_EQ(bank.sum, static_cast<double>(closed) * (kind == RSIDE_GAUGE ? kSum : kLevelSum));
        ASSERT_EQ(bank.min, kMin);
        ASSERT_EQ(bank.max, kMax);
        ASSERT_EQ(bank.last, kLast);
    }

    // Of the open window, `before` windows of 1 s after the first.
    void check_hot(std::uint8_t kind, std::uint64_t before, const rside_cell& cell, const rside_origin& origin,
                   const std::array<std::uint64_t, kBuckets.size()>& buckets) {
        auto sum_of = [](std::uint64_t n) {
            double sum = 0;
            for (std::uint64_t i = 0; i < n; ++i) sum += kValues[i];
            return sum;
        };
        if (kind == RSIDE_COUNTER && !shared_) {
            ASSERT_GE(cell.u.counter.value, before * kCount);
            ASSERT_LE(cell.u.counter.value, (before + 1) * kCount);
        } else if (kind == RSIDE_GAUGE) {
            const std::uint64_t n = cell.seq - origin.origin[0], bank = cell.seq & 1;
            ASSERT_LE(n, kCount);
            if (n == 0) return;
            ASSERT_EQ(cell.u.gauge.sum[bank], sum_of(n));
            ASSERT_EQ(cell.u.gauge.last[bank], kValues[n - 1]);
            const auto [min, max] = std::minmax_element(kValues.begin(), kValues.begin() + static_cast<long>(n));
            ASSERT_EQ(std::min(cell.u.gauge.min, kValues[n - 1]), *min);
            ASSERT_EQ(std::max(cell.u.gauge.max, kValues[n - 1]), *max);
        } else if (kind == RSIDE_LEVEL) {
            const std::uint64_t since = cell.u.level.since_ns, bank = since & 1;
            const std::uint64_t held = since - bank - origin.origin[bank];
            ASSERT_TRUE(held == 0 || held == kSecond / 2) << held;
            ASSERT_EQ(cell.u.level.sum[bank], static_cast<double>(held) * kValues[3]);
            ASSERT_LE(cell.u.level.min, cell.u.level.last);
            ASSERT_GE(cell.u.level.max, cell.u.level.last);
        } else if (kind == RSIDE_HISTOGRAM) {
            const std::uint64_t n = cell.seq / 2 - before * kCount;
            ASSERT_LE(n, kCount);
            ASSERT_EQ(cell.u.histogram.sum[cell.seq >> 1 & 1], static_cast<double>(before) * kSum + sum_of(n));
            std::uint64_t in_buckets = 0;
            for (std::uint64_t bucket : buckets) in_buckets += bucket;
            ASSERT_EQ(in_buckets, cell.seq / 2);
        }
    }

    // Given by whoever has to clean up where ThreadSanitizer ends the process.
    const char* const base_ = std::getenv("RINGSIDE_RACE_FOLDER");
    agent::TemporaryFolder folder_{base_ ? base_ : "/dev/shm"};
    SchemaSpec spec_;
    rside_segment* segment_ = nullptr;
    bool shared_ = false;
};

TEST_F(Race, Counter) {
    create(RSIDE_COUNTER);
    rside_counter counter = rside_counter_register(segment_, "series", nullptr, 0, nullptr);
    race([&](double) { rside_counter_add(counter, 1); });
}

// A raw total of somebody else's: the cell keeps it as well.
TEST_F(Race, CounterTotal) {
    create(RSIDE_COUNTER);
    rside_counter counter = rside_counter_register(segment_, "series", nullptr, 0, nullptr);
    std::uint64_t total = 0;
    race([&](double) { rside_counter_total(counter, ++total); });
}

TEST_F(Race, CounterF64) {
    create(RSIDE_COUNTER_F64);
    rside_counter_f64 counter = rside_counter_f64_register(segment_, "series", nullptr, 0, nullptr);
    race([&](double value) { rside_counter_f64_add(counter, value); });
}

TEST_F(Race, Gauge) {
    create(RSIDE_GAUGE);
    rside_gauge gauge = rside_gauge_register(segment_, "series", nullptr, 0, nullptr);
    race([&](double value) { rside_gauge_record(gauge, value); });
}

TEST_F(Race, Level) {
    create(RSIDE_LEVEL);
    rside_level level = rside_level_register(segment_, "series", nullptr, 0, nullptr);
    race([&](double value) { rside_level_set(level, value); });
}

TEST_F(Race, Histogram) {
    create(RSIDE_HISTOGRAM);
    rside_histogram histogram = rside_histogram_register(segment_, "series", nullptr, 0, nullptr);
    race([&](double value) { rside_histogram_record(histogram, value); });
}

// A second thread adds and turns as well; how much of what it adds is in which window nobody can say.
TEST_F(Race, SharedCounter) {
    shared_ = true;
    create(RSIDE_COUNTER);
    rside_shared_counter counter = rside_shared_counter_register(segment_, "series", nullptr, 0, nullptr);
    std::atomic_flag over;
    std::uint64_t added = 0, added_here = 0;
    std::thread other([&] {
        for (; !over.test(); ++added) rside_shared_counter_add(counter, 1);
    });
    race([&](double) {
        rside_shared_counter_add(counter, 1);
        ++added_here;
    });
    over.test_and_set();
    other.join();
    EXPECT_EQ(load(&counter.series.cell->u.counter.value), added + added_here);
}

// P10 is an order that ThreadSanitizer knows: a release store that an acquire load sees. So what the entry declares is looked
// at here without any atomics.
TEST_F(Race, Registration) {
    constexpr std::uint32_t kSeries = 500;
    create(SchemaSpec("race").tier(1, 5).metric("series", RSIDE_COUNTER, kSeries, {"n"}));
    const Mapping mapping(segment_);
    std::atomic_flag refused;  // relaxed: it must order nothing that the entry should
    std::thread writer([&] {
        for (std::uint32_t i = 0; i < kSeries; ++i) {
            const std::string text = std::to_string(i);
            const char* value = text.c_str();
            rside_error error = {};
            if (rside_counter_register(segment_, "series", &value, 1, &error).series.cell) continue;
            ADD_FAILURE() << "series " << i << ": " << error.text;
            refused.test_and_set(std::memory_order_relaxed);
            return;
        }
    });
    for (std::uint32_t i = 0; i < kSeries; ++i) {
        const rside_series_record* record = mapping.record(i);
        std::uint32_t state = 0;
        do __atomic_load(&record->state, &state, __ATOMIC_ACQUIRE);
        while (state == 0 && !refused.test(std::memory_order_relaxed));
        if (state == 0) break;
        EXPECT_EQ(mapping.labels(record->labels), std::to_string(i));
        EXPECT_EQ(record->metric, 0u);
        EXPECT_EQ(mapping.cell(i)->open, kNow);
        if (HasFailure()) break;
        load(&mapping.header()->series_count);
    }
    writer.join();
}

}  // namespace
}  // namespace ringside
