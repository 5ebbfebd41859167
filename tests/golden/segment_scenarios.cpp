#include "tests/golden/segment_scenarios.h"

#include <ringside/ringside.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "tests/support/plain_segment.h"
#include "tests/support/schema_spec.h"
#include "tests/support/temporary_folder.h"

namespace ringside::golden {
namespace {

constexpr std::uint64_t kSecond = RSIDE_NS_PER_S;
constexpr std::uint64_t kBegin = 1'700'000'000 * kSecond;

rside_options options_for(const std::string& folder, const rside_schema* schema, const char* component = nullptr) {
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "golden-vm";
    options.component = component;
    options.directory = folder.c_str();
    options.schema = schema;
    options.clock = RSIDE_CLOCK_TICK;
    options.flags = 0;
    return options;
}

SchemaSpec every_kind(std::uint32_t columns = RSIDE_COLUMNS_ALL) {
    SchemaSpec spec("golden");
    spec.version(3).tier(1, 8, columns).tier(5, 6, columns).tier(20, 4);
    spec.metric("requests_total", RSIDE_COUNTER, 2, {"device", "op"}).describe("", "Requests that ended.");
    spec.metric("busy_seconds_total", RSIDE_COUNTER_F64).describe("seconds", "Time in use.");
    spec.metric("faults_total", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    spec.metric("delay_seconds", RSIDE_GAUGE).describe("seconds", "Delay of a request, \xc3\xa0 peu pr\xc3\xa8s.");
    spec.metric("memory_bytes", RSIDE_LEVEL).describe("bytes", "Memory in use.");
    spec.histogram("size_bytes", 0, 2, 64).describe("bytes", "Size of a request.");
    return spec.metric("build_info", RSIDE_INFO, 1, {"version"});
}

struct Handles {
    explicit Handles(rside_segment* segment) {
        const char* read[] = {"vda", "read"};
        const char* write[] = {"vdb", "\xe2\x82\xac"};
        const char* version[] = {"1.2.3"};
        reads = rside_counter_register(segment, "requests_total", read, 2, nullptr);
        writes = rside_counter_register(segment, "requests_total", write, 2, nullptr);
        busy = rside_counter_f64_register(segment, "busy_seconds_total", nullptr, 0, nullptr);
        faults = rside_shared_counter_register(segment, "faults_total", nullptr, 0, nullptr);
        delay = rside_gauge_register(segment, "delay_seconds", nullptr, 0, nullptr);
        memory = rside_level_register(segment, "memory_bytes", nullptr, 0, nullptr);
        size = rside_histogram_register(segment, "size_bytes", nullptr, 0, nullptr);
        rside_info_register(segment, "build_info", version, 1, nullptr);
    }
    void record(int i) const {
        rside_counter_add(reads, static_cast<std::uint64_t>(i % 3));
        rside_counter_total(writes, static_cast<std::uint64_t>(i % 7 * 10));  // falls back at times
        rside_counter_f64_add(busy, 0.25 * (i % 5));
        rside_shared_counter_add(faults, 1);
        rside_gauge_record(delay, 0.5 * (i % 11) - 1);
        rside_level_set(memory, 1024.0 * (i % 6));
        rside_histogram_record(size, 3.0 * (i % 30));
    }
    rside_counter reads, writes;
    rside_counter_f64 busy;
    rside_shared_counter faults;
    rside_gauge delay;
    rside_level memory;
    rside_histogram size;
};

// Forty records a fraction of a second or several seconds apart, from `begin` on. Returns the time of the last.
std::uint64_t record_some(rside_segment* segment, const Handles& handles, std::uint64_t begin) {
    std::uint64_t now = begin;
    for (int i = 0; i < 40; ++i) {
        rside_tick(segment, now);
        handles.record(i);
        now += i % 10 == 9 ? 7 * kSecond : kSecond / 4 * static_cast<std::uint64_t>(i % 6);
    }
    return now;
}

std::string path_of(rside_segment* segment) { return rside_segment_path(segment); }

// Ends as a killed writer does: the mapping stays until the process ends, nothing is closed.
std::string abandon(rside_segment* segment) { return path_of(segment); }

std::string write_closed(const std::string& folder) {
    SchemaSpec spec = every_kind();
    rside_options options = options_for(folder, spec.get());
    rside_segment* segment = nullptr;
    if (rside_segment_create(&options, &segment, nullptr) < 0) return "";
    rside_tick(segment, kBegin);
    Handles handles(segment);
    std::uint64_t end = record_some(segment, handles, kBegin);
    rside_tick(segment, end);
    std::string path = path_of(segment);
    rside_segment_close(segment, -5, "guest asked for it");
    return path;
}

// Few columns, a component, an idle time, rejected and refused things, and no end.
std::string write_lean(const std::string& folder) {
    SchemaSpec spec = every_kind(RSIDE_COLUMN_SUM | RSIDE_COLUMN_MAX | RSIDE_COLUMN_VALUE);
    rside_options options = options_for(folder, spec.get(), "block-0");
    rside_segment* segment = nullptr;
    if (rside_segment_create(&options, &segment, nullptr) < 0) return "";
    rside_tick(segment, kBegin);
    Handles handles(segment);
    std::uint64_t end = record_some(segment, handles, kBegin);
    rside_gauge_record(handles.delay, std::numeric_limits<double>::quiet_NaN());
    rside_histogram_record(handles.size, -1);
    rside_gauge_register(segment, "delay_seconds", nullptr, 0, nullptr);
    rside_tick(segment, end + 3600 * kSecond);
    handles.record(1);
    rside_tick(segment, end + 3600 * kSecond + kSecond / 2);
    return abandon(segment);
}

// A small step back, and one that rebases.
std::string write_rebased(const std::string& folder) {
    SchemaSpec spec = every_kind();
    rside_options options = options_for(folder, spec.get());
    rside_segment* segment = nullptr;
    if (rside_segment_create(&options, &segment, nullptr) < 0) return "";
    rside_tick(segment, kBegin);
    Handles handles(segment);
    std::uint64_t end = record_some(segment, handles, kBegin);
    rside_tick(segment, end - 12 * kSecond);
    handles.record(5);
    rside_tick(segment, kBegin - 86400 * kSecond);
    handles.record(6);
    record_some(segment, handles, kBegin - 86000 * kSecond);
    return abandon(segment);
}

std::string write_provisioned(const std::string& folder) {
    SchemaSpec spec = every_kind();
    rside_options options = options_for(folder, spec.get());
    char path[512];
    return rside_segment_provision(&options, path, sizeof path, nullptr) < 0 ? "" : path;
}

rside_cell* cell_of(std::vector<std::uint8_t>* bytes, const plain::Series& series) {
    auto* header = reinterpret_cast<rside_header*>(bytes->data());
    return reinterpret_cast<rside_cell*>(bytes->data() + header->cells_offset) + series.index;
}

// As after a kill in the middle of things: a record half done in the gauge and the histogram, a turn begun in the counter,
// one just past its commit in the level.
void cut_short(std::vector<std::uint8_t>* bytes) {
    std::string error;
    plain::Segment segment = plain::decode(*bytes, &error);
    rside_cell* gauge = cell_of(bytes, *segment.find("delay_seconds"));
    gauge->u.gauge.sum[~gauge->seq & 1] = 1234;
    gauge->u.gauge.last[~gauge->seq & 1] = 1234;
    rside_cell* histogram = cell_of(bytes, *segment.find("size_bytes"));
    histogram->seq += 1;
    histogram->u.histogram.sum[~(histogram->seq >> 1) & 1] += 1;
    cell_of(bytes, *segment.find("requests_total", {"vda", "read"}))->open |= RSIDE_OPEN_TURNING;
    rside_cell* level = cell_of(bytes, *segment.find("memory_bytes"));
    level->seq += 1;
    level->open |= RSIDE_OPEN_STALE;
}

// What differs from run to run and from machine to machine.
void fix_fields(std::vector<std::uint8_t>* bytes) {
    auto* header = reinterpret_cast<rside_header*>(bytes->data());
    std::string random_epoch, epoch;
    for (std::size_t i = 0; i < sizeof header->epoch; ++i) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", header->epoch[i]);
        random_epoch += digits;
        header->epoch[i] = static_cast<std::uint8_t>(16 * i + 15 - i);
        std::snprintf(digits, sizeof digits, "%02x", header->epoch[i]);
        epoch += digits;
    }
    auto* at = std::search(header->text, header->text + sizeof header->text, random_epoch.begin(), random_epoch.end());
    std::copy(epoch.begin(), epoch.end(), at);
    std::memset(header->boot_id, 0, sizeof header->boot_id);
    header->created_ns = kBegin - 10 * kSecond;
    header->created_boottime_ns = 100 * kSecond;
    if (header->attached_ns) header->attached_ns = kBegin - 5 * kSecond;
    header->writer_pid = 0;
    std::uint32_t checksum = rside_crc32c(0, header, offsetof(rside_header, checksum));
    header->checksum = rside_crc32c(checksum, bytes->data() + RSIDE_HEADER_BYTES, header->schema_bytes);
}

}  // namespace

const std::vector<Scenario>& scenarios() {
    static const std::vector<Scenario> all = {
        {"closed", write_closed},           {"lean", write_lean},     {"rebased", write_rebased},
        {"provisioned", write_provisioned}, {"killed", write_closed},
    };
    return all;
}

std::vector<std::uint8_t> make(const Scenario& scenario) {
    agent::TemporaryFolder folder("/dev/shm");
    std::string path = scenario.write(folder.path());
    if (path.empty()) return {};
    std::vector<std::uint8_t> bytes = plain::read_bytes(path);
    fix_fields(&bytes);
    if (std::strcmp(scenario.name, "killed") == 0) {
        cut_short(&bytes);
        auto* header = reinterpret_cast<rside_header*>(bytes.data());
        header->state = RSIDE_STATE_ATTACHED;  // a killed writer closed nothing
        header->close_code = 0;
        header->closed_ns = 0;
        std::memset(header->close_text, 0, sizeof header->close_text);
    }
    return bytes;
}

}  // namespace ringside::golden
