#include "agent/catalog/layout.h"

#include <algorithm>
#include <map>

namespace ringside::agent {
namespace {

// Distinct values of one label and their rows, while the index is built. The views point into the series and the schema
// that build() was given.
using ValueRows = std::map<std::string_view, std::vector<Row>>;

Layout::LabelIndex flatten(std::string_view name, const ValueRows& values) {
    Layout::LabelIndex index;
    index.name = name;
    index.begin.push_back(0);
    for (const auto& [value, rows] : values) {
        index.values.emplace_back(value);
        index.rows.insert(index.rows.end(), rows.begin(), rows.end());
        index.begin.push_back(static_cast<std::uint32_t>(index.rows.size()));
    }
    index.rows.shrink_to_fit();
    return index;
}

Result<void> check(const SchemaInfo& schema, const std::vector<SeriesInfo>& series) {
    std::int64_t before = -1;
    for (const SeriesInfo& one : series) {
        if (one.index <= before) return error(Code::kCorrupt, "series do not come by rising index");
        before = one.index;
        if (one.metric >= schema.metrics.size()) {
            return error(Code::kCorrupt, "series " + std::to_string(one.index) + " has no metric in its schema");
        }
        if (one.label_values.size() != schema.metrics[one.metric].label_names.size()) {
            return error(Code::kCorrupt, "series " + std::to_string(one.index) + " has " +
                                             std::to_string(one.label_values.size()) +
                                             " label values, its metric has " +
                                             std::to_string(schema.metrics[one.metric].label_names.size()));
        }
    }
    return {};
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    // 2^64 divided by the golden ratio, as boost::hash_combine has it.
    return hash ^ (value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2));
}

std::uint64_t content_hash(const SchemaInfo& schema, const std::vector<SeriesInfo>& series) {
    std::uint64_t hash = mix(schema.hash, series.size());
    for (const SeriesInfo& one : series) {
        hash = mix(hash, one.index);
        for (const std::string& value : one.label_values) {
            hash = mix(hash, std::hash<std::string>{}(value));
        }
    }
    return hash;
}

}  // namespace

std::span<const Row> Layout::LabelIndex::rows_of(std::size_t value) const {
    return std::span(rows).subspan(begin[value], begin[value + 1] - begin[value]);
}

std::span<const Row> Layout::LabelIndex::find(std::string_view value) const {
    auto at = std::lower_bound(values.begin(), values.end(), value);
    if (at == values.end() || *at != value) return {};
    return rows_of(static_cast<std::size_t>(at - values.begin()));
}

Result<std::shared_ptr<const Layout>> Layout::build(std::shared_ptr<const SchemaInfo> schema,
                                                    const std::vector<SeriesInfo>& series) {
    if (auto sound = check(*schema, series); !sound) return sound.error();
    std::shared_ptr<Layout> layout(new Layout());
    layout->schema_ = std::move(schema);
    layout->index(series);
    return std::shared_ptr<const Layout>(std::move(layout));
}

void Layout::index(const std::vector<SeriesInfo>& series) {
    std::map<std::string_view, ValueRows> by_label;
    rows_.reserve(series.size());
    for (const SeriesInfo& one : series) {
        const auto row = static_cast<Row>(rows_.size());
        const MetricInfo& metric = schema_->metrics[one.metric];
        by_label[kNameLabel][metric.name].push_back(row);
        for (std::size_t i = 0; i < one.label_values.size(); ++i) {
            label_bytes_ += one.label_values[i].size() + 1;
            if (!one.label_values[i].empty()) {
                by_label[metric.label_names[i]][one.label_values[i]].push_back(row);
            }
        }
        rows_.push_back({one.index, one.metric, static_cast<std::uint32_t>(value_ids_.size())});
        value_ids_.resize(value_ids_.size() + one.label_values.size(), kNoValue);
    }
    for (const auto& [name, values] : by_label) labels_.push_back(flatten(name, values));

    metric_labels_.resize(schema_->metrics.size());
    for (std::size_t m = 0; m < schema_->metrics.size(); ++m) {
        for (const std::string& name : schema_->metrics[m].label_names) {
            const LabelIndex* found = label(name);
            metric_labels_[m].push_back(found ? static_cast<std::uint32_t>(found - labels_.data()) : kNoValue);
        }
    }
    // The way back from a row to its values, by way of the posting lists.
    for (std::size_t l = 0; l < labels_.size(); ++l) {
        for (std::size_t value = 0; value < labels_[l].values.size(); ++value) {
            for (Row row : labels_[l].rows_of(value)) {
                const auto& positions = metric_labels_[rows_[row].metric];
                for (std::size_t i = 0; i < positions.size(); ++i) {
                    if (positions[i] == l) {
                        value_ids_[rows_[row].first_value + i] = static_cast<std::uint32_t>(value);
                    }
                }
            }
        }
    }
}

