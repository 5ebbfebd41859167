// A second decoder of segment format v1, for tests of the writer: written from docs/format.md with numbers of its own,
// without a struct or a formula of format.h, so that a slip there does not cancel itself out here. It takes the bytes of
// a segment that nobody writes any more, and believes them: it is no example of how to read a foreign file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringside::plain {

enum Kind : std::uint8_t { kCounter = 1, kCounterF64 = 2, kGauge = 3, kLevel = 4, kHistogram = 5, kInfo = 6 };
enum Column : std::uint32_t {
    kCount = 1,
    kSum = 2,
    kMin = 4,
    kMax = 8,
    kLast = 16,
    kValue = 32,
    kBuckets = 64,
};

struct Tier {
    std::uint32_t resolution_s = 0, slots = 0, columns = 0;
    std::uint64_t resolution_ns() const { return resolution_s * std::uint64_t{1000000000}; }
};

struct Metric {
    std::string name, unit, help;
    std::vector<std::string> labels;
    std::uint32_t max_series = 0;
    std::uint8_t kind = 0, flags = 0;
    std::int8_t scale = 0;
    std::int32_t bucket_first = 0;
    std::uint32_t bucket_count = 0;
};

// Count, sum, min, max and last of some observations, or of a level held for `count` nanoseconds.
struct Summary {
    std::uint64_t count = 0;
    double sum = 0, min = 0, max = 0, last = 0;
};

// Columns that the tier does not keep are 0. Window 0: nothing here.
struct Slot {
    std::uint32_t window = 0;
    Summary summary;
    std::uint64_t value = 0;
    std::vector<std::uint32_t> buckets;  // the zero bucket first
};

struct Series {
    std::uint32_t index = 0, metric = 0;
    std::uint64_t created_ns = 0;
    std::vector<std::string> values;
    // The hot cell.
    std::uint64_t seq = 0;
    std::uint64_t open_ns = 0;
    unsigned bank = 0;
    bool stale = false, turning = false;
    std::uint64_t value = 0, raw = 0;  // counters
    Summary hot;                       // the others: what is valid, without a record that was left half done
    bool half_done = false;            // levels, histograms
    std::uint64_t since_ns = 0;        // levels
    std::vector<std::uint64_t> hot_buckets;
    std::vector<Summary> banks[2];         // one entry per tier but the first
    std::vector<std::vector<Slot>> rings;  // per tier, each slot in its place; empty where the tier keeps nothing
};

struct Segment {
    std::string text;
    std::string vm_id, component, close_text, schema_name;
    std::uint8_t epoch[16] = {}, boot_id[16] = {};
    std::uint64_t segment_bytes = 0, schema_hash = 0, created_ns = 0, created_boottime_ns = 0;
    std::uint32_t state = 0;
    std::int32_t close_code = 0;
    std::uint64_t attached_ns = 0, closed_ns = 0, tick_ns = 0;
    std::uint32_t writer_pid = 0, clock_mode = 0, series_count = 0, arena_used = 0, schema_version = 0;
    std::uint64_t clock_steps_back = 0, rebases = 0, rebase_from_ns = 0, rebase_to_ns = 0, rebased_windows = 0;
    std::uint64_t rejected_samples = 0, refused_series = 0;
    std::uint32_t series_capacity = 0, label_arena_bytes = 0;
    std::vector<Tier> tiers;
    std::vector<Metric> metrics;
    std::vector<Series> series;  // the registered ones, in directory order

    // The only series of `metric`, or the one with these label values; null when there is none.
    const Series* find(const std::string& metric, const std::vector<std::string>& values = {}) const;
    const Tier& tier(std::size_t t) const { return tiers[t]; }
};

// What the file holds; or, when something in it contradicts the format, an empty segment with `error` set.
Segment decode(const std::vector<std::uint8_t>& bytes, std::string* error);
Segment decode_file(const std::string& path, std::string* error);

std::vector<std::uint8_t> read_bytes(const std::string& path);

}  // namespace ringside::plain
