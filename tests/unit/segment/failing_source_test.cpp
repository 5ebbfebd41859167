// A kernel that fails to read is not a file that was cut: the first may pass, the second is for good.
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "agent/segment/header.h"
#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

// What fails, and how. `errno_value` 0 is a file that was cut.
struct Failure {
    std::uint64_t left = std::numeric_limits<std::uint64_t>::max();  // reads that succeed before the first failure
    std::uint64_t failures = 0;                                      // that come then
    int errno_value = 0;
    std::optional<std::uint64_t> size;  // that the file is said to have
};

class FailingBytes : public ByteSource {
  public:
    FailingBytes(std::vector<std::byte> bytes, std::shared_ptr<Failure> failure)
        : bytes_(std::move(bytes)), failure_(std::move(failure)) {}

    bool read(std::uint64_t offset, void* to, std::size_t size) const override {
        if (failure_->left > 0) {
            --failure_->left;
            return bytes_.read(offset, to, size);
        }
        if (failure_->failures == 0) return bytes_.read(offset, to, size);
        --failure_->failures;
        errno = failure_->errno_value;
        return false;
    }
    std::uint64_t size() const override { return failure_->size.value_or(bytes_.size()); }

  private:
    MemoryBytes bytes_;
    std::shared_ptr<Failure> failure_;
};

class FailingSource : public SegmentReading {
  protected:
    FailingSource() {
        gauge = builder.add("memory_bytes", {"heap"});
        builder.set_open(gauge, 1500 * kSecond);
        counter = builder.add("requests_total", {"/"});
        builder.set_open(counter, 1500 * kSecond);
        builder.set_counter(counter, 42);
        builder.close(1600 * kSecond, 3, "planned");
    }

    std::shared_ptr<LiveSegment> open_failing() {
        auto source = std::make_unique<FailingBytes>(builder.bytes, failure);
        auto header = read_header(*source, *layouts, nullptr);
        EXPECT_TRUE(header);
        return std::make_shared<LiveSegment>(std::move(source), *std::move(header), LiveSegment::File{}, options.now);
    }

    void fail(std::uint64_t after, std::uint64_t times, int errno_value) { *failure = {after, times, errno_value, {}}; }

    std::shared_ptr<Failure> failure = std::make_shared<Failure>();
    std::uint32_t gauge = 0;
    std::uint32_t counter = 0;
};

TEST_F(FailingSource, NoticesACutBeforeAnyReadMeetsIt) {
    for (std::uint64_t left : {std::uint64_t{0}, builder.bytes.size() - 1}) {
        std::shared_ptr<LiveSegment> segment = open_failing();
        EXPECT_FALSE(segment->condition());
        failure->size = left;
        ASSERT_TRUE(segment->condition()) << left;
        EXPECT_EQ(segment->condition()->reason, QuarantineReason::kShrunk);
        EXPECT_FALSE(segment->series());
        failure->size.reset();
    }
}

TEST_F(FailingSource, AnyReadThatFailsIsWorthAnotherTry) {
    for (int errno_value : {EIO, ENOMEM, EINTR}) {
        std::uint64_t failed = 0;
        for (std::uint64_t k = 0;; ++k) {
            std::shared_ptr<LiveSegment> segment = open_failing();
            fail(k, 1, errno_value);
            auto series = segment->series();
            auto data = series ? segment->read(counter, {}) : Result<SeriesData>(series.error());
            const bool hit = failure->failures == 0;
            EXPECT_EQ(data.ok(), !hit) << k;
            if (!data.ok()) {
                ++failed;
                EXPECT_EQ(data.error().code, Code::kUnavailable) << data.error().message();
                EXPECT_NE(data.error().message().find(std::strerror(errno_value)), std::string::npos);
            }
            EXPECT_FALSE(segment->condition()) << k;
            failure->failures = 0;
            ASSERT_TRUE(segment->series());
            auto again = segment->read(counter, {});
            ASSERT_TRUE(again) << again.error().message();
            EXPECT_EQ(again->value.back(), 42) << k;
            if (!hit) break;
        }
        EXPECT_GT(failed, 5u) << "the failures did not reach the reader";
    }
}

TEST_F(FailingSource, AFileThatWasCutStaysBad) {
    std::shared_ptr<LiveSegment> segment = open_failing();
    ASSERT_TRUE(segment->series());
    fail(1, 1, 0);
    auto data = segment->read(counter, {});
    ASSERT_FALSE(data);
    EXPECT_EQ(data.error().code, Code::kCorrupt);
    ASSERT_TRUE(segment->condition());
    EXPECT_EQ(segment->condition()->reason, QuarantineReason::kShrunk);
    EXPECT_EQ(segment->series().error().code, Code::kCorrupt) << "the archive asks again before it counts";
}

TEST_F(FailingSource, SettlingIsTriedAgain) {
    for (std::uint64_t k = 0;; ++k) {
        std::shared_ptr<LiveSegment> segment = open_failing();
        fail(k, 1, EIO);
        auto settled = segment->settle();
        const bool hit = failure->failures == 0;
        EXPECT_FALSE(segment->condition()) << k;
        failure->failures = 0;
        ASSERT_TRUE(segment->settle()) << k;
        EXPECT_EQ(segment->vm().ended_ns, 1600 * kSecond) << k;
        if (!hit) break;
    }
}

TEST_F(FailingSource, AVmThatCannotBeReadAnyMoreIsWhatItWas) {
    std::shared_ptr<LiveSegment> segment = open_failing();
    ASSERT_TRUE(segment->settle());
    const VmInfo before = segment->vm();
    for (std::uint64_t k = 0; k < 3; ++k) {
        fail(k, std::numeric_limits<std::uint64_t>::max(), EIO);
        const VmInfo vm = segment->vm();
        EXPECT_EQ(vm.series_count, before.series_count) << k;
        EXPECT_EQ(vm.last_write_ns, before.last_write_ns) << k;
        EXPECT_EQ(vm.closed_ns, before.closed_ns) << k;
        EXPECT_EQ(vm.close_text, "planned") << k;
        EXPECT_EQ(vm.ended_ns, before.ended_ns) << k;
        EXPECT_EQ(vm.state, VmState::kExited) << k;
    }
    EXPECT_FALSE(segment->condition());
}

}  // namespace
}  // namespace ringside::agent::test
