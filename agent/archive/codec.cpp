#include "agent/archive/codec.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

namespace {

Error corrupt(std::string what) { return error(Code::kCorrupt, std::move(what)); }

// The checksum that ends a head of `size` bytes in all, `tail` bytes of them from the checksum on.
bool checksum_matches(std::string_view bytes, std::size_t at) {
    ByteReader reader(bytes.substr(at));
    return reader.u32() == crc32c(bytes.substr(0, at)) && !reader.failed();
}

// The numbers in the file are the archive's own: the enum may be reordered.
std::uint8_t exit_cause_number(ExitCause cause) {
    switch (cause) {
        case ExitCause::kNone: return 0;
        case ExitCause::kClosed: return 1;
        case ExitCause::kKilled: return 2;
        case ExitCause::kHostRebooted: return 3;
        case ExitCause::kUnknown: return 4;
        case ExitCause::kOom: return 5;
        case ExitCause::kExited: return 6;
    }
    return 4;
}

ExitCause exit_cause_from(std::uint8_t number) {
    switch (number) {
        case 0: return ExitCause::kNone;
        case 1: return ExitCause::kClosed;
        case 2: return ExitCause::kKilled;
        case 3: return ExitCause::kHostRebooted;
        case 5: return ExitCause::kOom;
        case 6: return ExitCause::kExited;
        default: return ExitCause::kUnknown;
    }
}

// How the bytes of a section follow its head.
enum class Packing : std::uint8_t { kPlain = 0, kZstd = 1 };

std::string pack_section(const std::string& plain) {
    constexpr int kLevel = 6;
    std::string packed(ZSTD_compressBound(plain.size()), '\0');
    std::size_t size = ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), kLevel);
    const bool shorter = ZSTD_isError(size) == 0 && size < plain.size();
    packed.resize(shorter ? size : 0);
    ByteWriter writer;
    writer.u8(static_cast<std::uint8_t>(shorter ? Packing::kZstd : Packing::kPlain));
    writer.u32(static_cast<std::uint32_t>(plain.size()));
    writer.raw(shorter ? packed : plain);
    return writer.take();
}

Result<std::string> unpack_section(std::string_view bytes, std::uint64_t bytes_max) {
    ByteReader reader(bytes);
    const std::uint8_t packing = reader.u8();
    const std::uint32_t size = reader.u32();
    std::string_view body = reader.raw(reader.remaining());
    if (reader.failed() || size > bytes_max) return corrupt("a section is longer than any segment can make it");
    if (packing == static_cast<std::uint8_t>(Packing::kPlain)) {
        if (body.size() != size) return corrupt("a section has another length than it says");
        return std::string(body);
    }
    if (packing != static_cast<std::uint8_t>(Packing::kZstd)) {
        return error(Code::kUnavailable, "a section is packed in a way (packing " + std::to_string(packing) +
                                             ") that is newer than this program: read it with a newer one");
    }
    // The frame says how much it makes, too: nothing is allocated on the word of one of both.
    if (ZSTD_getFrameContentSize(body.data(), body.size()) != size) {
        return corrupt("a section has another length than it says");
    }
    std::string plain(size, '\0');
    std::size_t got = ZSTD_decompress(plain.data(), plain.size(), body.data(), body.size());
    if (ZSTD_isError(got) != 0 || got != size) return corrupt("a section does not decompress");
    return plain;
}

}  // namespace

std::string encode_header(const Epoch& epoch) {
    ByteWriter writer;
    std::string text = kArchiveText;
    text.resize(kArchiveTextBytes, '\0');
    writer.raw(text);
    writer.u32(kArchiveFormat);
    writer.u32(kArchiveHeaderBytes);
    for (std::uint8_t byte : epoch) writer.u8(byte);
    writer.zeros(kArchiveHeaderBytes - 4 - writer.size());
    writer.u32(crc32c(writer.bytes()));
    return writer.take();
}

