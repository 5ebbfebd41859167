// /proc/pressure/{cpu,memory,io}: how long tasks have waited for each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/bridge/source.h"

namespace ringside::bridge {

// Totals in microseconds: while some task waited, and while all that could run did.
struct Pressure {
    std::optional<std::uint64_t> some_us, full_us;
};

// Replaces what is in `out` and returns how many lines made no sense.
std::size_t parse_pressure(std::string_view text, Pressure& out);

class PressureSource : public Source {
  public:
    // `resource` is "cpu", "memory" or "io"; `waiting` and `stalled` the metrics for some and full. No `stalled` for
    // the CPU, where it means nothing on a whole host.
    PressureSource(const std::string& proc, const char* resource, const char* waiting, const char* stalled)
        : path_(proc + "/pressure/" + resource),
          name_(std::string("pressure_") + resource),
          waiting_(waiting),
          stalled_(stalled) {}
    std::string_view name() const override { return name_; }
    ReadResult read() override;
    void record(Recorder& recorder) override;

  private:
    std::string path_, name_;
    const char* waiting_;
    const char* stalled_;
    FileReader file_;
    Pressure pressure_;
    std::optional<TotalSeconds> some_, full_;
};

}  // namespace ringside::bridge
