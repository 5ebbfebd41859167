// A segment in memory and readers of its windows, for the tests of reading.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/segment/open.h"
#include "tests/support/segment_builder.h"

namespace ringside::agent::test {

class SegmentReading : public testing::Test {
  protected:
    SegmentReading() {
        options.now = [this] { return now_ns; };
    }

    std::shared_ptr<LiveSegment> open() {
        Opened opened = open_segment_image(builder.bytes, nullptr, *layouts, options);
        EXPECT_TRUE(opened.segment) << opened.refusal.message();
        return opened.segment;
    }

    // The reader's clock so that the segment is read as of `ns`.
    void set_time(std::uint64_t ns) { now_ns = ns + kClosingGraceNs; }

    SeriesData read(std::uint32_t series, std::uint32_t tier = 0, ReadRequest request = {}) {
        request.tier = tier;
        Result<SeriesData> data = open()->read(series, request);
        EXPECT_TRUE(data) << data.error().message();
        return data ? *data : SeriesData{};
    }

    // The same for a VM whose writer is gone.
    SeriesData read_settled(std::uint32_t series, std::uint32_t tier = 0, ReadRequest request = {}) {
        request.tier = tier;
        std::shared_ptr<LiveSegment> segment = open();
        EXPECT_TRUE(segment->settle());
        Result<SeriesData> data = segment->read(series, request);
        EXPECT_TRUE(data) << data.error().message();
        return data ? *data : SeriesData{};
    }

    SegmentBuilder builder = SegmentBuilder::example();
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    OpenOptions options;
    std::uint64_t now_ns = 2000 * kSecond;
};

// End times in seconds: what most tests want to see first.
inline std::vector<double> ends(const SeriesData& data) {
    std::vector<double> seconds;
    for (std::uint64_t ns : data.end_ns) seconds.push_back(static_cast<double>(ns) / 1e9);
    return seconds;
}

// Flags as letters: o open, c carried, p partial; "-" for none.
inline std::vector<std::string> flags(const SeriesData& data) {
    std::vector<std::string> all;
    for (std::uint8_t bits : data.flags) {
        std::string text;
        if ((bits & kPointOpen) != 0) text += 'o';
        if ((bits & kPointCarried) != 0) text += 'c';
        if ((bits & kPointPartial) != 0) text += 'p';
        all.push_back(text.empty() ? "-" : text);
    }
    return all;
}

}  // namespace ringside::agent::test
