#include "agent/base/boot_id.h"

#include <fcntl.h>

#include <algorithm>

namespace ringside::agent {

namespace {

constexpr std::size_t kTextBytes = 36;

int hex_digit(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    return -1;
}

}  // namespace

BootId parse_boot_id(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.size() != kTextBytes) return {};
    BootId id{};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash && text[i] == '-') continue;
        int digit = hex_digit(text[i]);
        if (dash || digit < 0) return {};
        auto& byte = id[digits / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | digit);
        ++digits;
    }
    return id;
}

BootId running_boot_id(FileSystem& fs) {
    auto file = File::open(fs, "/proc/sys/kernel/random/boot_id", O_RDONLY, "boot id");
    std::array<char, kTextBytes> text{};
    if (!file.ok() || !file->read_at(0, text.data(), text.size()).ok()) return {};
    return parse_boot_id({text.data(), text.size()});
}

}  // namespace ringside::agent
