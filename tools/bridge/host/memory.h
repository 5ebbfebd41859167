// /proc/meminfo: every field that the schema has a metric for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bridge/source.h"

namespace ringside::bridge {

struct MemoryField {
    std::string_view name;  // as printed: "Active(anon)"
    std::uint64_t value;    // in bytes, or a plain count
    bool bytes;
};

// Replaces what is in `out` and returns how many lines made no sense. Views point into `text`.
std::size_t parse_meminfo(std::string_view text, std::vector<MemoryField>& out);

// "node_memory_Active_anon_bytes": the name that node_exporter gives to a field.
std::string memory_metric_name(const MemoryField& field);

class MemorySource : public Source {
  public:
    explicit MemorySource(const std::string& proc) : path_(proc + "/meminfo") {}
    std::string_view name() const override { return "meminfo"; }
    ReadResult read() override;
    void record(Recorder& recorder) override;

  private:
    struct Known {
        std::string name;
        bool bytes;
        Reading reading;  // records nothing when the schema has no such metric
    };
    Known& known(std::size_t index, const MemoryField& field, Recorder& recorder);

    std::string path_;
    FileReader file_;
    std::vector<MemoryField> fields_;
    std::vector<Known> known_;  // by line: a kernel prints the same lines each time
};

}  // namespace ringside::bridge
