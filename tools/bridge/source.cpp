#include "tools/bridge/source.h"

#include <cstring>

namespace ringside::bridge {

ReadResult read_file(FileReader& file, const std::string& path) {
    switch (file.read(path)) {
        case FileStatus::kRead: return ReadResult::good();
        case FileStatus::kAbsent: return ReadResult::absent(path + ": " + std::strerror(file.errno_value()));
        case FileStatus::kFailed: break;
    }
    return ReadResult::failed(path + ": " + std::strerror(file.errno_value()));
}

ReadResult read_result(const std::string& path, std::size_t bad_lines) {
    if (bad_lines == 0) return ReadResult::good();
    return ReadResult::partly(path + ": " + std::to_string(bad_lines) +
                              " of its lines made no sense and were left out");
}

}  // namespace ringside::bridge
