// The words of the TOML form, one list each, read by the reader and by the writer.
#pragma once

#include <ringside/schema.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace ringside {

// In the order of enum rside_kind, which starts at 1.
inline constexpr std::array<std::string_view, 6> kKindNames = {"counter", "counter_f64", "gauge",
                                                               "level",   "histogram",   "info"};
static_assert(RSIDE_COUNTER == 1 && RSIDE_COUNTER_F64 == 2 && RSIDE_GAUGE == 3 && RSIDE_LEVEL == 4 &&
              RSIDE_HISTOGRAM == 5 && RSIDE_INFO == 6);

// In the order of the RSIDE_COLUMN_ bits.
inline constexpr std::array<std::string_view, 7> kColumnNames = {"count", "sum",   "min",    "max",
                                                                 "last",  "value", "buckets"};
static_assert(RSIDE_COLUMN_COUNT == 1u && RSIDE_COLUMN_SUM == 2u && RSIDE_COLUMN_MIN == 4u && RSIDE_COLUMN_MAX == 8u &&
              RSIDE_COLUMN_LAST == 16u && RSIDE_COLUMN_VALUE == 32u && RSIDE_COLUMN_BUCKETS == 64u &&
              RSIDE_COLUMNS_ALL == 127u);

// Largest first.
inline constexpr std::array<std::pair<char, std::uint32_t>, 4> kDurationUnits = {
    {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};

// "counter" and so on; "unknown" for a number outside of enum rside_kind.
constexpr std::string_view kind_name(std::uint8_t kind) noexcept {
    const std::size_t index = kind - std::size_t{1};
    return index < kKindNames.size() ? kKindNames[index] : "unknown";
}

}  // namespace ringside
