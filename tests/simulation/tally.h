// What a simulated VM has recorded, kept by the test beside the real writer: every record of one life, from which any
// window of any tier follows by the definition of its columns, without the code under test.
//
// A record that comes with a time before the newest one of its series, because the clock was set back, counts with the
// time of that one. Where it is more than a pushed window before it the series goes on at the new time, and what it had
// after that is no window of the tally any more; but its totals hold it (docs/writer.md, Time).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace ringside::simulation {

// The series of a simulated VM, one of each kind, and a counter that comes later.
enum class SeriesOf : std::uint8_t { kCounter, kLateCounter, kGauge, kLevel, kHistogram };
inline constexpr std::size_t kSeries = 5;

// The resolution of the coarsest tier.
inline constexpr std::uint32_t kPushedResolutionS = 300;
// Of the tier by which VMs leave that lived for less than a window of the coarsest.
inline constexpr std::uint32_t kFineResolutionS = 10;

// All values are small multiples of 1/8, and so are times in seconds: sums are exact in any order.
inline constexpr std::array<double, 6> kObservations = {0.125, 0.375, 0.75, 1.5, 3.5, 96};

// The columns of one window. Cumulative ones stand as at its end.
struct Columns {
    std::uint64_t value = 0;  // counter
    std::uint64_t count = 0;  // gauge, histogram: observations; level: ns held
    double sum = 0, min = 0, max = 0, last = 0;
    std::array<std::uint64_t, kObservations.size()> observed{};  // histogram: how often each of kObservations
};

class Tally {
  public:
    void registered(SeriesOf series, std::uint64_t ns) { created_ns_[index(series)] = ns; }
    // 0: not registered.
    std::uint64_t created_ns(SeriesOf series) const { return created_ns_[index(series)]; }

    // Records, with the time that the writer's clock says.
    void count(SeriesOf counter, std::uint64_t ns, std::uint64_t delta);
    void gauge(std::uint64_t ns, double value);
    void level(std::uint64_t ns, double value);
    void observe(std::uint64_t ns, std::size_t which);

    // The window [begin_ns, end_ns) of a series; nothing where there is no data: a gauge without an observation, a level
    // that has not been set.
    std::optional<Columns> window(SeriesOf series, std::uint64_t begin_ns, std::uint64_t end_ns) const;
    // What no window can exceed, whatever the clock does: all that was recorded, in one window. `min`: nor be below.
    Columns most(SeriesOf series) const;
    bool has_level() const { return !level_.empty(); }
    // The newest time that a record counts with; 0: none.
    std::uint64_t last_ns() const { return *std::max_element(newest_ns_.begin(), newest_ns_.end()); }
    // Whether the clock was set back so far that a series went on at an earlier time.
    bool rebased() const { return rebased_; }
    // Windows that begin before `ns` are not asked for any more.
    void forget_before(std::uint64_t ns);
    void forget();
    bool forgotten() const { return forgotten_; }

  private:
    struct Total {
        std::uint64_t ns, value;
    };
    struct Value {
        std::uint64_t ns;
        double value;
    };
    struct Observed {
        std::uint64_t ns;
        std::array<std::uint64_t, kObservations.size()> count;
    };
    static std::size_t index(SeriesOf series) { return static_cast<std::size_t>(series); }
    std::uint64_t time_of_record(SeriesOf series, std::uint64_t ns);
    void go_back(SeriesOf series, std::uint64_t ns);
    std::optional<Columns> gauge_window(std::uint64_t begin_ns, std::uint64_t end_ns) const;
    std::optional<Columns> level_window(std::uint64_t begin_ns, std::uint64_t end_ns) const;

    std::array<std::uint64_t, kSeries> created_ns_{};
    std::array<std::vector<Total>, 2> counters_;
    std::vector<Value> gauge_, level_;
    std::vector<Observed> histogram_;
    std::array<std::uint64_t, kSeries> newest_ns_{};
    std::array<Columns, kSeries> total_{};  // of all records; min to last: of gauges
    bool rebased_ = false;
    bool forgotten_ = false;
};

}  // namespace ringside::simulation
