// Archive files of every released format are read for ever. `archive-v1.rsa` is never rewritten; what it holds stands
// beside it as text, which tests/golden/archive_doc_test.py reads by the tables of docs/archive.md alone.
#include <gtest/gtest.h>

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "agent/archive/archived_vm.h"
#include "agent/archive/writer.h"
#include "tests/support/memory_source.h"
#include "tests/support/results.h"
#include "tests/support/simulated_disk.h"

namespace ringside::agent {
namespace {

std::string hex(std::string_view bytes) {
    std::string text;
    char two[3];
    for (unsigned char byte : bytes) {
        std::snprintf(two, sizeof two, "%02x", byte);
        text += two;
    }
    return text.empty() ? "-" : text;
}

template <typename T>
void column(std::ostringstream& out, const char* name, const std::vector<T>& values) {
    if (values.empty()) return;
    out << "  " << name << std::hex;
    for (T value : values) {
        if constexpr (sizeof(T) == 1) {
            out << " " << static_cast<unsigned>(value);
        } else {
            out << " " << std::bit_cast<std::uint64_t>(value);
        }
    }
    out << std::dec << "\n";
}

void dump_vm(std::ostringstream& out, const VmInfo& vm, std::uint64_t archived_ns) {
    out << "vm " << hex(vm.vm_id) << " " << hex(vm.component) << " " << epoch_text(vm.epoch) << " "
        << exit_cause_name(vm.exit_cause) << " " << vm.close_code << " " << hex(vm.close_text) << " " << vm.uid << " "
        << vm.writer_pid << " " << vm.segment_bytes << " " << vm.created_ns << " " << vm.attached_ns << " "
        << vm.closed_ns << " " << vm.last_write_ns << " " << vm.ended_ns << " " << vm.series_count << " "
        << vm.rejected_samples << " " << vm.refused_series << " " << vm.clock_steps_back << " " << vm.rebases << " "
        << archived_ns << " " << vm.recorded_hash << "\n";
}

void dump_schema(std::ostringstream& out, const SchemaInfo& schema) {
    out << "schema " << hex(schema.name) << " " << schema.version << " " << schema.hash << " " << schema.series_capacity
        << " " << schema.label_arena_bytes << "\n";
    for (const TierInfo& tier : schema.tiers) {
        out << "tier " << tier.resolution_s << " " << tier.slots << " " << tier.columns << "\n";
    }
    for (const MetricInfo& metric : schema.metrics) {
        out << "metric " << hex(metric.name) << " " << hex(metric.unit) << " " << hex(metric.help) << " "
            << kind_name(metric.kind) << " " << unsigned{metric.flags} << " " << int{metric.histogram_scale} << " "
            << metric.bucket_first << " " << metric.bucket_count << " " << metric.max_series;
        for (const std::string& label : metric.label_names) out << " " << hex(label);
        out << "\n";
    }
}

// All that a source says, one value after the other; floats by their bits.
std::string dump(const SeriesSource& source, std::uint64_t archived_ns) {
    std::ostringstream out;
    dump_vm(out, source.vm(), archived_ns);
    dump_schema(out, *source.schema());
    auto series = source.series();
    for (const SeriesInfo& one : series.ok() ? *series : std::vector<SeriesInfo>{}) {
        out << "series " << one.index << " " << one.metric << " " << one.created_ns;
        for (const std::string& value : one.label_values) out << " " << hex(value);
        out << "\n";
        for (std::uint32_t tier = 0; tier < source.schema()->tiers.size(); ++tier) {
            ReadRequest request;
            request.tier = tier;
            Result<SeriesData> data = source.read(one.index, request);
            out << " tier " << tier << " " << (data.ok() ? std::to_string(data->size()) : code_name(data.error().code))
                << "\n";
            if (!data.ok()) continue;
            column(out, "end_ns", data->end_ns);
            column(out, "flags", data->flags);
            column(out, "count", data->count);
            column(out, "sum", data->sum);
            column(out, "min", data->min);
            column(out, "max", data->max);
            column(out, "last", data->last);
            column(out, "value", data->value);
            column(out, "buckets", data->buckets);
        }
    }
    return out.str();
}

std::string golden(const std::string& name) {
    const char* source = std::getenv("RINGSIDE_SOURCE_DIR");
    return std::string(source != nullptr ? source : ".") + "/tests/golden/" + name;
}

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Windows as a VM records them, so that each way of packing has its place.
SeriesData plausible_run(Kind kind, std::size_t stride, std::size_t windows) {
    SeriesData run;
    std::uint64_t end_ns = UINT64_C(1'700'000'000'000'000'000);
    std::vector<std::uint64_t> buckets(stride);
    double sum = 0;
    for (std::size_t i = 0; i < windows; ++i) {
        const bool last = i + 1 == windows;
        end_ns += UINT64_C(1'000'000'000) * (i == 40 ? 6 : 1);
        run.end_ns.push_back(last ? end_ns - 123'456'789 : end_ns);
        run.flags.push_back(last ? kPointPartial : i > 50 ? kPointCarried : 0);
        const std::uint64_t wave = i * i % 37;
        switch (kind) {
            case Kind::kCounter: run.value.push_back(1'000'000 + 4096 * (i * 3 + wave)); break;
            case Kind::kCounterF64:
                sum += static_cast<double>(wave) / 1000;
                run.value.push_back(std::bit_cast<std::uint64_t>(sum));
                break;
            case Kind::kHistogram:
                for (std::size_t b = 0; b < stride; ++b) buckets[b] += b == i % 3 ? wave : 0;
                run.buckets.insert(run.buckets.end(), buckets.begin(), buckets.end());
                run.count.push_back(i * 7);
                run.sum.push_back(std::bit_cast<double>(UINT64_C(0x3ff0000000000000) | i * 0x9e3779b97f4a7));
                break;
            default:
                run.count.push_back(1);
                for (auto* column : {&run.sum, &run.min, &run.max}) column->push_back(static_cast<double>(wave) / 100);
                run.last.push_back(i == 60 ? std::bit_cast<double>(UINT64_C(0x7ff0000000000002)) : 1.5);
        }
    }
    return run;
}

// A VM with everything in it that the format knows.
MemorySource everything() {
    MemorySource source = random_vm(33, 14, 6);
    source.errors[{source.list[5].index, 1}] = error(Code::kCorrupt, "torn");
    for (std::size_t i = 0; i < source.list.size(); i += 2) {
        const SeriesInfo& series = source.list[i];
        const MetricInfo& metric = source.layout->metrics[series.metric];
        if (metric.kind == Kind::kInfo) continue;
        source.runs[{series.index, 0}] = plausible_run(metric.kind, metric.bucket_count + 1, 100 + i);
    }
    return source;
}

TEST(GoldenArchive, OfFormat1IsReadAsItWasWritten) {
    SchemaPool pool;
    auto vm = ArchivedVm::open(FileSystem::real(), golden("archive-v1.rsa"), pool);
    ASSERT_TRUE(vm.ok()) << message_of(vm);
    auto sound = (*vm)->verify();
    EXPECT_TRUE(sound.ok()) << message_of(sound);
    std::string expected = content(golden("archive-v1.txt"));
    ASSERT_FALSE(expected.empty());
    EXPECT_EQ(dump(**vm, (*vm)->archived_ns()), expected);
}

// The writer may pack better one day; then this test goes and the one above stays.
TEST(GoldenArchive, OfFormat1IsStillWrittenByteForByte) {
    SchemaPool pool;
    auto vm = ArchivedVm::open(FileSystem::real(), golden("archive-v1.rsa"), pool);
    ASSERT_TRUE(vm.ok()) << message_of(vm);
    SimulatedDisk disk;
    ASSERT_TRUE(write_archive(disk, "/again.rsa", **vm, (*vm)->info(), (*vm)->archived_ns()).ok());
    EXPECT_TRUE(disk.content("/again.rsa") == content(golden("archive-v1.rsa")));
}

// Makes the files of a new format: RINGSIDE_NEW_GOLDEN names the files, which must not be there yet, less their
// suffixes.
TEST(GoldenArchive, CanBeMadeForANewFormat) {
    MemorySource source = everything();
    SimulatedDisk disk;
    ASSERT_TRUE(write_archive(disk, "/new.rsa", source, source.info, 1'234'567'890).ok());
    SchemaPool pool;
    auto vm = ArchivedVm::open(disk, "/new.rsa", pool);
    ASSERT_TRUE(vm.ok());
    EXPECT_EQ(dump(**vm, 1'234'567'890), dump(source, 1'234'567'890));
    const char* path = std::getenv("RINGSIDE_NEW_GOLDEN");
    if (path == nullptr) return;
    ASSERT_TRUE(content(std::string(path) + ".rsa").empty()) << "a golden file is never rewritten";
    std::ofstream(std::string(path) + ".rsa", std::ios::binary) << *disk.content("/new.rsa");
    std::ofstream(std::string(path) + ".txt", std::ios::binary) << dump(source, 1'234'567'890);
}

}  // namespace
}  // namespace ringside::agent
