// A checked segment as lines for people.
#include "agent/segment/header.h"
#include "agent/segment/live_segment.h"

namespace ringside::agent {

namespace {

std::string hex(const std::array<std::uint8_t, 16>& bytes) { return epoch_text(bytes); }

const char* state_text(std::uint32_t state) {
    switch (state) {
        case RSIDE_STATE_PROVISIONED: return "provisioned";
        case RSIDE_STATE_ATTACHED: return "attached";
        case RSIDE_STATE_CLOSED: return "closed";
        default: return "invalid";
    }
}

std::string column_text(std::uint32_t columns) {
    static constexpr const char* kNames[] = {"count", "sum", "min", "max", "last", "value", "buckets"};
    std::string text;
    for (std::uint32_t bit = 0; bit < std::size(kNames); ++bit) {
        if ((columns >> bit & 1) == 0) continue;
        if (!text.empty()) text += ' ';
        text += kNames[bit];
    }
    return text;
}

}  // namespace

std::vector<LiveSegment::Fact> LiveSegment::facts() const {
    const SegmentLayout& layout = *header_->layout;
    const rside_geometry& at = layout.geometry;
    std::vector<Fact> facts;
    auto text = [&](const char* name, std::string value) { facts.push_back({name, std::move(value)}); };
    auto number = [&](const char* name, std::uint64_t value) { text(name, std::to_string(value)); };

    number("format_version", RSIDE_FORMAT_VERSION);
    text("vm_id", header_->name.vm_id);
    text("component", header_->name.component);
    text("epoch", epoch_text(header_->name.epoch));
    text("boot_id", hex(header_->boot_id));
    number("created_ns", header_->created_ns);
    number("segment_bytes", header_->segment_bytes);
    text("schema", layout.schema->name + " v" + std::to_string(layout.schema->version));
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(layout.schema->hash));
    text("schema_hash", hash);
    number("schema_offset", at.schema_offset);
    number("schema_bytes", at.schema_bytes);
    number("directory_offset", at.directory_offset);
    number("arena_offset", at.arena_offset);
    number("cells_offset", at.cells_offset);
    number("accumulators_offset", at.accumulators_offset);
    number("hot_buckets_offset", at.hot_buckets_offset);
    number("rings_offset", at.rings_offset);
    number("series_capacity", at.series_capacity);
    for (std::size_t t = 0; t < layout.schema->tiers.size(); ++t) {
        const TierInfo& tier = layout.schema->tiers[t];
        facts.push_back({"tier_" + std::to_string(t), std::to_string(tier.resolution_s) + "s x " +
                                                          std::to_string(tier.slots) + ": " +
                                                          column_text(tier.columns)});
    }
    std::optional<WriterPart> writer = read_writer_part(*source_);
    if (!writer) return facts;
    text("state", state_text(writer->state));
    number("attached_ns", writer->attached_ns);
    number("closed_ns", writer->closed_ns);
    text("close_code", std::to_string(writer->close_code));
    text("close_text", writer->close_text);
    text("clock", writer->ticking ? "tick" : "coarse");
    number("tick_ns", writer->tick_ns);
    number("writer_pid", writer->writer_pid);
    number("series_count", writer->series_count);
    number("rejected_samples", writer->rejected_samples);
    number("refused_series", writer->refused_series);
    number("clock_steps_back", writer->clock_steps_back);
    number("rebases", writer->rebases);
    return facts;
}

}  // namespace ringside::agent
