// A writer that changes its segment while it is read, so that the read takes as long as possible.
#include <algorithm>
#include <cstring>

#include "agent/segment/header.h"
#include "tests/unit/segment/segment_fixture.h"

namespace ringside::agent::test {
namespace {

class ShiftingSource : public SegmentReading {};

// A segment whose writer moves its open window between any two views, so that the ring ends where the next view begins.
class ShiftingBytes : public ByteSource {
  public:
    ShiftingBytes(std::vector<std::byte> bytes, std::uint64_t open_at, std::uint64_t next_open)
        : bytes_(std::move(bytes)), open_at_(open_at), next_open_(next_open) {}

    bool read(std::uint64_t offset, void* to, std::size_t size) const override {
        ++reads;
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), size, static_cast<std::byte*>(to));
        bool cell = offset <= open_at_ && open_at_ < offset + size && size == 64;
        if (cell && ++cells_ % 3 == 0) {  // the last look of a view
            std::uint64_t open_ns = next_open_-- * kSecond;
            std::memcpy(bytes_.data() + open_at_, &open_ns, sizeof open_ns);
        }
        return true;
    }
    std::uint64_t size() const override { return bytes_.size(); }

    mutable std::uint64_t reads = 0;

  private:
    mutable std::vector<std::byte> bytes_;
    std::uint64_t open_at_;
    mutable std::uint64_t next_open_;
    mutable std::uint64_t cells_ = 0;
};

TEST_F(ShiftingSource, IsNotReadWindowByWindow) {
    constexpr std::uint64_t kSlots = 60'000, kOpen = 200'000;
    builder.tiers = {{1, kSlots, 127}};
    builder.metrics = {{"memory_bytes", kLevel, 1}};
    builder.lay_out();
    set_time(kOpen * kSecond);
    std::uint32_t series = builder.add("memory_bytes");
    builder.set_open(series, kOpen * kSecond);
    std::uint64_t a_view = (1 << 20) / (builder.at.metric[series].slot_words[0] * 4);  // in windows
    builder.set_level(series, {0, 0, 1, 1, 1}, kOpen * kSecond);
    auto source =
        std::make_unique<ShiftingBytes>(builder.bytes, builder.cell_at(series) + 8, kOpen - a_view - 1 + kSlots);
    const ShiftingBytes& watched = *source;
    auto header = read_header(*source, *layouts, nullptr);
    ASSERT_TRUE(header);
    LiveSegment segment(std::move(source), *std::move(header), LiveSegment::File{}, options.now);
    ASSERT_TRUE(segment.series());
    std::uint64_t before = watched.reads;
    ReadRequest request{.end_ns = kOpen * kSecond, .open_window = false};
    (void)segment.read(series, request);
    EXPECT_LT(watched.reads - before, 100u);
}

}  // namespace
}  // namespace ringside::agent::test
