#include "tests/promql/series_text.h"

#include <charconv>
#include <optional>

#include "agent/base/labels.h"
#include "agent/promql/engine/source.h"
#include "agent/promql/syntax/literals.h"
#include "agent/promql/syntax/matcher.h"
#include "agent/promql/syntax/quoted.h"
#include "tests/promql/histogram_text.h"
#include "tests/promql/text_cursor.h"

namespace ringside::agent::promql::script {
namespace {

// A value, and how it goes on: `base`, `base x count`, `base +- step x count`.
struct Item {
    SequenceValue base;
    std::optional<SequenceValue> step;
    bool minus = false;
    std::optional<std::uint64_t> count;
};

Result<std::uint64_t> read_count(Cursor& cursor) {
    std::uint64_t count = 0;
    const std::string_view digits = cursor.take_while([](char c) { return c >= '0' && c <= '9'; });
    const auto done = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    constexpr std::uint64_t kMost = 1'000'000;  // a typing error must not fill the memory
    if (done.ec != std::errc() || digits.empty() || count > kMost) {
        return error(Code::kInvalid, "expected how often to repeat at " + cursor.context());
    }
    return count;
}

Result<SequenceValue> read_value(Cursor& cursor) {
    if (cursor.accept("stale")) return SequenceValue{false, stale_value(), nullptr, false};
    if (cursor.starts_with("{{")) {
        auto read = read_histogram(cursor);
        if (!read) return read.error();
        return SequenceValue{false, 0, std::make_shared<FloatHistogram>(std::move(read->histogram)), read->hint_given};
    }
    auto number = read_number(cursor);
    if (!number) return number.error();
    return SequenceValue{false, *number, nullptr, false};
}

Result<Item> read_item(Cursor& cursor) {
    Item item;
    if (cursor.accept("_")) {
        item.base.omitted = true;
    } else {
        auto base = read_value(cursor);
        if (!base) return base.error();
        item.base = std::move(*base);
    }
    if (!item.base.omitted && (cursor.starts_with("+") || cursor.starts_with("-"))) {
        item.minus = cursor.starts_with("-");
        cursor.accept(item.minus ? "-" : "+");
        auto step = read_value(cursor);
        if (!step) return step.error();
        item.step = std::move(*step);
    }
    if (cursor.accept("x")) {
        auto count = read_count(cursor);
        if (!count) return count.error();
        item.count = *count;
    }
    if (item.step && !item.count) return error(Code::kInvalid, "expected x and a count at " + cursor.context());
    return item;
}

Result<SequenceValue> next_value(const SequenceValue& now, const Item& item) {
    SequenceValue next = now;
    if (!item.step) return next;
    if (!now.histogram || !item.step->histogram) {
        next.value += item.minus ? -item.step->value : item.step->value;
        return next;
    }
    if (now.histogram->schema > item.step->histogram->schema) {
        return error(Code::kInvalid, "error combining histograms: cannot merge from a wider schema");
    }
    auto sum = std::make_shared<FloatHistogram>(*now.histogram);
    auto done = item.minus ? sum->subtract(*item.step->histogram) : sum->add(*item.step->histogram);
    if (!done) return done.error();
    next.histogram = std::move(sum);
    next.hint_given = item.step->hint_given;
    return next;
}

Result<void> append(const Item& item, std::vector<SequenceValue>& values) {
    if (item.base.omitted) {
        values.insert(values.end(), item.count.value_or(1), item.base);
        return {};
    }
    SequenceValue value = item.base;
    // The first value counts extra: `1x3` is four ones.
    if (item.step) value.hint_given = item.step->hint_given;
    values.push_back(value);
    for (std::uint64_t i = 0; i < item.count.value_or(0); ++i) {
        auto next = next_value(value, item);
        if (!next) return next.error();
        value = std::move(*next);
        values.push_back(value);
    }
    return {};
}

// A duration in milliseconds with its sign; `0` needs no unit.
Result<std::int64_t> read_offset(Cursor& cursor) {
    const bool minus = cursor.accept("-");
    if (!minus) cursor.accept("+");
    const std::string_view text = cursor.take_while(
        [](char c) { return (c >= '0' && c <= '9') || c == 's' || c == 'm' || c == 'h' || c == 'd' || c == 'w'; });
    auto ms = parse_duration_literal(text);
    if (!ms) return ms.error();
    return minus ? -*ms : *ms;
}

Result<void> append_offset(Cursor& cursor, std::vector<SequenceValue>& values, double last) {
    Item item;
    if (cursor.accept("_")) {
        item.base.omitted = true;
    } else if (cursor.accept("*")) {
        item.base.value = last;
    } else {
        auto base = read_offset(cursor);
        if (!base) return base.error();
        item.base.value = static_cast<double>(*base);
        if (cursor.starts_with("+") || cursor.starts_with("-")) {
            auto step = read_offset(cursor);
            if (!step) return step.error();
            item.step = SequenceValue{false, static_cast<double>(*step), nullptr, false};
        }
    }
    if (cursor.accept("x")) {
        auto count = read_count(cursor);
        if (!count) return count.error();
        item.count = *count;
    }
    return append(item, values);
}

double last_given(const std::vector<SequenceValue>& values) {
    for (auto it = values.rbegin(); it != values.rend(); ++it) {
        if (!it->omitted) return it->value;
    }
    return 0;
}

}  // namespace

std::size_t labels_length(std::string_view line) {
    std::size_t at = metric_name_length(line);
    if (at >= line.size() || line[at] != '{' || line.substr(at, 2) == "{{") return at;
    while (at < line.size() && line[at] != '}') {
        if (line[at] == '"' || line[at] == '\'' || line[at] == '`') {
            if (!unquote(line, &at)) return line.size();
        } else {
            ++at;
        }
    }
    return std::min(at + 1, line.size());
}

Result<Labels> parse_labels(std::string_view text) {
    auto selector = parse_selector(text);
    if (!selector) return selector.error();
    LabelsBuilder builder;
    for (const Matcher& matcher : selector->matchers) {
        if (matcher.op() != MatchOp::kEqual) {
            return error(Code::kInvalid, "labels have = between name and value: " + std::string(text));
        }
        builder.set(matcher.label(), matcher.value());
    }
    return builder.labels();
}

Result<SeriesText> parse_series(std::string_view line) {
    const std::size_t length = labels_length(line);
    auto labels = parse_labels(line.substr(0, length));
    if (!labels) return labels.error();
    SeriesText series{std::move(*labels), {}};
    Cursor cursor(line.substr(length));
    for (cursor.skip_space(); !cursor.at_end(); cursor.skip_space()) {
        auto item = read_item(cursor);
        if (!item) return item.error();
        if (!cursor.at_end() && !cursor.at_space()) {
            return error(Code::kInvalid, "expected a space between values at " + cursor.context());
        }
        if (auto done = append(*item, series.values); !done) return done.error();
    }
    return series;
}

Result<std::vector<SequenceValue>> parse_start_offsets(std::string_view text) {
    std::vector<SequenceValue> values;
    Cursor cursor(text);
    for (cursor.skip_space(); !cursor.at_end(); cursor.skip_space()) {
        if (auto done = append_offset(cursor, values, last_given(values)); !done) return done.error();
        if (!cursor.at_end() && !cursor.at_space()) {
            return error(Code::kInvalid, "expected a space between start timestamps at " + cursor.context());
        }
    }
    return values;
}

}  // namespace ringside::agent::promql::script
