#include "libwriter/toml/owned_schema.h"

#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace ringside {

// The vectors are filled once and the deques never move an element, so the pointers below stay right.
struct OwnedSchema::Storage {
    rside_schema schema{};
    std::deque<std::string> strings;
    std::deque<std::vector<const char*>> labels;
    std::vector<rside_tier> tiers;
    std::vector<rside_metric> metrics;

    const char* keep(const char* text) { return text ? strings.emplace_back(text).c_str() : nullptr; }
};

OwnedSchema::OwnedSchema(const rside_schema& schema) : storage_(std::make_unique<Storage>()) {
    Storage& own = *storage_;
    own.schema = schema;
    own.schema.name = own.keep(schema.name);
    if (schema.tiers) own.tiers.assign(schema.tiers, schema.tiers + schema.tier_count);
    own.schema.tiers = own.tiers.data();
    own.schema.tier_count = static_cast<std::uint32_t>(own.tiers.size());
    if (schema.metrics) own.metrics.assign(schema.metrics, schema.metrics + schema.metric_count);
    own.schema.metrics = own.metrics.data();
    own.schema.metric_count = static_cast<std::uint32_t>(own.metrics.size());
    for (rside_metric& metric : own.metrics) {
        metric.name = own.keep(metric.name);
        metric.unit = own.keep(metric.unit);
        metric.help = own.keep(metric.help);
        std::vector<const char*>& labels = own.labels.emplace_back();
        if (metric.labels) {
            for (std::uint32_t i = 0; i < metric.label_count; ++i) {
                labels.push_back(own.keep(metric.labels[i]));
            }
        }
        metric.labels = labels.empty() ? nullptr : labels.data();
        metric.label_count = static_cast<std::uint32_t>(labels.size());
    }
}

OwnedSchema::OwnedSchema(OwnedSchema&&) noexcept = default;
OwnedSchema& OwnedSchema::operator=(OwnedSchema&&) noexcept = default;
OwnedSchema::~OwnedSchema() = default;

const rside_schema* OwnedSchema::get() const noexcept { return storage_ ? &storage_->schema : nullptr; }

bool OwnedSchema::set_max_series(std::string_view metric, std::uint32_t max_series) noexcept {
    for (rside_metric& candidate : storage_->metrics) {
        if (candidate.name && metric == candidate.name) {
            candidate.max_series = max_series;
            return true;
        }
    }
    return false;
}

}  // namespace ringside