Result<Epoch> decode_header(std::string_view bytes) {
    if (bytes.size() < kArchiveHeaderBytes ||
        bytes.substr(0, kArchiveMagicBytes) != std::string_view(kArchiveText).substr(0, kArchiveMagicBytes)) {
        return corrupt("this is no archive file: its first bytes are wrong");
    }
    ByteReader reader(bytes.substr(kHeaderFormatAt, kArchiveHeaderBytes - kHeaderFormatAt));
    std::uint32_t format = reader.u32();
    std::uint32_t header_bytes = reader.u32();
    bool sound = checksum_matches(bytes, kArchiveHeaderBytes - 4);
    // A newer header may be longer, and its checksum elsewhere.
    if (format > kArchiveFormat && (sound || header_bytes > kArchiveHeaderBytes)) {
        return error(Code::kUnavailable,
                     "archive format " + std::to_string(format) + " is newer than this program reads");
    }
    if (!sound) return corrupt("the header's checksum is wrong");
    if (header_bytes != kArchiveHeaderBytes) return corrupt("the header's length is wrong");
    Epoch epoch{};
    for (std::uint8_t& byte : epoch) byte = reader.u8();
    return epoch;
}

std::string encode_footer(const ArchiveFooter& footer) {
    ByteWriter writer;
    writer.u32(kArchiveFormat);
    writer.u32(kArchiveFooterBytes);
    writer.u64(footer.file_bytes);
    for (const auto* section : {&footer.vm, &footer.schema, &footer.series}) {
        writer.u64(section->offset);
        writer.u64(section->bytes);
    }
    writer.u64(footer.directory_offset);
    writer.u64(footer.index_offset);
    writer.u64(footer.plain_bytes);
    writer.u32(footer.page_count);
    writer.u32(footer.series_count);
    writer.u32(footer.tier_count);
    for (const auto* section : {&footer.vm, &footer.schema, &footer.series}) {
        writer.u32(section->crc);
    }
    writer.zeros(kArchiveFooterBytes - 12 - writer.size());
    writer.u32(crc32c(writer.bytes()));
    writer.u64(kFooterMagic);
    return writer.take();
}

Result<ArchiveFooter> decode_footer(std::string_view bytes, std::uint64_t file_bytes) {
    if (bytes.size() != kArchiveFooterBytes) return corrupt("the footer is cut");
    ByteReader magic(bytes.substr(kArchiveFooterBytes - 8));
    if (magic.u64() != kFooterMagic) return corrupt("the end is missing: the file was cut");
    if (!checksum_matches(bytes, kArchiveFooterBytes - 12)) {
        return corrupt("the footer's checksum is wrong");
    }
    ByteReader reader(bytes);
    ArchiveFooter footer;
    if (reader.u32() != kArchiveFormat || reader.u32() != kArchiveFooterBytes) {
        return corrupt("the footer is of another format than the header");
    }
    footer.file_bytes = reader.u64();
    for (auto* section : {&footer.vm, &footer.schema, &footer.series}) {
        section->offset = reader.u64();
        section->bytes = reader.u64();
    }
    footer.directory_offset = reader.u64();
    footer.index_offset = reader.u64();
    footer.plain_bytes = reader.u64();
    footer.page_count = reader.u32();
    footer.series_count = reader.u32();
    footer.tier_count = reader.u32();
    for (auto* section : {&footer.vm, &footer.schema, &footer.series}) section->crc = reader.u32();
    if (footer.file_bytes != file_bytes) {
        return corrupt("the file has " + std::to_string(file_bytes) + " bytes, its footer says " +
                       std::to_string(footer.file_bytes));
    }
    if (footer.tier_count > kArchiveTiersMax) return corrupt("the footer has too many tiers");
    // Each part begins where the one before ends; lengths are compared with what is left, so that nothing overflows.
    std::uint64_t at = footer.vm.offset;
    if (at < kArchiveHeaderBytes || at > file_bytes) return corrupt("the runs have no room");
    for (const auto* section : {&footer.vm, &footer.schema, &footer.series}) {
        if (section->offset != at || section->bytes > file_bytes - at) {
            return corrupt("the footer's sections do not follow each other");
        }
        at += section->bytes;
    }
    std::uint64_t index = std::uint64_t{footer.page_count} * kPageEntryBytes;
    bool in_order = footer.directory_offset == at && footer.index_offset >= at && footer.index_offset <= file_bytes;
    if (!in_order || file_bytes - footer.index_offset < kArchiveFooterBytes ||
        file_bytes - footer.index_offset - kArchiveFooterBytes != index) {
        return corrupt("the directory has not the length that the footer says");
    }
    if (footer.series_count < footer.page_count ||
        (std::uint64_t{footer.series_count} + kPageSeries - 1) / kPageSeries > footer.page_count) {
        return corrupt("the directory has not as many pages as its series take");
    }
    if (footer.vm.bytes > kVmSectionBytesMax || footer.schema.bytes > kSchemaSectionBytesMax ||
        footer.series.bytes > kSeriesSectionBytesMax) {
        return corrupt("a section is longer than any segment can make it");
    }
    return footer;
}

