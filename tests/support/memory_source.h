// A VM that lives in memory: what it is given, it answers. With a generator of VMs of all kinds from a seed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/model.h"

namespace ringside::agent {

class MemorySource : public SeriesSource {
  public:
    VmInfo info;
    std::shared_ptr<SchemaInfo> layout = std::make_shared<SchemaInfo>();
    std::vector<SeriesInfo> list;
    std::map<std::pair<std::uint32_t, std::uint32_t>, SeriesData> runs;  // by series index and tier
    std::map<std::pair<std::uint32_t, std::uint32_t>, Error> errors;     // answers instead

    VmInfo vm() const override { return info; }
    std::shared_ptr<const SchemaInfo> schema() const override { return layout; }
    Result<std::vector<SeriesInfo>> series() const override { return list; }
    // The definition of a read, one point at a time: the oracle for cleverer sources.
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const override;
};

// The same seed gives the same VM on every machine. `series` is about how many series it has; values include NaNs with
// payloads, infinities, zeros of both signs, and the ends of u64; labels include any byte.
MemorySource random_vm(std::uint64_t seed, std::uint32_t series = 12, std::uint32_t windows = 20);

// Bit by bit: a NaN equals itself, -0 is not 0. "" or what differs first.
std::string difference(const SeriesData& a, const SeriesData& b);
std::string difference(const VmInfo& a, const VmInfo& b);
std::string difference(const std::vector<SeriesInfo>& a, const std::vector<SeriesInfo>& b);
// All that two sources say: VM, schema, series, every run whole and in part, and the errors of wrong requests.
std::string difference(const SeriesSource& a, const SeriesSource& b);

}  // namespace ringside::agent
