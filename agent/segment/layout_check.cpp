// Checking a schema block. Every number in it was written by another process; the order of the checks is the order in which
// later ones rely on earlier ones.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "agent/base/text.h"
#include "agent/segment/layout.h"
#include "agent/segment/text.h"
#include "agent/segment/untrusted.h"

namespace ringside::agent {

namespace {

Refusal bad(std::string detail) { return {QuarantineReason::kBadSchema, std::move(detail)}; }

using Found = std::optional<Refusal>;  // nothing: the check passed

// Bounds of a double's binary exponent, subnormals included: no bucket index can lie outside of them times 2^scale.
constexpr double kMinExponent = -1074;
constexpr double kMaxExponent = 1024;

class SchemaCheck {
  public:
    explicit SchemaCheck(std::vector<std::byte> block) { layout_.bytes = std::move(block); }

    Checked<SegmentLayout> run() {
        if (Found found = check_head()) return *std::move(found);
        if (Found found = check_tiers()) return *std::move(found);
        for (std::uint32_t m = 0; m < head_.metric_count; ++m) {
            if (Found found = check_metric(m)) return *std::move(found);
        }
        // Else a schema of a few hundred KiB could make the agent hold, and archive, one of many MiB.
        if (string_bytes_ > head_.strings_bytes) return bad("its metrics share the bytes of their strings");
        layout_.metrics.resize(head_.metric_count);
        if (rside_geometry_compute(&head_, tiers_.data(), metrics_.data(), &layout_.geometry, layout_.metrics.data()) !=
            0) {
            return bad("it asks for more than " + std::to_string(RSIDE_MAX_SERIES) + " series or " +
                       std::to_string(RSIDE_MAX_SEGMENT_BYTES) + " bytes");
        }
        schema_.series_capacity = layout_.geometry.series_capacity;
        schema_.hash = rside_hash(layout_.bytes.data(), layout_.bytes.size());
        schema_.label_arena_bytes = head_.label_arena_bytes;
        layout_.schema = std::make_shared<const SchemaInfo>(std::move(schema_));
        return std::move(layout_);
    }

  private:
    template <typename T>
    void copy_out(std::size_t offset, T* to, std::size_t count) const {
        std::memcpy(to, layout_.bytes.data() + offset, count * sizeof(T));
    }

    Found check_head() {
        if (layout_.bytes.size() < sizeof head_) return bad("it is shorter than its fixed part");
        copy_out(0, &head_, 1);
        if (!Untrusted(head_.tier_count).between(1, RSIDE_MAX_TIERS)) {
            return bad("it has " + std::to_string(head_.tier_count) + " tiers");
        }
        if (!Untrusted(head_.metric_count).between(1, RSIDE_MAX_METRICS)) {
            return bad("it has " + std::to_string(head_.metric_count) + " metrics");
        }
        if (!Untrusted(head_.strings_bytes).at_most(RSIDE_MAX_STRINGS_BYTES) || head_.strings_bytes % 8 != 0) {
            return bad("its strings take " + std::to_string(head_.strings_bytes) + " bytes");
        }
        if (!Untrusted(head_.label_arena_bytes).at_most(RSIDE_MAX_ARENA_BYTES)) {
            return bad("its label arena takes " + std::to_string(head_.label_arena_bytes) + " bytes");
        }
        if (rside_schema_block_bytes(&head_) != layout_.bytes.size()) {
            return bad("its counts do not add up to its length of " + std::to_string(layout_.bytes.size()) + " bytes");
        }
        tiers_.resize(head_.tier_count);
        metrics_.resize(head_.metric_count);
        std::size_t tiers_at = sizeof head_;
        std::size_t metrics_at = tiers_at + tiers_.size() * sizeof(rside_tier_record);
        std::size_t strings_at = metrics_at + metrics_.size() * sizeof(rside_metric_record);
        copy_out(tiers_at, tiers_.data(), tiers_.size());
        copy_out(metrics_at, metrics_.data(), metrics_.size());
        strings_ =
            std::string_view(reinterpret_cast<const char*>(layout_.bytes.data()) + strings_at, head_.strings_bytes);

        std::string_view name(head_.name, strnlen(head_.name, sizeof head_.name));
        if (!valid_identifier(name)) return bad("its name is \"" + printable(name) + "\"");
        schema_.name = name;
        schema_.version = head_.version;
        return std::nullopt;
    }

    Found check_tiers() {
        for (std::size_t t = 0; t < tiers_.size(); ++t) {
            const rside_tier_record& tier = tiers_[t];
            std::string which = "tier " + std::to_string(t);
            if (!Untrusted(tier.resolution_s).between(1, RSIDE_MAX_RESOLUTION_S)) {
                return bad(which + " has a resolution of " + std::to_string(tier.resolution_s) + " s");
            }
            if (!Untrusted(tier.slots).between(2, RSIDE_MAX_SLOTS)) {
                return bad(which + " has " + std::to_string(tier.slots) + " slots");
            }
            if (!Untrusted(tier.columns).between(1, RSIDE_COLUMNS_ALL)) {
                return bad(which + " has the columns " + std::to_string(tier.columns));
            }
            if (t > 0 && (tier.resolution_s <= tiers_[t - 1].resolution_s ||
                          tier.resolution_s % tiers_[t - 1].resolution_s != 0)) {
                return bad(which + " is no larger multiple of the one before it");
            }
            schema_.tiers.push_back({tier.resolution_s, tier.slots, tier.columns});
        }
        return std::nullopt;
    }

