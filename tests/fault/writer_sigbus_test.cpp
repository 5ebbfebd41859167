// A store into a hole of a file is a SIGBUS once its tmpfs is full, and would end the VM. So with any room, from none to more
// than enough, set-up either works and every page of the segment can be written, or it is an error and no file stays.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/child.h"
#include "tests/support/private_tmpfs.h"
#include "tests/unit/libwriter/writer.h"

namespace ringside {
namespace {

constexpr std::uint64_t kRounds = 166'667;  // of six records: a million

SchemaSpec every_kind() {
    SchemaSpec spec("sigbus");
    spec.tier(1, 40).tier(4, 20);
    spec.metric("counter", RSIDE_COUNTER).metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    spec.metric("f64", RSIDE_COUNTER_F64).metric("gauge", RSIDE_GAUGE).metric("level", RSIDE_LEVEL);
    return spec.histogram("histogram", 2, 0.5, 1024);
}

// In time steps that turn every ring.
void record_a_million(rside_segment* segment) {
    rside_counter counter = rside_counter_register(segment, "counter", nullptr, 0, nullptr);
    rside_shared_counter shared = rside_shared_counter_register(segment, "shared", nullptr, 0, nullptr);
    rside_counter_f64 f64 = rside_counter_f64_register(segment, "f64", nullptr, 0, nullptr);
    rside_gauge gauge = rside_gauge_register(segment, "gauge", nullptr, 0, nullptr);
    rside_level level = rside_level_register(segment, "level", nullptr, 0, nullptr);
    rside_histogram histogram = rside_histogram_register(segment, "histogram", nullptr, 0, nullptr);
    for (std::uint64_t i = 0; i < kRounds; ++i) {
        if (i % 1000 == 0) rside_tick(segment, (1'700'000'000 + i / 1000) * kSecond);
        auto value = static_cast<double>(i % 2000);
        rside_counter_add(counter, 1);
        rside_shared_counter_add(shared, 1);
        rside_counter_f64_add(f64, 0.5);
        rside_gauge_record(gauge, value);
        rside_level_set(level, value);
        rside_histogram_record(histogram, value);
    }
}

// "" when all of it is there and no slot of any ring was left out.
std::string check_records(const std::string& path) {
    std::string error;
    plain::Segment segment = plain::decode_file(path, &error);
    if (!error.empty()) return error;
    for (const plain::Series& series : segment.series) {
        const std::string& name = segment.metrics[series.metric].name;
        for (const auto& ring : series.rings) {
            for (const plain::Slot& slot : ring) {
                if (slot.window == 0) return "a slot of " + name + " was never written";
            }
        }
    }
    return segment.series.size() == 6 && segment.find("counter")->value == kRounds ? "" : "records are missing";
}

// How a VM comes by its segment. 0 or a negative errno, as of the call that failed.
using SetUp = int(const rside_options& options, rside_segment** out, rside_error* error);

int create(const rside_options& options, rside_segment** out, rside_error* error) {
    return rside_segment_create(&options, out, error);
}

int provision_and_attach(const rside_options& options, rside_segment** out, rside_error* error) {
    char path[300];
    int code = rside_segment_provision(&options, path, sizeof path, error);
    if (code < 0) return code;
    return rside_segment_attach(path, options.schema, RSIDE_CLOCK_TICK, 0, out, error);
}

class NoSigbus : public testing::TestWithParam<SetUp*> {};

std::string fill(const std::string& path, std::uint64_t bytes) {
    int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 0) != 0) return "cannot make the filler";
    int code = bytes ? posix_fallocate(fd, 0, static_cast<off_t>(bytes)) : 0;
    close(fd);
    return code == 0 ? "" : "cannot fill " + std::to_string(bytes) + " bytes";
}

// One set-up in a folder that has `room` bytes left beside its filler.
std::string set_up_and_record(SetUp* set_up, const rside_options& options, std::uint64_t room, std::uint64_t size) {
    rside_segment* segment = nullptr;
    rside_error error = {};
    int code = set_up(options, &segment, &error);
    std::string said = error.text;
    if (room < size) {
        if (code != -ENOSPC || segment) return "code " + std::to_string(code) + ": " + said;
        if (said.find(std::to_string(size)) == std::string::npos) return "how much is needed is not in: " + said;
        return files_in(options.directory).size() == 1 ? "" : "a file was left behind";
    }
    if (code != 0) return said;
    std::string path = rside_segment_path(segment);
    record_a_million(segment);
    rside_segment_close(segment, 0, nullptr);
    std::string trouble = check_records(path);
    unlink(path.c_str());
    return trouble;
}

TEST_P(NoSigbus, WithAnyRoom) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    const std::uint64_t page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    const std::uint64_t size = rside_schema_size(spec.get(), nullptr);
    const std::uint64_t total = size + 2 * page;
    EXPECT_EQ(in_child([&]() -> std::string {
                  std::string trouble = mount_private_tmpfs(folder.path(), "size=" + std::to_string(total));
                  for (std::uint64_t room = 0; room <= total && trouble.empty(); room += page) {
                      trouble = fill(folder / "filler", total - room);
                      if (trouble.empty()) trouble = set_up_and_record(GetParam(), options, room, size);
                      if (trouble.empty()) continue;
                      trouble += " with room for " + std::to_string(room) + " of " + std::to_string(size) + " bytes";
                  }
                  return trouble;
              }),
              "");
}

INSTANTIATE_TEST_SUITE_P(Each, NoSigbus, testing::Values(create, provision_and_attach), [](const auto& one) {
    return std::string(one.param == create ? "Create" : "ProvisionAndAttach");
});

}  // namespace
}  // namespace ringside
