// /proc/loadavg
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "tools/bridge/source.h"

namespace ringside::bridge {

// Averages over 1, 5 and 15 minutes. False, and `out` left alone, when `text` does not begin with three numbers.
bool parse_loadavg(std::string_view text, std::array<double, 3>& out);

class LoadSource : public Source {
  public:
    explicit LoadSource(const std::string& proc) : path_(proc + "/loadavg") {}
    std::string_view name() const override { return "loadavg"; }
    ReadResult read() override;
    void record(Recorder& recorder) override;

  private:
    std::string path_;
    FileReader file_;
    std::array<double, 3> load_{};
    std::optional<std::array<Reading, 3>> series_;
};

}  // namespace ringside::bridge
