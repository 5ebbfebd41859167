// /proc/vmstat: paging, swapping, faults.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tools/bridge/source.h"

namespace ringside::bridge {

// Fields of /proc/vmstat that are recorded, as node_vmstat_<field>.
inline constexpr std::array<std::string_view, 7> kPagingFields = {"pgpgin",  "pgpgout",    "pswpin",  "pswpout",
                                                                  "pgfault", "pgmajfault", "oom_kill"};
using PagingTotals = std::array<std::optional<std::uint64_t>, kPagingFields.size()>;

// Replaces what is in `out` and returns how many lines of these fields made no sense.
std::size_t parse_vmstat(std::string_view text, PagingTotals& out);

class PagingSource : public Source {
  public:
    explicit PagingSource(const std::string& proc) : path_(proc + "/vmstat") {}
    std::string_view name() const override { return "vmstat"; }
    ReadResult read() override;
    void record(Recorder& recorder) override;

  private:
    std::string path_;
    FileReader file_;
    PagingTotals totals_;
    std::array<std::optional<Total>, kPagingFields.size()> series_;
};

}  // namespace ringside::bridge
