// The header page: its immutable part, checked once against the schema, and the part that the writer keeps up to date.
// Internal to agent/segment.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/base/boot_id.h"
#include "agent/segment/byte_source.h"
#include "agent/segment/layout.h"
#include "agent/segment/mapped_bytes.h"
#include "agent/segment/name.h"
#include "agent/segment/refusal.h"

namespace ringside::agent {

struct SegmentHeader {
    SegmentName name;
    BootId boot_id{};              // zero: the writer could not read it
    std::uint64_t created_ns = 0;  // as claimed
    std::uint64_t segment_bytes = 0;
    std::shared_ptr<const SegmentLayout> layout;
};

// Copies header and schema once and checks the copies. `expected`, where given, is what the file's name says.
Checked<SegmentHeader> read_header(const ByteSource& source, LayoutCache& layouts, const SegmentName* expected);

// What the writer's part says of time. Nothing in it is checked beyond its form; times in particular can be anything.
struct WriterClock {
    std::uint32_t state = 0;      // enum rside_state, or a number that is none
    std::uint64_t closed_ns = 0;  // 0 before the segment is closed
    std::uint64_t tick_ns = 0;
    bool ticking = false;  // tick mode
    std::uint64_t rebases = 0;
};

// The writer's part.
struct WriterPart : WriterClock {
    std::int32_t close_code = 0;
    std::string close_text;  // printable; empty before the segment is closed
    std::uint64_t attached_ns = 0;
    std::uint32_t writer_pid = 0;
    std::uint32_t series_count = 0;
    std::uint64_t clock_steps_back = 0;
    std::uint64_t rejected_samples = 0;
    std::uint64_t refused_series = 0;
};

// Nothing when the file is too short by now.
std::optional<WriterPart> read_writer_part(const ByteSource& source);

// Its clock alone, for those who look at many VMs. Worth nothing where the file has been cut.
WriterClock read_writer_clock(const MappedBytes& bytes);

// Its series_count alone, for those who ask every VM each second.
std::optional<std::uint32_t> read_series_count(const ByteSource& source);

// A hash of the bytes behind it. Nothing when they cannot be read.
std::optional<std::uint64_t> hash_writer_part(const ByteSource& source);

}  // namespace ringside::agent
