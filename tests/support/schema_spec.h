// Schemas put together piece by piece, for tests of the writer.
#pragma once

#include <ringside/ringside.h>

#include <deque>
#include <string>
#include <vector>

namespace ringside {

// Owns all that the schema points to. Copies are rebuilt on use, so a spec can be handed around by value.
class SchemaSpec {
  public:
    explicit SchemaSpec(std::string name = "test") : name_(std::move(name)) {}

    SchemaSpec& tier(std::uint32_t resolution_s, std::uint32_t slots, std::uint32_t columns = RSIDE_COLUMNS_ALL) {
        tiers_.push_back({resolution_s, slots, columns});
        return *this;
    }
    SchemaSpec& metric(const std::string& name, rside_kind kind, std::uint32_t max_series = 1,
                       const std::vector<std::string>& labels = {}, std::uint8_t flags = 0) {
        Metric metric;
        metric.name = name;
        metric.labels = labels;
        metric.record.kind = static_cast<std::uint8_t>(kind);
        metric.record.flags = flags;
        metric.record.max_series = max_series;
        metrics_.push_back(std::move(metric));
        return *this;
    }
    SchemaSpec& histogram(const std::string& name, int scale, double lowest, double highest,
                          std::uint32_t max_series = 1, const std::vector<std::string>& labels = {}) {
        metric(name, RSIDE_HISTOGRAM, max_series, labels);
        rside_metric& record = metrics_.back().record;
        record.histogram_scale = static_cast<std::int8_t>(scale);
        record.histogram_lowest = lowest;
        record.histogram_highest = highest;
        return *this;
    }
    SchemaSpec& describe(const std::string& unit, const std::string& help) {
        metrics_.back().unit = unit;
        metrics_.back().help = help;
        return *this;
    }
    SchemaSpec& version(std::uint32_t version) {
        version_ = version;
        return *this;
    }
    SchemaSpec& arena(std::uint32_t bytes) {
        arena_bytes_ = bytes;
        return *this;
    }

    // Valid until the spec changes.
    const rside_schema* get() {
        records_.clear();
        labels_.clear();
        for (Metric& metric : metrics_) {
            labels_.emplace_back();
            for (const std::string& label : metric.labels) labels_.back().push_back(label.c_str());
            rside_metric record = metric.record;
            record.name = metric.name.c_str();
            record.unit = metric.unit.c_str();
            record.help = metric.help.c_str();
            record.labels = labels_.back().data();
            record.label_count = static_cast<std::uint32_t>(metric.labels.size());
            records_.push_back(record);
        }
        schema_ = {name_.c_str(),   version_,
                   tiers_.data(),   static_cast<std::uint32_t>(tiers_.size()),
                   records_.data(), static_cast<std::uint32_t>(records_.size()),
                   arena_bytes_};
        return &schema_;
    }

  private:
    struct Metric {
        std::string name, unit, help;
        std::vector<std::string> labels;
        rside_metric record = {};
    };
    std::string name_;
    std::uint32_t version_ = 1, arena_bytes_ = 0;
    std::vector<rside_tier> tiers_;
    std::vector<Metric> metrics_;
    std::vector<rside_metric> records_;
    std::deque<std::vector<const char*>> labels_;
    rside_schema schema_ = {};
};

}  // namespace ringside