    // The string at `offset`, if it ends within the table and has at most `max` bytes.
    std::optional<std::string_view> string_at(std::uint32_t offset, std::size_t max) {
        std::optional<std::uint32_t> begin = Untrusted(offset).index_below(static_cast<std::uint32_t>(strings_.size()));
        if (!begin) return std::nullopt;
        std::string_view rest = strings_.substr(*begin, max + 1);
        std::size_t end = rest.find('\0');
        if (end == std::string_view::npos) return std::nullopt;
        string_bytes_ += end + 1;
        return rest.substr(0, end);
    }

    Found check_metric(std::uint32_t index) {
        const rside_metric_record& record = metrics_[index];
        MetricInfo info;
        std::optional<std::string_view> name = string_at(record.name, RSIDE_MAX_NAME_BYTES - 1);
        if (!name || !valid_identifier(*name)) {
            return bad("metric " + std::to_string(index) + " has no valid name");
        }
        info.name = *name;
        if (!names_.insert(info.name).second) return bad("metric " + info.name + " is there twice");
        std::string which = "metric " + info.name;

        std::optional<std::string_view> unit = string_at(record.unit, RSIDE_MAX_UNIT_BYTES);
        std::optional<std::string_view> help = string_at(record.help, RSIDE_MAX_HELP_BYTES);
        if (!unit || !help || !is_utf8(*unit) || !is_utf8(*help)) return bad(which + " has no valid unit or help");
        info.unit = printable(*unit);
        info.help = printable(*help);

        if (!Untrusted(record.kind).between(RSIDE_COUNTER, RSIDE_INFO)) {
            return bad(which + " is of kind " + std::to_string(record.kind));
        }
        info.kind = static_cast<Kind>(record.kind);
        bool may_share = record.kind == RSIDE_COUNTER;
        if (record.flags != 0 && !(record.flags == RSIDE_METRIC_SHARED && may_share)) {
            return bad(which + " has the flags " + std::to_string(record.flags));
        }
        info.flags = record.flags;
        if (!Untrusted(record.max_series).between(1, RSIDE_MAX_SERIES)) {
            return bad(which + " has room for " + std::to_string(record.max_series) + " series");
        }
        info.max_series = record.max_series;

        if (Found found = check_labels(record, which, &info)) return found;
        if (Found found = check_buckets(record, which, &info)) return found;
        schema_.metrics.push_back(std::move(info));
        return std::nullopt;
    }

    Found check_labels(const rside_metric_record& record, const std::string& which, MetricInfo* info) {
        if (!Untrusted(record.label_count).at_most(RSIDE_MAX_LABELS)) {
            return bad(which + " has " + std::to_string(record.label_count) + " labels");
        }
        // offset stays within strings_bytes + 1: it only moves past strings that string_at found in the table.
        std::uint32_t offset = record.labels;
        for (std::uint32_t i = 0; i < record.label_count; ++i) {
            std::optional<std::string_view> label = string_at(offset, RSIDE_MAX_NAME_BYTES - 1);
            if (!label || !valid_identifier(*label)) {
                return bad(which + " has no valid name for its label " + std::to_string(i));
            }
            if (reserved_label(*label)) return bad(which + " uses the reserved label " + std::string(*label));
            if (std::ranges::find(info->label_names, *label) != info->label_names.end()) {
                return bad(which + " has the label " + std::string(*label) + " twice");
            }
            info->label_names.emplace_back(*label);
            offset += static_cast<std::uint32_t>(label->size()) + 1;
        }
        return std::nullopt;
    }

    Found check_buckets(const rside_metric_record& record, const std::string& which, MetricInfo* info) {
        // Other kinds do not look at these fields; the geometry does at bucket_count, of histograms only.
        if (record.kind != RSIDE_HISTOGRAM) return std::nullopt;
        if (record.histogram_scale < RSIDE_HISTOGRAM_SCALE_MIN || record.histogram_scale > RSIDE_HISTOGRAM_SCALE_MAX) {
            return bad(which + " has the scale " + std::to_string(record.histogram_scale));
        }
        if (!Untrusted(record.bucket_count).between(1, RSIDE_MAX_BUCKETS)) {
            return bad(which + " has " + std::to_string(record.bucket_count) + " buckets");
        }
        double first = record.bucket_first;
        double last = first + record.bucket_count - 1;
        if (first < std::floor(std::ldexp(kMinExponent, record.histogram_scale)) ||
            last > std::ceil(std::ldexp(kMaxExponent, record.histogram_scale))) {
            return bad(which + " has buckets that no number falls into");
        }
        info->histogram_scale = record.histogram_scale;
        info->bucket_first = record.bucket_first;
        info->bucket_count = record.bucket_count;
        return std::nullopt;
    }

    SegmentLayout layout_;
    SchemaInfo schema_;
    rside_schema_block head_{};
    std::vector<rside_tier_record> tiers_;
    std::vector<rside_metric_record> metrics_;
    std::string_view strings_;        // into layout_.bytes
    std::uint64_t string_bytes_ = 0;  // of all that were found in it, each counted where it is named
    std::unordered_set<std::string> names_;
};

}  // namespace

Checked<SegmentLayout> check_schema(std::vector<std::byte> block) { return SchemaCheck(std::move(block)).run(); }

}  // namespace ringside::agent
