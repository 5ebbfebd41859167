// Which boot of which host: 128 random bits that the kernel makes anew at each start.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "agent/base/file.h"

namespace ringside::agent {

using BootId = std::array<std::uint8_t, 16>;  // all zero: not known

// From "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", with or without a newline; all zero when it is something else.
BootId parse_boot_id(std::string_view text);

// Of the running kernel, from /proc/sys/kernel/random/boot_id; all zero when it cannot be read.
BootId running_boot_id(FileSystem& fs);

}  // namespace ringside::agent
