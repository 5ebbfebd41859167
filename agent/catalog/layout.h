// Layouts: what a thousand VMs of one schema have in common, indexed once.
//
// A layout is a schema and the label sets of the registered series, without the VM. VMs that run the same program
// end up with the same layout, so that an index over it serves all of them: memory grows with layouts
// and VMs, hardly with series. A VM that registers a further series moves to another layout.
//
// Invariants:
//  L1  A layout never changes once it is built, so any thread may read it without a lock.
//  L2  Two VMs share a layout only if schema and label sets are equal; hashes only find candidates.
//  L3  Rows are in the order of rising series index; a posting list holds rising rows, no empty value has one.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/base/labels.h"
#include "agent/base/model.h"
#include "agent/base/result.h"

namespace ringside::agent {

using Row = std::uint32_t;  // position of a series in its layout

class Layout {
  public:
    // The values that one label name takes, and where. `__name__` is a label like others.
    struct LabelIndex {
        std::string name;
        std::vector<std::string> values;   // rising, none empty
        std::vector<std::uint32_t> begin;  // values.size() + 1 entries into rows
        std::vector<Row> rows;             // of values[0], then of values[1], ...; each run rising
        std::span<const Row> rows_of(std::size_t value) const;
        // The rows that have exactly this value; empty when there is none.
        std::span<const Row> find(std::string_view value) const;
    };

    // Builds the index of `series`, which come by rising index, each with as many values as its metric has labels.
    // kCorrupt when they do not: a source must never hand them out like that.
    static Result<std::shared_ptr<const Layout>> build(std::shared_ptr<const SchemaInfo> schema,
                                                       const std::vector<SeriesInfo>& series);

    // Whether it was built from these, apart from the times at which series were registered.
    bool equals(const SchemaInfo& schema, const std::vector<SeriesInfo>& series) const;

    std::size_t size() const { return rows_.size(); }
    const SchemaInfo& schema() const { return *schema_; }
    const std::shared_ptr<const SchemaInfo>& shared_schema() const { return schema_; }

    // Of one row, row < size().
    std::uint32_t series_index(Row row) const { return rows_[row].series_index; }
    std::uint32_t metric(Row row) const { return rows_[row].metric; }
    // The value of the label at this position of MetricInfo::label_names.
    std::string_view label_value(Row row, std::size_t position) const;
    // created_ns is 0: it differs from VM to VM.
    SeriesInfo series(Row row) const;

    // By rising name. A name that no series has a value for is not there.
    const std::vector<LabelIndex>& labels() const { return labels_; }
    const LabelIndex* label(std::string_view name) const;

    // Bytes of all label values with one NUL each: what budgets count.
    std::uint64_t label_bytes() const { return label_bytes_; }
    // An estimate of the memory it takes.
    std::size_t memory_bytes() const;

  private:
    struct RowEntry {
        std::uint32_t series_index;
        std::uint32_t metric;
        std::uint32_t first_value;  // into value_ids_, one for each label of the metric
    };
    static constexpr std::uint32_t kNoValue = UINT32_MAX;

    Layout() = default;
    void index(const std::vector<SeriesInfo>& series);

    std::shared_ptr<const SchemaInfo> schema_;
    std::vector<RowEntry> rows_;
    std::vector<std::uint32_t> value_ids_;                   // into LabelIndex::values of that label, or kNoValue
    std::vector<std::vector<std::uint32_t>> metric_labels_;  // label position -> labels_, per metric
    std::vector<LabelIndex> labels_;
    std::uint64_t label_bytes_ = 0;
};

// All layouts in use. Keeps none alive by itself. Any thread.
class LayoutTable {
  public:
    // The layout of these series: one that is in use already where there is one, else a new one.
    Result<std::shared_ptr<const Layout>> intern(std::shared_ptr<const SchemaInfo> schema,
                                                 const std::vector<SeriesInfo>& series);

    std::size_t size() const;          // layouts in use
    std::size_t memory_bytes() const;  // of all of them

  private:
    std::shared_ptr<const Layout> find(std::uint64_t hash, const SchemaInfo& schema,
                                       const std::vector<SeriesInfo>& series) const;

    mutable std::mutex mutex_;  // guards all below; not held while an index is built
    std::unordered_multimap<std::uint64_t, std::weak_ptr<const Layout>> layouts_;
    std::size_t sweep_at_ = 64;
};

}  // namespace ringside::agent