std::string encode_vm(const VmInfo& vm, std::uint64_t archived_ns) {
    // A field more in VmInfo does not compile here: give it a place at the end of the section, and in docs/archive.md.
    const auto& [vm_id, component, epoch, state, exit_cause, close_code, exit_signal, close_text, uid, writer_pid,
                 segment_bytes, created_ns, attached_ns, closed_ns, last_write_ns, present_ns, ended_ns, series_count,
                 rejected_samples, refused_series, clock_steps_back, rebases, recorded_hash] = vm;
    static_cast<void>(state);
    static_cast<void>(present_ns);  // an archived VM has none
    ByteWriter writer;
    writer.text(vm_id);
    writer.text(component);
    for (std::uint8_t byte : epoch) writer.u8(byte);
    writer.u8(exit_cause_number(exit_cause));
    writer.i32(close_code);
    writer.text(close_text);
    writer.u32(uid);
    writer.u32(writer_pid);
    writer.u64(segment_bytes);
    writer.u64(created_ns);
    writer.u64(attached_ns);
    writer.u64(closed_ns);
    writer.u64(last_write_ns);
    writer.u64(ended_ns);
    writer.u32(series_count);
    writer.u64(rejected_samples);
    writer.u64(refused_series);
    writer.u64(clock_steps_back);
    writer.u64(rebases);
    writer.u64(archived_ns);
    writer.u64(recorded_hash);
    if (exit_signal != 0) writer.u8(exit_signal);  // without it the section is as it was before there was one
    return writer.take();
}

Result<DecodedVm> decode_vm(std::string_view bytes) {
    ByteReader reader(bytes);
    DecodedVm decoded;
    VmInfo& vm = decoded.vm;
    vm.vm_id = reader.text(kArchiveNameBytesMax);
    vm.component = reader.text(kArchiveNameBytesMax);
    for (std::uint8_t& byte : vm.epoch) byte = reader.u8();
    vm.state = VmState::kDrained;
    vm.exit_cause = exit_cause_from(reader.u8());
    vm.close_code = reader.i32();
    vm.close_text = reader.text(kArchiveNameBytesMax);
    vm.uid = reader.u32();
    vm.writer_pid = reader.u32();
    vm.segment_bytes = reader.u64();
    vm.created_ns = reader.u64();
    vm.attached_ns = reader.u64();
    vm.closed_ns = reader.u64();
    vm.last_write_ns = reader.u64();
    vm.ended_ns = reader.u64();
    vm.series_count = reader.u32();
    vm.rejected_samples = reader.u64();
    vm.refused_series = reader.u64();
    vm.clock_steps_back = reader.u64();
    vm.rebases = reader.u64();
    decoded.archived_ns = reader.u64();
    vm.recorded_hash = reader.u64();
    if (reader.remaining() > 0) vm.exit_signal = reader.u8();  // earlier versions did not know it
    // Bytes that follow are fields of a later version.
    if (reader.failed()) return corrupt("the VM's section is too short");
    if (vm.vm_id.empty()) return corrupt("the VM has no name");
    return decoded;
}

std::string encode_schema(const SchemaInfo& schema) {
    const auto& [name, version, hash, tiers, metrics, series_capacity, label_arena_bytes] = schema;
    ByteWriter writer;
    writer.text(name);
    writer.u32(version);
    writer.u64(hash);
    writer.u32(series_capacity);
    writer.u32(label_arena_bytes);
    writer.u32(static_cast<std::uint32_t>(tiers.size()));
    for (const TierInfo& tier : tiers) {
        const auto& [resolution_s, slots, columns] = tier;
        writer.u32(resolution_s);
        writer.u32(slots);
        writer.u32(columns);
    }
    writer.u32(static_cast<std::uint32_t>(metrics.size()));
    for (const MetricInfo& metric : metrics) {
        const auto& [metric_name, unit, help, kind, flags, label_names, max_series, scale, bucket_first, bucket_count] =
            metric;
        writer.text(metric_name);
        writer.text(unit);
        writer.text(help);
        writer.u8(static_cast<std::uint8_t>(kind));
        writer.u8(flags);
        writer.i8(scale);
        writer.u8(0);
        writer.i32(bucket_first);
        writer.u32(bucket_count);
        writer.u32(max_series);
        writer.u32(static_cast<std::uint32_t>(label_names.size()));
        for (const std::string& label : label_names) writer.text(label);
    }
    return pack_section(writer.bytes());
}

