#include "agent/witness/oom_count.h"

#include <unistd.h>

#include <charconv>

#include "agent/witness/kernel_file.h"

namespace ringside::agent {
namespace {

// Some ten short lines.
constexpr std::size_t kFileBytesMax = 4096;

// Whether `word` is one of those that commas separate.
bool lists(std::string_view words, std::string_view word) {
    for (;;) {
        const std::size_t end = words.find(',');
        if (words.substr(0, end) == word) return true;
        if (end == std::string_view::npos) return false;
        words.remove_prefix(end + 1);
    }
}

}  // namespace

std::string oom_count_file(const std::string& root, std::string_view membership) {
    std::string unified;
    while (!membership.empty()) {
        // "4:memory:/vm-1" of a hierarchy of version 1, "0::/vm-1" of version 2.
        const std::string_view line = next_line(&membership);
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const std::string_view controllers = line.substr(first + 1, second - first - 1);
        const std::string path(line.substr(second + 1));
        // A controller is in one hierarchy: where version 1 has it, version 2 counts nothing.
        if (lists(controllers, "memory")) return root + "/memory" + path + "/memory.oom_control";
        if (line.substr(0, first) == "0" && controllers.empty()) unified = path;
    }
    if (unified.empty()) return "";
    const bool hybrid = ::access((root + "/unified/cgroup.controllers").c_str(), F_OK) == 0;
    return root + (hybrid ? "/unified" : "") + unified + "/memory.events";
}

std::optional<std::uint64_t> read_oom_count(const std::string& file) {
    const std::string text = read_kernel_file(file, kFileBytesMax);
    std::string_view rest = text;
    while (!rest.empty()) {
        std::string_view line = next_line(&rest);
        constexpr std::string_view kName = "oom_kill ";
        if (!line.starts_with(kName)) continue;
        line.remove_prefix(kName.size());
        std::uint64_t count = 0;
        const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), count);
        if (failure == std::errc() && end == line.data() + line.size()) return count;
    }
    return std::nullopt;
}

}  // namespace ringside::agent
