// Names of the columns of a window, as texts have them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

struct ColumnName {
    std::uint32_t bit;
    const char* name;
};
inline constexpr std::array<ColumnName, 7> kColumnNames{{{kColumnCount, "count"},
                                                         {kColumnSum, "sum"},
                                                         {kColumnMin, "min"},
                                                         {kColumnMax, "max"},
                                                         {kColumnLast, "last"},
                                                         {kColumnValue, "value"},
                                                         {kColumnBuckets, "buckets"}}};

// Of the bits of model.h that are set.
inline std::vector<std::string> column_names(std::uint32_t columns) {
    std::vector<std::string> names;
    for (const ColumnName& column : kColumnNames) {
        if (columns & column.bit) names.emplace_back(column.name);
    }
    return names;
}

}  // namespace ringside::agent