namespace {

MetricInfo decode_metric(ByteReader& reader) {
    MetricInfo metric;
    metric.name = reader.text(kArchiveNameBytesMax);
    metric.unit = reader.text(kArchiveNameBytesMax);
    metric.help = reader.text(kArchiveNameBytesMax);
    std::uint8_t kind = reader.u8();
    if (kind < 1 || kind > static_cast<std::uint8_t>(Kind::kInfo)) reader.fail();
    metric.kind = static_cast<Kind>(kind);
    metric.flags = reader.u8();
    metric.histogram_scale = reader.i8();
    reader.skip(1);
    metric.bucket_first = reader.i32();
    metric.bucket_count = reader.u32();
    metric.max_series = reader.u32();
    std::uint32_t labels = reader.u32();
    // Each name takes at least its length, so a hostile count ends with the bytes.
    for (std::uint32_t i = 0; i < labels && !reader.failed(); ++i) {
        metric.label_names.push_back(reader.text(kArchiveNameBytesMax));
    }
    return metric;
}

}  // namespace

Result<SchemaInfo> decode_schema(std::string_view bytes) {
    Result<std::string> plain = unpack_section(bytes, kSchemaSectionBytesMax);
    if (!plain.ok()) return plain.error();
    ByteReader reader(*plain);
    SchemaInfo schema;
    schema.name = reader.text(kArchiveNameBytesMax);
    schema.version = reader.u32();
    schema.hash = reader.u64();
    schema.series_capacity = reader.u32();
    schema.label_arena_bytes = reader.u32();
    std::uint32_t tiers = reader.u32();
    if (tiers > kArchiveTiersMax) reader.fail();
    for (std::uint32_t i = 0; i < tiers && !reader.failed(); ++i) {
        TierInfo tier;
        tier.resolution_s = reader.u32();
        tier.slots = reader.u32();
        tier.columns = reader.u32();
        if (tier.resolution_s == 0) reader.fail();
        schema.tiers.push_back(tier);
    }
    std::uint32_t metrics = reader.u32();
    for (std::uint32_t i = 0; i < metrics && !reader.failed(); ++i) {
        schema.metrics.push_back(decode_metric(reader));
    }
    if (!reader.finished()) return corrupt("the schema does not decode");
    return schema;
}

std::string encode_series(const std::vector<SeriesInfo>& series) {
    ByteWriter writer;
    writer.u32(static_cast<std::uint32_t>(series.size()));
    for (const SeriesInfo& one : series) {
        const auto& [index, metric, label_values, created_ns] = one;
        writer.u32(index);
        writer.u32(metric);
        writer.u64(created_ns);
        writer.u32(static_cast<std::uint32_t>(label_values.size()));
        for (const std::string& value : label_values) writer.text(value);
    }
    return pack_section(writer.bytes());
}

Result<std::vector<SeriesInfo>> decode_series(std::string_view bytes, const SchemaInfo& schema) {
    Result<std::string> plain = unpack_section(bytes, kSeriesSectionBytesMax);
    if (!plain.ok()) return plain.error();
    ByteReader reader(*plain);
    std::vector<SeriesInfo> series;
    std::uint32_t count = reader.u32();
    for (std::uint32_t i = 0; i < count && !reader.failed(); ++i) {
        SeriesInfo one;
        one.index = reader.u32();
        one.metric = reader.u32();
        one.created_ns = reader.u64();
        std::uint32_t labels = reader.u32();
        bool rises = series.empty() || series.back().index < one.index;
        if (!rises || one.metric >= schema.metrics.size() || labels != schema.metrics[one.metric].label_names.size()) {
            return corrupt("entry " + std::to_string(i) + " of the series does not fit the schema");
        }
        for (std::uint32_t j = 0; j < labels && !reader.failed(); ++j) {
            one.label_values.push_back(reader.text(kArchiveNameBytesMax));
        }
        series.push_back(std::move(one));
    }
    if (!reader.finished()) return corrupt("the list of series does not decode");
    return series;
}

}  // namespace ringside::agent