bool Layout::equals(const SchemaInfo& schema, const std::vector<SeriesInfo>& series) const {
    if (series.size() != rows_.size()) return false;
    if (&schema != schema_.get() && !(schema == *schema_)) return false;
    for (Row row = 0; row < rows_.size(); ++row) {
        const SeriesInfo& one = series[row];
        if (one.index != rows_[row].series_index || one.metric != rows_[row].metric) return false;
        if (one.label_values.size() != metric_labels_[one.metric].size()) return false;
        for (std::size_t i = 0; i < one.label_values.size(); ++i) {
            if (one.label_values[i] != label_value(row, i)) return false;
        }
    }
    return true;
}

std::string_view Layout::label_value(Row row, std::size_t position) const {
    const std::uint32_t value = value_ids_[rows_[row].first_value + position];
    if (value == kNoValue) return {};
    return labels_[metric_labels_[rows_[row].metric][position]].values[value];
}

SeriesInfo Layout::series(Row row) const {
    SeriesInfo info;
    info.index = rows_[row].series_index;
    info.metric = rows_[row].metric;
    for (std::size_t i = 0; i < metric_labels_[info.metric].size(); ++i) {
        info.label_values.emplace_back(label_value(row, i));
    }
    return info;
}

const Layout::LabelIndex* Layout::label(std::string_view name) const {
    auto at = std::lower_bound(labels_.begin(), labels_.end(), name,
                               [](const LabelIndex& index, std::string_view n) { return index.name < n; });
    return at != labels_.end() && at->name == name ? &*at : nullptr;
}

std::size_t Layout::memory_bytes() const {
    std::size_t bytes =
        sizeof(Layout) + rows_.capacity() * sizeof(RowEntry) + value_ids_.capacity() * sizeof(std::uint32_t);
    for (const LabelIndex& index : labels_) {
        bytes +=
            sizeof(LabelIndex) + index.rows.capacity() * sizeof(Row) + index.begin.capacity() * sizeof(std::uint32_t);
        for (const std::string& value : index.values) {
            bytes += sizeof(std::string) + (value.size() > 15 ? value.capacity() + 1 : 0);
        }
    }
    for (const auto& positions : metric_labels_) {
        bytes += sizeof(positions) + positions.capacity() * sizeof(std::uint32_t);
    }
    return bytes;
}

std::shared_ptr<const Layout> LayoutTable::find(std::uint64_t hash, const SchemaInfo& schema,
                                                const std::vector<SeriesInfo>& series) const {
    auto [begin, end] = layouts_.equal_range(hash);
    for (auto at = begin; at != end; ++at) {
        auto layout = at->second.lock();
        if (layout && layout->equals(schema, series)) return layout;
    }
    return nullptr;
}

Result<std::shared_ptr<const Layout>> LayoutTable::intern(std::shared_ptr<const SchemaInfo> schema,
                                                          const std::vector<SeriesInfo>& series) {
    const std::uint64_t hash = content_hash(*schema, series);
    {
        std::lock_guard lock(mutex_);
        if (auto found = find(hash, *schema, series)) return found;
    }
    auto built = Layout::build(std::move(schema), series);
    if (!built) return built.error();

    std::lock_guard lock(mutex_);
    // Another thread may have built the same one in the meantime.
    if (auto found = find(hash, (*built)->schema(), series)) return found;
    if (layouts_.size() >= sweep_at_) {
        std::erase_if(layouts_, [](const auto& entry) { return entry.second.expired(); });
        sweep_at_ = std::max<std::size_t>(64, layouts_.size() * 2);
    }
    layouts_.emplace(hash, *built);
    return built;
}

std::size_t LayoutTable::size() const {
    std::lock_guard lock(mutex_);
    auto in_use = [](const auto& entry) { return !entry.second.expired(); };
    return static_cast<std::size_t>(std::count_if(layouts_.begin(), layouts_.end(), in_use));
}

std::size_t LayoutTable::memory_bytes() const {
    std::lock_guard lock(mutex_);
    std::size_t bytes = 0;
    for (const auto& [hash, weak] : layouts_) {
        if (auto layout = weak.lock()) bytes += layout->memory_bytes();
    }
    return bytes;
}

}  // namespace ringside::agent
