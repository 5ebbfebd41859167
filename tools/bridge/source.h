// One place that a collector reads from: a file of /proc, or a few that belong together.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tools/bridge/file.h"
#include "tools/bridge/recorder.h"

namespace ringside::bridge {

struct ReadResult {
    enum class Status {
        kGood,
        kPartly,  // some lines made no sense and were left out
        kAbsent,  // this kernel does not have it: nothing is recorded, and that is no failure
        kFailed,  // nothing is recorded this time
    };
    Status status = Status::kGood;
    std::string why;  // empty when good

    static ReadResult good() { return {}; }
    static ReadResult partly(std::string why) { return {Status::kPartly, std::move(why)}; }
    static ReadResult absent(std::string why) { return {Status::kAbsent, std::move(why)}; }
    static ReadResult failed(std::string why) { return {Status::kFailed, std::move(why)}; }
};

// Reading and recording are apart, so that a slow read delays nothing but itself: the time of the records is taken
// after it. Registers its series on first sight.
class Source {
  public:
    virtual ~Source() = default;

    // Value of the label `source` in the bridge's own metrics.
    virtual std::string_view name() const = 0;
    virtual ReadResult read() = 0;
    // Records what the last read found. Only after a good or partly good read.
    virtual void record(Recorder& recorder) = 0;
};

// Reads `path`; good, absent or failed.
ReadResult read_file(FileReader& file, const std::string& path);

// Good, or partly good when some lines of `path` were left out.
ReadResult read_result(const std::string& path, std::size_t bad_lines);

}  // namespace ringside::bridge
