// Archive bytes from the data model and back. Pure: no file is touched. Decoders take any bytes: what does not decode
// exactly is kCorrupt, and nothing is allocated beyond a small multiple of the bytes that are there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/archive/layout.h"
#include "agent/base/model.h"

namespace ringside::agent {

struct ArchiveFooter {
    struct Section {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
        std::uint32_t crc = 0;
        bool operator==(const Section&) const = default;
    };
    std::uint64_t file_bytes = 0;
    Section vm, schema, series;
    std::uint64_t directory_offset = 0;  // its pages and
    std::uint64_t index_offset = 0;      // their index carry their own checksums
    std::uint32_t page_count = 0;
    std::uint32_t series_count = 0;
    std::uint32_t tier_count = 0;
    std::uint64_t plain_bytes = 0;  // of all windows before packing, by plain_bytes()
    bool operator==(const ArchiveFooter&) const = default;
};

std::string encode_header(const Epoch& epoch);
// kCorrupt; kUnavailable when a newer version wrote the file: leave it alone.
Result<Epoch> decode_header(std::string_view bytes);

std::string encode_footer(const ArchiveFooter& footer);
// Checks everything that can be checked without the file: sections lie between header and footer, in order, and the
// directory's index has the length that its count says.
Result<ArchiveFooter> decode_footer(std::string_view bytes, std::uint64_t file_bytes);

// VmInfo::state is not kept: an archived VM is drained.
std::string encode_vm(const VmInfo& vm, std::uint64_t archived_ns);
struct DecodedVm {
    VmInfo vm;
    std::uint64_t archived_ns = 0;
};
Result<DecodedVm> decode_vm(std::string_view bytes);

// Schema and list of series are compressed where that makes them shorter. Equal ones have equal bytes.
std::string encode_schema(const SchemaInfo& schema);
Result<SchemaInfo> decode_schema(std::string_view bytes);

std::string encode_series(const std::vector<SeriesInfo>& series);
// Indexes rise, metrics exist in the schema, label values are as many as the metric has names.
Result<std::vector<SeriesInfo>> decode_series(std::string_view bytes, const SchemaInfo& schema);

}  // namespace ringside::agent
