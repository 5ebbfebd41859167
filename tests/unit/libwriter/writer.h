// A writer with a folder of its own, for the tests of libwriter.
#pragma once

#include <gtest/gtest.h>
#include <ringside/ringside.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/plain_segment.h"
#include "tests/support/schema_spec.h"
#include "tests/support/temporary_folder.h"

namespace ringside {

constexpr std::uint64_t kSecond = RSIDE_NS_PER_S;

inline std::vector<std::string> files_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
    return names;
}

// Options with nothing but what `create` must have, in tick mode and without flags.
inline rside_options plain_options(const std::string& directory, const rside_schema* schema) {
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "vm-1";
    options.directory = directory.c_str();
    options.schema = schema;
    options.clock = RSIDE_CLOCK_TICK;
    options.flags = 0;
    return options;
}

// One segment in tick mode in a folder of its own below /dev/shm.
class Writer {
  public:
    explicit Writer(SchemaSpec spec, std::uint64_t now_ns = 1'700'000'000 * kSecond, std::uint32_t flags = 0)
        : folder_("/dev/shm"), spec_(std::move(spec)) {
        rside_options options = plain_options(folder_.path(), spec_.get());
        options.flags = flags;
        rside_error error = {};
        EXPECT_EQ(rside_segment_create(&options, &segment_, &error), 0) << error.text;
        path_ = rside_segment_path(segment_);
        tick(now_ns);
    }
    ~Writer() { close(); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    void tick(std::uint64_t now_ns) { rside_tick(segment_, now_ns); }
    void close(int code = 0, const char* text = nullptr) {
        rside_segment_close(segment_, code, text);
        segment_ = nullptr;
    }

    rside_segment* segment() const { return segment_; }
    const std::string& folder() const { return folder_.path(); }
    const std::string& path() const { return path_; }
    const rside_schema* schema() { return spec_.get(); }
    std::vector<std::uint8_t> bytes() const { return plain::read_bytes(path_); }
    plain::Segment decoded() const {
        std::string error;
        plain::Segment out = plain::decode_file(path_, &error);
        EXPECT_EQ(error, "");
        return out;
    }

  private:
    agent::TemporaryFolder folder_;
    SchemaSpec spec_;
    rside_segment* segment_ = nullptr;
    std::string path_;
};

// Where two files differ, the header's own counters left out; -1: nowhere.
inline long first_difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    if (a.size() != b.size()) return 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        bool counter = i >= offsetof(rside_header, refused_series) && i < offsetof(rside_header, reserved4);
        if (a[i] != b[i] && !counter) return static_cast<long>(i);
    }
    return -1;
}

}  // namespace ringside
