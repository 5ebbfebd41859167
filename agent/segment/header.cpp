#include "agent/segment/header.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "agent/base/crc32c.h"
#include "agent/segment/text.h"
#include "agent/segment/untrusted.h"

namespace ringside::agent {

namespace {

// The whole header page, aligned as ByteSource::read asks.
struct alignas(kSourceAlignment) HeaderPage {
    rside_header header;
};

Refusal cannot_read(const char* what) {
    int code = errno;
    if (code == 0) return {QuarantineReason::kWrongSize, std::string("the file ends before the end of its ") + what};
    return {QuarantineReason::kUnreadable, std::string("cannot read its ") + what + ": " + std::strerror(code)};
}

// A NUL-padded field; a field without a NUL is longer than any valid name.
template <std::size_t N>
std::string_view text_of(const char (&field)[N]) {
    return {field, strnlen(field, N)};
}

std::optional<Refusal> check_kind(const rside_header& header) {
    if (header.magic != RSIDE_MAGIC) return Refusal{QuarantineReason::kBadMagic, "it does not begin like a segment"};
    if (header.format_version != RSIDE_FORMAT_VERSION) {
        return Refusal{QuarantineReason::kOtherVersion,
                       "it has format version " + std::to_string(header.format_version) +
                           ", this agent reads version " + std::to_string(RSIDE_FORMAT_VERSION)};
    }
    return std::nullopt;
}

std::optional<Refusal> check_sizes(const rside_header& header, std::uint64_t file_bytes) {
    if (header.header_bytes != RSIDE_HEADER_BYTES || header.schema_offset != RSIDE_HEADER_BYTES) {
        return Refusal{QuarantineReason::kBadHeader, "its header does not have the length of the format"};
    }
    if (header.segment_bytes != file_bytes) {
        return Refusal{QuarantineReason::kWrongSize, "the file has " + std::to_string(file_bytes) +
                                                         " bytes, its header says " +
                                                         std::to_string(header.segment_bytes)};
    }
    // file_bytes >= sizeof(rside_header): the header was read.
    std::uint64_t room = std::min(kMaxSchemaBytes, file_bytes - sizeof(rside_header));
    if (!Untrusted(header.schema_bytes)
             .between(sizeof(rside_schema_block), std::max(room, sizeof(rside_schema_block)))) {
        return Refusal{QuarantineReason::kBadHeader,
                       "its schema takes " + std::to_string(header.schema_bytes) + " bytes"};
    }
    return std::nullopt;
}

std::optional<Refusal> check_offsets(const rside_header& header, const rside_geometry& geometry) {
    struct Field {
        const char* name;
        std::uint64_t found, expected;
    };
    const Field fields[] = {
        {"schema_bytes", header.schema_bytes, geometry.schema_bytes},
        {"directory_offset", header.directory_offset, geometry.directory_offset},
        {"arena_offset", header.arena_offset, geometry.arena_offset},
        {"cells_offset", header.cells_offset, geometry.cells_offset},
        {"accumulators_offset", header.accumulators_offset, geometry.accumulators_offset},
        {"hot_buckets_offset", header.hot_buckets_offset, geometry.hot_buckets_offset},
        {"rings_offset", header.rings_offset, geometry.rings_offset},
        {"series_capacity", header.series_capacity, geometry.series_capacity},
    };
    for (const Field& field : fields) {
        if (field.found == field.expected) continue;
        return Refusal{QuarantineReason::kBadHeader, std::string(field.name) + " is " + std::to_string(field.found) +
                                                         ", its schema makes it " + std::to_string(field.expected)};
    }
    if (header.segment_bytes != geometry.segment_bytes) {
        return Refusal{QuarantineReason::kWrongSize, "the file has " + std::to_string(header.segment_bytes) +
                                                         " bytes, its schema makes it " +
                                                         std::to_string(geometry.segment_bytes)};
    }
    return std::nullopt;
}

Checked<SegmentName> check_name(const rside_header& header, const SegmentName* expected) {
    SegmentName name;
    std::string_view vm_id = text_of(header.vm_id);
    std::string_view component = text_of(header.component);
    std::ranges::copy(header.epoch, name.epoch.begin());
    if (!valid_vm_id(vm_id)) return Refusal{QuarantineReason::kBadHeader, "its vm_id is \"" + printable(vm_id) + "\""};
    if (!component.empty() && !valid_component(component)) {
        return Refusal{QuarantineReason::kBadHeader, "its component is \"" + printable(component) + "\""};
    }
    name.vm_id = vm_id;
    name.component = component;
    if (expected != nullptr && name != *expected) {
        return Refusal{QuarantineReason::kNameMismatch,
                       "inside it says " + name.text() + ", the file is " + expected->text()};
    }
    return name;
}

}  // namespace

Checked<SegmentHeader> read_header(const ByteSource& source, LayoutCache& layouts, const SegmentName* expected) {
    std::uint64_t file_bytes = source.size();
    if (file_bytes == UINT64_MAX) return cannot_read("size");
    HeaderPage page;
    errno = 0;
    if (!source.read(0, &page, sizeof page)) return cannot_read("header");
    const rside_header& header = page.header;
    if (auto refusal = check_kind(header)) return *std::move(refusal);
    if (auto refusal = check_sizes(header, file_bytes)) return *std::move(refusal);

    std::vector<std::byte> block(header.schema_bytes);
    if (!source.read(RSIDE_HEADER_BYTES, block.data(), block.size())) return cannot_read("schema");
    std::uint32_t checksum = crc32c(0, &header, offsetof(rside_header, checksum));
    if (crc32c(checksum, block.data(), block.size()) != header.checksum) {
        return Refusal{QuarantineReason::kBadChecksum, "the checksum of header and schema does not match"};
    }
    if (rside_hash(block.data(), block.size()) != header.schema_hash) {
        return Refusal{QuarantineReason::kBadHeader, "its schema does not have the hash that its header says"};
    }
    Checked<SegmentName> name = check_name(header, expected);
    if (!name) return name.refusal();
    Checked<std::shared_ptr<const SegmentLayout>> layout = layouts.get(header.schema_hash, std::move(block));
    if (!layout) return layout.refusal();
    if (auto refusal = check_offsets(header, (*layout)->geometry)) return *std::move(refusal);

    SegmentHeader result;
    result.name = *std::move(name);
    std::ranges::copy(header.boot_id, result.boot_id.begin());
    result.created_ns = header.created_ns;
    result.segment_bytes = file_bytes;
    result.layout = *std::move(layout);
    return result;
}

namespace {

constexpr std::uint32_t kTickMode = 1;  // RSIDE_CLOCK_TICK of ringside.h
constexpr std::size_t kWriterPartBegin = offsetof(rside_header, state);
constexpr std::size_t kWriterPartBytes = offsetof(rside_header, reserved4) - kWriterPartBegin;
static_assert(kWriterPartBegin % kSourceAlignment == 0);

char* writer_part(HeaderPage& page) { return reinterpret_cast<char*>(&page) + kWriterPartBegin; }

}  // namespace

std::optional<std::uint64_t> hash_writer_part(const ByteSource& source) {
    HeaderPage page;
    if (!source.read(kWriterPartBegin, writer_part(page), kWriterPartBytes)) return std::nullopt;
    return rside_hash(writer_part(page), kWriterPartBytes);
}

std::optional<std::uint32_t> read_series_count(const ByteSource& source) {
    constexpr std::size_t kAt = offsetof(rside_header, series_count);
    struct alignas(kSourceAlignment) {
        std::byte before[kAt % kSourceAlignment];
        std::uint32_t count;
    } line;
    static_assert(offsetof(decltype(line), count) == kAt % kSourceAlignment);
    if (!source.read(kAt, &line.count, sizeof line.count)) return std::nullopt;
    return line.count;
}

WriterClock read_writer_clock(const MappedBytes& bytes) {
    const std::byte* const header = bytes.data();
    WriterClock clock;
    clock.state = load32(header + offsetof(rside_header, state));
    // R11, pairs with P11: the time of the close is read after the state that declares it.
    std::atomic_thread_fence(std::memory_order_acquire);
    if (clock.state == RSIDE_STATE_CLOSED) clock.closed_ns = load64(header + offsetof(rside_header, closed_ns));
    clock.ticking = load32(header + offsetof(rside_header, clock_mode)) == kTickMode;
    clock.tick_ns = load64(header + offsetof(rside_header, tick_ns));
    clock.rebases = load64(header + offsetof(rside_header, rebases));
    return clock;
}

std::optional<WriterPart> read_writer_part(const ByteSource& source) {
    HeaderPage page;
    auto read = [&] { return source.read(kWriterPartBegin, writer_part(page), kWriterPartBytes); };
    if (!read()) return std::nullopt;
    // R11, pairs with P11: code, text and time of the close are read after the state that declares them.
    std::uint32_t state = page.header.state;
    std::atomic_thread_fence(std::memory_order_acquire);
    if (!read()) return std::nullopt;

    const rside_header& header = page.header;
    WriterPart part;
    part.state = state;
    if (state == RSIDE_STATE_CLOSED) {
        part.close_code = header.close_code;
        part.close_text = printable(text_of(header.close_text));
        part.closed_ns = header.closed_ns;
    }
    part.attached_ns = header.attached_ns;
    part.tick_ns = header.tick_ns;
    part.ticking = header.clock_mode == kTickMode;
    part.writer_pid = header.writer_pid;
    part.series_count = header.series_count;
    part.clock_steps_back = header.clock_steps_back;
    part.rebases = header.rebases;
    part.rejected_samples = header.rejected_samples;
    part.refused_series = header.refused_series;
    return part;
}

}  // namespace ringside::agent
