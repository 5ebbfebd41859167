#include "agent/promql/engine/grid.h"

#include <algorithm>

namespace ringside::agent::promql {

std::uint64_t sample_weight(const FloatHistogram& histogram) {
    std::size_t bytes = sizeof(FloatHistogram) + histogram.custom_bounds.size() * sizeof(double) +
                        (histogram.positive.size() + histogram.negative.size()) * sizeof(BucketCount);
    return bytes / kSampleBytes;
}

void Grid::reserve(std::size_t rows) {
    rows_.reserve(rows);
    kinds_.reserve(rows * steps_);
    values_.reserve(rows * steps_);
}

std::size_t Grid::add_row(Labels labels, bool drop_name) {
    rows_.push_back({std::move(labels), drop_name});
    kinds_.resize(rows_.size() * steps_, CellKind::kNone);
    values_.resize(rows_.size() * steps_);
    if (!histograms_.empty()) histograms_.resize(rows_.size() * steps_);
    return rows_.size() - 1;
}

Cell Grid::cell(std::size_t row, std::size_t step) const {
    switch (kind(row, step)) {
        case CellKind::kNone: return {};
        case CellKind::kFloat: return Cell::of(value(row, step));
        case CellKind::kHistogram: return Cell::of(histogram(row, step));
    }
    return {};
}

void Grid::set(std::size_t row, std::size_t step, double value) {
    kinds_[row * steps_ + step] = CellKind::kFloat;
    values_[row * steps_ + step] = value;
}

void Grid::set(std::size_t row, std::size_t step, HistogramPtr histogram) {
    if (histograms_.empty()) histograms_.resize(rows_.size() * steps_);
    kinds_[row * steps_ + step] = CellKind::kHistogram;
    histograms_[row * steps_ + step] = std::move(histogram);
}

void Grid::set(std::size_t row, std::size_t step, Cell cell) {
    switch (cell.kind) {
        case CellKind::kNone: return clear(row, step);
        case CellKind::kFloat: return set(row, step, cell.value);
        case CellKind::kHistogram: return set(row, step, std::move(cell.histogram));
    }
}

bool Grid::row_is_empty(std::size_t row) const {
    auto begin = kinds_.begin() + static_cast<std::ptrdiff_t>(row * steps_);
    return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(steps_),
                       [](CellKind kind) { return kind == CellKind::kNone; });
}

void Grid::drop_empty_rows() {
    std::vector<std::size_t> filled;
    for (std::size_t row = 0; row < rows(); ++row) {
        if (!row_is_empty(row)) filled.push_back(row);
    }
    if (filled.size() < rows()) arrange(filled);
}

void Grid::drop_last_row() {
    rows_.pop_back();
    kinds_.resize(rows_.size() * steps_);
    values_.resize(rows_.size() * steps_);
    if (!histograms_.empty()) histograms_.resize(rows_.size() * steps_);
}

void Grid::arrange(const std::vector<std::size_t>& rows) {
    Grid arranged(steps_);
    arranged.reserve(rows.size());
    for (std::size_t row : rows) {
        std::size_t to = arranged.add_row(labels(row), drop_name(row));
        for (std::size_t step = 0; step < steps_; ++step) arranged.set(to, step, cell(row, step));
    }
    *this = std::move(arranged);
}

void Grid::repeat(std::size_t steps) {
    Grid repeated(steps);
    repeated.reserve(rows());
    for (std::size_t row = 0; row < rows(); ++row) {
        repeated.add_row(labels(row), drop_name(row));
        for (std::size_t step = 0; step < steps; ++step) repeated.set(row, step, cell(row, 0));
    }
    *this = std::move(repeated);
}

std::uint64_t Grid::samples() const {
    std::uint64_t samples = kinds_.size();
    for (std::size_t i = 0; i < histograms_.size(); ++i) {
        if (kinds_[i] == CellKind::kHistogram) samples += sample_weight(*histograms_[i]);
    }
    return samples;
}

}  // namespace ringside::agent::promql
