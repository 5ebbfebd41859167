// The standard schemas (libwriter/schemas/*.toml), compiled into the program.
#pragma once

#include <span>
#include <string_view>

namespace ringside::schemas {

struct Standard {
    std::string_view name;
    std::string_view toml;
};

extern const std::string_view host_toml;
extern const std::string_view lean_toml;
extern const std::string_view vmm_toml;

// All of them, by name.
std::span<const Standard> all() noexcept;

}  // namespace ringside::schemas
