#include "tools/bridge/host/load.h"

#include "tools/bridge/text.h"

namespace ringside::bridge {

bool parse_loadavg(std::string_view text, std::array<double, 3>& out) {
    std::array<double, 3> load{};
    std::string_view line;
    if (!next_line(text, line)) return false;
    for (double& average : load) {
        if (!next_number(line, average) || average < 0.0) return false;
    }
    out = load;
    return true;
}

ReadResult LoadSource::read() {
    if (ReadResult result = read_file(file_, path_); result.status != ReadResult::Status::kGood) return result;
    if (!parse_loadavg(file_.text(), load_)) return ReadResult::failed(path_ + ": does not begin with three numbers");
    return ReadResult::good();
}

void LoadSource::record(Recorder& recorder) {
    if (!series_) {
        series_ = {recorder.reading("node_load1"), recorder.reading("node_load5"), recorder.reading("node_load15")};
    }
    for (std::size_t i = 0; i < load_.size(); ++i) (*series_)[i].set(load_[i]);
}

}  // namespace ringside::bridge
