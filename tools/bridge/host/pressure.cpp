#include "tools/bridge/host/pressure.h"

#include "tools/bridge/text.h"

namespace ringside::bridge {
namespace {

constexpr double kMicrosecondsPerSecond = 1e6;

bool parse_total(std::string_view line, std::uint64_t& out) {
    constexpr std::string_view kKey = "total=";
    std::string_view word;
    while (next_word(line, word)) {
        if (word.starts_with(kKey)) return parse_number(word.substr(kKey.size()), out);
    }
    return false;
}

}  // namespace

std::size_t parse_pressure(std::string_view text, Pressure& out) {
    out = {};
    std::size_t bad_lines = 0;
    std::string_view line;
    while (next_line(text, line)) {
        std::string_view kind;
        std::uint64_t total_us = 0;
        if (!next_word(line, kind) || (kind != "some" && kind != "full") || !parse_total(line, total_us)) {
            ++bad_lines;
            continue;
        }
        (kind == "some" ? out.some_us : out.full_us) = total_us;
    }
    return bad_lines;
}

ReadResult PressureSource::read() {
    if (ReadResult result = read_file(file_, path_); result.status != ReadResult::Status::kGood) return result;
    return read_result(path_, parse_pressure(file_.text(), pressure_));
}

void PressureSource::record(Recorder& recorder) {
    if (pressure_.some_us) {
        if (!some_) some_ = recorder.total_seconds(waiting_);
        some_->feed(static_cast<double>(*pressure_.some_us) / kMicrosecondsPerSecond);
    }
    if (pressure_.full_us && stalled_) {
        if (!full_) full_ = recorder.total_seconds(stalled_);
        full_->feed(static_cast<double>(*pressure_.full_us) / kMicrosecondsPerSecond);
    }
}

}  // namespace ringside::bridge
