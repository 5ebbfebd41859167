// What a simulated VM has recorded, kept by the test beside the real writer: every record of one life, from which any
// window of any tier follows by the definition of its columns, without the code under test.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace ringside::simulation {

// The series of a simulated VM, one of each kind, and a counter that comes later.
enum class SeriesOf : std::uint8_t { kCounter, kLateCounter, kGauge, kLevel, kHistogram };
inline constexpr std::size_t kSeries = 5;

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

    void count(SeriesOf counter, std::uint64_t ns, std::uint64_t delta);
    void gauge(std::uint64_t ns, double value) { gauge_.push_back({ns, value}); }
    void level(std::uint64_t ns, double value) { level_.push_back({ns, value}); }
    void observe(std::uint64_t ns, std::size_t which);

    // The window [begin_ns, end_ns) of a series; nothing where there is no data: a gauge without an observation, a level
    // that has not been set.
    std::optional<Columns> window(SeriesOf series, std::uint64_t begin_ns, std::uint64_t end_ns) const;
    bool has_level() const { return !level_.empty(); }
    // When the last record was made; 0: none.
    std::uint64_t last_ns() const { return last_ns_; }
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
    std::optional<Columns> gauge_window(std::uint64_t begin_ns, std::uint64_t end_ns) const;
    std::optional<Columns> level_window(std::uint64_t begin_ns, std::uint64_t end_ns) const;

    std::array<std::uint64_t, kSeries> created_ns_{};
    std::array<std::vector<Total>, 2> counters_;
    std::vector<Value> gauge_, level_;
    std::vector<Observed> histogram_;
    std::uint64_t last_ns_ = 0;
    bool forgotten_ = false;
};

}  // namespace ringside::simulation
