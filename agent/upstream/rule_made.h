// The series of recording rules as those of a VM without a name.
#pragma once

#include <memory>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

// Filled once, then read from any thread.
class MadeSource : public SeriesSource {
  public:
    VmInfo info;
    std::shared_ptr<SchemaInfo> layout = std::make_shared<SchemaInfo>();
    std::vector<SeriesInfo> list;
    std::vector<SeriesData> data;

    VmInfo vm() const override { return info; }
    std::shared_ptr<const SchemaInfo> schema() const override { return layout; }
    Result<std::vector<SeriesInfo>> series() const override { return list; }
    Result<SeriesData> read(std::uint32_t index, const ReadRequest& request) const override;
};

// Takes the oldest window from a series' columns.
void drop_oldest(SeriesData& data);

}  // namespace ringside::agent
