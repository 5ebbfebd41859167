#include "tools/bridge/host/paging.h"

#include <algorithm>

#include "tools/bridge/text.h"

namespace ringside::bridge {

std::size_t parse_vmstat(std::string_view text, PagingTotals& out) {
    out = {};
    std::size_t bad_lines = 0;
    std::string_view line;
    while (next_line(text, line)) {
        std::string_view key;
        next_word(line, key);
        const auto field = std::find(kPagingFields.begin(), kPagingFields.end(), key);
        if (field == kPagingFields.end()) continue;
        std::uint64_t value = 0;
        if (next_number(line, value)) {
            out[static_cast<std::size_t>(field - kPagingFields.begin())] = value;
        } else {
            ++bad_lines;
        }
    }
    return bad_lines;
}

ReadResult PagingSource::read() {
    if (ReadResult result = read_file(file_, path_); result.status != ReadResult::Status::kGood) return result;
    return read_result(path_, parse_vmstat(file_.text(), totals_));
}

void PagingSource::record(Recorder& recorder) {
    for (std::size_t i = 0; i < totals_.size(); ++i) {
        if (!totals_[i]) continue;
        if (!series_[i]) series_[i] = recorder.total(("node_vmstat_" + std::string(kPagingFields[i])).c_str());
        series_[i]->feed(*totals_[i]);
    }
}

}  // namespace ringside::bridge
