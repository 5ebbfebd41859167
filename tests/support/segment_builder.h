// Segments written byte by byte, from the tables of docs/format.md and not with the writer library or its headers: a second
// opinion on the format, which can also write what no writer would.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace ringside::agent::test {

enum : std::uint8_t { kCounter = 1, kCounterF64 = 2, kGauge = 3, kLevel = 4, kHistogram = 5, kInfo = 6 };
enum : std::uint64_t { kBank = 1, kStale = 2, kTurning = 4 };
inline constexpr std::uint64_t kSecond = 1'000'000'000;

struct TierSpec {
    std::uint32_t resolution_s = 1;
    std::uint32_t slots = 10;
    std::uint32_t columns = 127;
};

struct MetricSpec {
    std::string name;
    std::uint8_t kind = kCounter;
    std::uint32_t max_series = 2;
    std::vector<std::string> labels = {};
    std::uint8_t flags = 0;
    std::string unit = {};
    std::string help = {};
    std::int8_t scale = 0;
    std::int32_t bucket_first = 0;
    std::uint32_t bucket_count = 0;
};

// What a gauge's window holds; a level's count is nanoseconds.
struct Window {
    std::uint64_t count = 0;
    double sum = 0, min = 0, max = 0, last = 0;
};

class SegmentBuilder {
  public:
    std::string vm_id = "vm-1";
    std::string component;
    std::array<std::uint8_t, 16> epoch{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                       0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    std::uint64_t created_ns = 1000 * kSecond;
    std::string schema_name = "test";
    std::uint32_t schema_version = 3;
    std::uint32_t arena_bytes = 512;
    std::vector<TierSpec> tiers{{1, 10, 127}, {5, 6, 127}};
    std::vector<MetricSpec> metrics;
    std::uint64_t keep_hash = 0;  // what seal() writes in place of the hash, unless 0

    // Where things are, after lay_out().
    struct MetricAt {
        std::uint32_t first_series = 0;
        std::uint64_t accumulators = 0, accumulators_step = 0;
        std::uint64_t hot_buckets = 0, hot_buckets_step = 0;
        std::vector<std::uint64_t> ring, ring_step;
        std::vector<std::uint32_t> slot_words;
    };
    struct At {
        std::uint64_t schema = 4096, schema_bytes = 0, tiers = 0, metrics = 0, strings = 0;
        std::uint64_t strings_bytes = 0;
        std::uint64_t directory = 0, arena = 0, cells = 0, accumulators = 0, hot_buckets = 0, rings = 0;
        std::uint64_t bytes = 0;
        std::uint32_t capacity = 0;
        std::vector<MetricAt> metric;
    };
    At at;
    std::vector<std::byte> bytes;

    // One of each kind, which most tests can work with: counters requests_total{path}, energy_joules_total, gauge latency_seconds,
    // level memory_bytes, histogram io_seconds (4 buckets from index -1 at scale 0), info build_info{version}.
    static SegmentBuilder example();

    // Lays the segment out and writes header and schema, sealed, attached.
    SegmentBuilder& lay_out();
    // Hash and checksum anew, after something below them was poked.
    void seal();

    template <typename T>
    void poke(std::uint64_t offset, T value) {
        std::memcpy(bytes.data() + offset, &value, sizeof value);
    }
    template <typename T>
    T peek(std::uint64_t offset) const {
        T value;
        std::memcpy(&value, bytes.data() + offset, sizeof value);
        return value;
    }

    // Registers a series; labels in the order of the metric. Returns its index.
    std::uint32_t add(const std::string& metric, const std::vector<std::string>& labels = {},
                      std::uint64_t created = 0);

    std::uint64_t cell_at(std::uint32_t index) const { return at.cells + index * 64; }
    std::uint64_t record_at(std::uint32_t index) const { return at.directory + index * 32; }
    std::uint64_t slot_at(std::uint32_t index, std::uint32_t tier, std::uint64_t window) const;
    void set_open(std::uint32_t index, std::uint64_t open_ns, std::uint64_t flags = 0) {
        poke<std::uint64_t>(cell_at(index) + 8, open_ns | flags);
    }
    void set_seq(std::uint32_t index, std::uint64_t seq) { poke<std::uint64_t>(cell_at(index), seq); }
    std::uint64_t origin_at(std::uint32_t index) const;
    void set_counter(std::uint32_t index, std::uint64_t value) { poke(cell_at(index) + 16, value); }
    // After `hot.count` records that the open window has had.
    void set_gauge(std::uint32_t index, const Window& hot);
    // Accounted from `hot.count` nanoseconds before `since_ns`, which is even.
    void set_level(std::uint32_t index, const Window& hot, std::uint64_t since_ns);
    void set_histogram(std::uint32_t index, std::uint64_t count, double sum, const std::vector<std::uint64_t>& buckets);
    void set_accumulator(std::uint32_t index, std::uint32_t tier, std::uint32_t bank, const Window& window);

    // Slots with the columns that their tier keeps.
    void counter_slot(std::uint32_t index, std::uint32_t tier, std::uint64_t window, std::uint64_t value);
    void gauge_slot(std::uint32_t index, std::uint32_t tier, std::uint64_t window, const Window& values);
    void histogram_slot(std::uint32_t index, std::uint32_t tier, std::uint64_t window, std::uint64_t count, double sum,
                        const std::vector<std::uint32_t>& buckets);
    void set_stamp(std::uint32_t index, std::uint32_t tier, std::uint64_t window, std::uint32_t stamp) {
        poke(slot_at(index, tier, window), stamp);
    }

    void set_state(std::uint32_t state) { poke<std::uint32_t>(1024, state); }
    void set_rebases(std::uint64_t rebases) { poke(1288, rebases); }
    void close(std::uint64_t closed_ns, std::int32_t code, const std::string& text);
    void set_tick(std::uint64_t tick_ns) {
        poke<std::uint32_t>(1052, 1);
        poke<std::uint64_t>(1216, tick_ns);
    }

    std::string file_name() const;
    // Writes the file with every page allocated; returns its path.
    std::string write(const std::string& folder) const;
    std::string write_as(const std::string& path) const;

  private:
    std::uint32_t metric_of(std::uint32_t index) const;
    std::uint32_t step_of(std::uint32_t index) const { return index - at.metric[metric_of(index)].first_series; }
    void put_words(std::uint64_t& offset, std::uint32_t kept, std::uint32_t column, std::uint64_t value);

    std::uint32_t arena_used_ = 0;
};

}  // namespace ringside::agent::test
