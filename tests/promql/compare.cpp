#include "tests/promql/compare.h"

#include <re2/re2.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "agent/promql/value/number.h"

namespace ringside::agent::promql::script {
namespace {

using Kind = Expectation::Kind;
using Difference = std::optional<std::string>;

constexpr double kRelative = 1e-6;

bool almost_equal(double a, double b) {
    if (is_stale(a) || is_stale(b)) return is_stale(a) && is_stale(b);
    if (std::isnan(a) && std::isnan(b)) return true;
    if (a == b) return true;
    const double size = std::fabs(a) + std::fabs(b);
    const double apart = std::fabs(a - b);
    constexpr double kSmallest = std::numeric_limits<double>::min();
    if (a == 0 || b == 0 || size < kSmallest) return apart < kRelative * kSmallest;
    return apart / std::min(size, std::numeric_limits<double>::max()) < kRelative;
}

bool same_buckets(const BucketCounts& a, const BucketCounts& b) {
    return std::ranges::equal(a, b, [](const BucketCount& one, const BucketCount& other) {
        return one.index == other.index && almost_equal(one.count, other.count);
    });
}

bool same_histogram(FloatHistogram expected, FloatHistogram got, bool hint_matters) {
    expected.compact();
    got.compact();
    return expected.schema == got.schema && almost_equal(expected.count, got.count) &&
           almost_equal(expected.sum, got.sum) && expected.zero_threshold == got.zero_threshold &&
           almost_equal(expected.zero_count, got.zero_count) &&
           (!expected.uses_custom_bounds() || expected.custom_bounds == got.custom_bounds) &&
           same_buckets(expected.positive, got.positive) && same_buckets(expected.negative, got.negative) &&
           (!hint_matters || expected.reset_hint == got.reset_hint);
}

std::string hint_text(ResetHint hint) {
    switch (hint) {
        case ResetHint::kUnknown: return "";
        case ResetHint::kReset: return " reset";
        case ResetHint::kNotReset: return " not_reset";
        case ResetHint::kGauge: return " gauge";
    }
    return "";
}

std::string value_text(double value, const HistogramPtr& histogram) {
    if (!histogram) return short_number(value);
    return "histogram schema " + std::to_string(histogram->schema) + hint_text(histogram->reset_hint) + " " +
           histogram->text();
}

std::string value_text(const SequenceValue& value) {
    return value.omitted ? "nothing" : value_text(value.value, value.histogram);
}

Difference compare_value(const SequenceValue& expected, double value, const HistogramPtr& histogram) {
    const bool same = expected.histogram
                          ? histogram && same_histogram(*expected.histogram, *histogram, expected.hint_given)
                          : !histogram && almost_equal(expected.value, value);
    if (same) return std::nullopt;
    return "expected " + value_text(expected) + ", got " + value_text(value, histogram);
}

Difference missing(const Eval& eval, const std::map<Labels, bool>& seen) {
    for (const auto& [labels, expected] : eval.series) {
        if (!seen.contains(labels)) return "expected " + labels.text() + ", which is not there";
    }
    return std::nullopt;
}

Difference compare(const Eval& eval, const VectorValue& vector) {
    if (eval.scalar) return "expected a scalar, got a vector";
    std::map<Labels, bool> seen;
    for (std::size_t i = 0; i < vector.size(); ++i) {
        const Sample& sample = vector[i];
        const auto expected = eval.series.find(sample.labels);
        if (expected == eval.series.end()) {
            return "unexpected " + sample.labels.text() + " with " + value_text(sample.value, sample.histogram);
        }
        if (eval.expects(Kind::kOrdered) && expected->second.position != i + 1) {
            return "expected " + sample.labels.text() + " at place " + std::to_string(expected->second.position) +
                   ", it is at " + std::to_string(i + 1);
        }
        if (expected->second.values.empty()) return sample.labels.text() + ": expected without a value";
        if (auto wrong = compare_value(expected->second.values[0], sample.value, sample.histogram)) {
            return sample.labels.text() + ": " + *wrong;
        }
        if (!seen.emplace(sample.labels, true).second) return sample.labels.text() + " comes twice";
    }
    return missing(eval, seen);
}

// The values of a series at the steps where something is expected, and nothing elsewhere.
Difference compare_points(const Eval& eval, const std::vector<SequenceValue>& expected, const Series& series) {
    std::size_t point = 0;
    std::size_t histogram = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (expected[i].omitted) continue;
        const std::int64_t time_ms = eval.begin_ms + static_cast<std::int64_t>(i) * eval.step_ms;
        if (time_ms > eval.end_ms) return "expected more points than the range has steps";
        const std::string where = "at " + std::to_string(time_ms) + " ms: ";
        const bool is_point = point < series.points.size() && series.points[point].time_ms == time_ms;
        const bool is_histogram =
            histogram < series.histograms.size() && series.histograms[histogram].time_ms == time_ms;
        if (!is_point && !is_histogram) return where + "expected " + value_text(expected[i]) + ", got nothing";
        const double value = is_point ? series.points[point].value : 0;
        const HistogramPtr got = is_histogram ? series.histograms[histogram].value : nullptr;
        if (auto wrong = compare_value(expected[i], value, got)) return where + *wrong;
        point += is_point;
        histogram += is_histogram;
    }
    if (point < series.points.size()) {
        return "unexpected " + short_number(series.points[point].value) + " at " +
               std::to_string(series.points[point].time_ms) + " ms";
    }
    if (histogram < series.histograms.size()) {
        return "unexpected histogram at " + std::to_string(series.histograms[histogram].time_ms) + " ms";
    }
    return std::nullopt;
}

Difference compare(const Eval& eval, const MatrixValue& matrix) {
    if (eval.expects(Kind::kOrdered)) return "expected an ordered result, got a matrix";
    if (eval.scalar) return "expected a scalar, got a matrix";
    if (auto wrong = unsorted(matrix)) return wrong;
    std::map<Labels, bool> seen;
    for (const Series& series : matrix) {
        const auto expected = eval.series.find(series.labels);
        if (expected == eval.series.end()) {
            return "unexpected " + series.labels.text() + " with " +
                   std::to_string(series.points.size() + series.histograms.size()) + " points";
        }
        if (auto wrong = compare_points(eval, expected->second.values, series)) {
            return series.labels.text() + " " + *wrong;
        }
        seen.emplace(series.labels, true);
    }
    return missing(eval, seen);
}

bool matches(const Expectation& expectation, const std::string& text) {
    if (expectation.message && *expectation.message != text) return false;
    return !expectation.pattern || RE2::PartialMatch(text, *expectation.pattern);
}

// Each expectation meets a note and each note an expectation.
Difference compare_level(const Eval& eval, Kind wanted, Kind unwanted, const std::vector<std::string>& found) {
    std::vector<const Expectation*> expectations;
    for (const Expectation& one : eval.expectations) {
        if (one.kind == unwanted && !found.empty()) return "expected no note, got: " + found[0];
        if (one.kind == wanted) expectations.push_back(&one);
    }
    if (expectations.empty()) return std::nullopt;
    for (const Expectation* one : expectations) {
        if (std::ranges::none_of(found, [&](const std::string& text) { return matches(*one, text); })) {
            const std::string text = one->message ? *one->message : one->pattern.value_or("any");
            return "expected the note: " + text + "; got " + (found.empty() ? "none" : found[0]);
        }
    }
    for (const std::string& text : found) {
        if (std::ranges::none_of(expectations, [&](const Expectation* one) { return matches(*one, text); })) {
            return "unexpected note: " + text;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> unsorted(const MatrixValue& matrix) {
    for (std::size_t i = 1; i < matrix.size(); ++i) {
        if (!(matrix[i - 1].labels < matrix[i].labels)) {
            return "the matrix is not sorted by labels: " + matrix[i - 1].labels.text() + " before " +
                   matrix[i].labels.text();
        }
    }
    return std::nullopt;
}

std::optional<std::string> compare(const Eval& eval, const QueryValue& value) {
    if (const auto* scalar = std::get_if<ScalarValue>(&value)) {
        if (!eval.scalar) return "expected no scalar, got " + short_number(scalar->value);
        return compare_value({false, *eval.scalar, nullptr, false}, scalar->value, nullptr);
    }
    if (const auto* text = std::get_if<StringValue>(&value)) {
        if (text->value == eval.text) return std::nullopt;
        return "expected the string \"" + eval.text + "\", got \"" + text->value + "\"";
    }
    if (const auto* vector = std::get_if<VectorValue>(&value)) return compare(eval, *vector);
    return compare(eval, std::get<MatrixValue>(value));
}

std::optional<std::string> compare_notes(const Eval& eval, const std::vector<Note>& notes) {
    std::vector<std::string> warnings;
    std::vector<std::string> infos;
    for (const Note& note : notes) (note.level == NoteLevel::kWarning ? warnings : infos).push_back(note.message);
    if (auto wrong = compare_level(eval, Kind::kWarn, Kind::kNoWarn, warnings)) return "warnings: " + *wrong;
    if (auto wrong = compare_level(eval, Kind::kInfo, Kind::kNoInfo, infos)) return "infos: " + *wrong;
    return std::nullopt;
}

std::optional<std::string> compare_failure(const Eval& eval, const Error& error) {
    for (const Expectation& one : eval.expectations) {
        if (one.kind == Kind::kFail && !matches(one, error.context)) {
            return "expected the error: " + (one.message ? *one.message : one.pattern.value_or("")) + "; got " +
                   error.context;
        }
    }
    return std::nullopt;
}

}  // namespace ringside::agent::promql::script
