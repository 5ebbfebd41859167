// A segment seen from a collector: handles that know how to follow the kernel's running totals, and one report for each
// kind of thing that does not fit.
//
// The handles live as long as the Recorder, which belongs to one thread.
#pragma once

#include <ringside/ringside.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace ringside::bridge {

// A running total of the kernel. The series counts from the first value on, which it records as 0: what was counted before
// belongs to nobody's window. So it does after a step back, which may be a device replaced under its name, counters that
// were cleared, 32 bits that wrapped, or a driver's slip: what the kernel shows now may all be old, as when a sum over CPUs
// loses 2^32, and to take it for new, as a query does with counters that are scraped, would show a burst that never was. A
// device that really began at 0 loses what it counted since, less than the time between two reads.
template <typename Counter, typename Number>
class RunningTotal {
  public:
    RunningTotal() = default;
    explicit RunningTotal(Counter counter) : counter_(counter) {}

    void feed(Number total) {
        add(counter_, fed_ && total > last_ ? total - last_ : Number{0});
        last_ = total;
        fed_ = true;
    }

  private:
    static void add(rside_counter counter, std::uint64_t delta) { rside_counter_add(counter, delta); }
    static void add(rside_counter_f64 counter, double delta) { rside_counter_f64_add(counter, delta); }

    Counter counter_ = {};
    Number last_ = 0;
    bool fed_ = false;
};
using Total = RunningTotal<rside_counter, std::uint64_t>;
using TotalSeconds = RunningTotal<rside_counter_f64, double>;

// A value of now; sampled or level, as the schema has it.
class Reading {
  public:
    Reading() = default;
    Reading(rside_gauge gauge, rside_level level) : gauge_(gauge), level_(level) {}

    void set(double value) {
        rside_gauge_record(gauge_, value);
        rside_level_set(level_, value);
    }

  private:
    rside_gauge gauge_ = {};
    rside_level level_ = {};
};

class Recorder {
  public:
    // Creates the segment, in tick mode. `schema` must outlive the Recorder. Null, and `error` set, on failure.
    static std::unique_ptr<Recorder> create(const rside_options& options, std::string& error);
    // Without close() the segment is left as after a crash.
    ~Recorder();
    Recorder(const Recorder&) = delete;
    Recorder& operator=(const Recorder&) = delete;

    // Registers a series. A refused one is logged once per metric, and its handle records nothing.
    using Labels = std::initializer_list<std::string_view>;
    Total total(const char* metric, Labels labels = {});
    TotalSeconds total_seconds(const char* metric, Labels labels = {});
    Reading reading(const char* metric, Labels labels = {});
    rside_counter counter(const char* metric, Labels labels = {});
    void info(const char* metric, Labels labels);

    // For how many devices the schema has room, when each takes `series_per_device` series of `metric`.
    std::size_t room(std::string_view metric, std::size_t series_per_device) const;
    // How many devices of a source were there this time and had no room. Logged when it is the first time.
    void left_out(std::string_view source, std::uint32_t devices);

    // The time of all records that follow.
    void tick(std::uint64_t now_ns) { rside_tick(segment_, now_ns); }

    // Ends the epoch as planned.
    void close(const char* text);

    const rside_schema& schema() const { return *schema_; }
    const rside_metric* metric(std::string_view name) const;
    const char* path() const { return rside_segment_path(segment_); }
    std::uint64_t bytes() const { return rside_segment_bytes(segment_); }

  private:
    Recorder(rside_segment* segment, const rside_schema* schema) : segment_(segment), schema_(schema) {}
    template <typename Register>
    auto registered(const char* metric, Labels labels, Register call);
    void refused(const char* metric, Labels labels, const char* why);

    rside_segment* segment_;
    const rside_schema* schema_;
    std::set<std::string, std::less<>> refused_metrics_;          // already logged
    std::map<std::string, Reading, std::less<>> left_out_;        // by source
    std::set<std::string, std::less<>> sources_over_their_room_;  // already logged
};

}  // namespace ringside::bridge
