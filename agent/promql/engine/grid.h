// What an expression comes to at each step: a row a series, a cell a step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "agent/promql/value/float_histogram.h"
#include "agent/promql/value/labels.h"

namespace ringside::agent::promql {

// The times that something is evaluated at.
struct Steps {
    std::int64_t begin_ms = 0;
    std::int64_t step_ms = 1;
    std::size_t count = 0;

    std::int64_t at(std::size_t step) const { return begin_ms + static_cast<std::int64_t>(step) * step_ms; }
    std::int64_t last() const { return at(count - 1); }
    Steps first_only() const { return {begin_ms, step_ms, 1}; }
};

enum class CellKind : std::uint8_t { kNone, kFloat, kHistogram };

// One cell, to be passed on. A histogram is shared and never changed.
struct Cell {
    CellKind kind = CellKind::kNone;
    double value = 0;
    HistogramPtr histogram;

    static Cell of(double value) { return {CellKind::kFloat, value, nullptr}; }
    static Cell of(HistogramPtr histogram) { return {CellKind::kHistogram, 0, std::move(histogram)}; }
    static Cell of(FloatHistogram histogram) {
        return of(std::make_shared<const FloatHistogram>(std::move(histogram)));
    }
    explicit operator bool() const { return kind != CellKind::kNone; }
};

// All cells in one block, so that a row costs no allocation of its own.
class Grid {
  public:
    explicit Grid(std::size_t steps = 0) : steps_(steps) {}

    std::size_t steps() const { return steps_; }
    std::size_t rows() const { return rows_.size(); }
    void reserve(std::size_t rows);
    // A row of empty cells; its number. `drop_name`: metadata labels are to go at the end of the query.
    std::size_t add_row(Labels labels, bool drop_name = false);

    const Labels& labels(std::size_t row) const { return rows_[row].labels; }
    void set_labels(std::size_t row, Labels labels) { rows_[row].labels = std::move(labels); }
    bool drop_name(std::size_t row) const { return rows_[row].drop_name; }
    void set_drop_name(std::size_t row, bool drop) { rows_[row].drop_name = drop; }

    CellKind kind(std::size_t row, std::size_t step) const { return kinds_[row * steps_ + step]; }
    double value(std::size_t row, std::size_t step) const { return values_[row * steps_ + step]; }
    const HistogramPtr& histogram(std::size_t row, std::size_t step) const { return histograms_[row * steps_ + step]; }
    Cell cell(std::size_t row, std::size_t step) const;

    void set(std::size_t row, std::size_t step, double value);
    void set(std::size_t row, std::size_t step, HistogramPtr histogram);
    void set(std::size_t row, std::size_t step, Cell cell);
    void clear(std::size_t row, std::size_t step) { kinds_[row * steps_ + step] = CellKind::kNone; }

    bool row_is_empty(std::size_t row) const;
    void drop_empty_rows();
    void drop_last_row();
    // The same rows in another order, or fewer of them.
    void arrange(const std::vector<std::size_t>& rows);
    // One step becomes `steps`, each with the same cells.
    void repeat(std::size_t steps);
    // As limits count samples: a cell takes its room whether it is filled or not, or a few samples in each of many long
    // rows would cost any amount of memory.
    std::uint64_t samples() const;

  private:
    struct Row {
        Labels labels;
        bool drop_name = false;
    };
    std::size_t steps_ = 0;
    std::vector<Row> rows_;
    std::vector<CellKind> kinds_;
    std::vector<double> values_;
    std::vector<HistogramPtr> histograms_;  // empty until the first one comes
};

// Limits are in samples; whatever takes room counts as one for each of these.
inline constexpr std::uint64_t kSampleBytes = 16;
// How many samples a histogram counts as.
std::uint64_t sample_weight(const FloatHistogram& histogram);

}  // namespace ringside::agent::promql
