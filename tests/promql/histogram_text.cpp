#include "tests/promql/histogram_text.h"

#include <strings.h>

#include <map>
#include <vector>

#include "agent/promql/syntax/literals.h"

namespace ringside::agent::promql::script {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The characters of a number at the front of the text: digits, a point, an exponent. No sign.
std::size_t number_length(std::string_view text) {
    for (const char* word : {"inf", "nan"}) {
        if (text.size() >= 3 && strncasecmp(text.data(), word, 3) == 0) return 3;
    }
    std::size_t at = 0;
    while (at < text.size() && (is_digit(text[at]) || text[at] == '.' || text[at] == '_')) ++at;
    if (at == 0 || at >= text.size() || (text[at] != 'e' && text[at] != 'E')) return at;
    std::size_t exponent = at + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    const std::size_t digits = exponent;
    while (exponent < text.size() && is_digit(text[exponent])) ++exponent;
    return exponent > digits ? exponent : at;
}

Result<std::vector<double>> read_list(Cursor& cursor) {
    std::vector<double> list;
    if (!cursor.accept("[")) return error(Code::kInvalid, "expected [ at " + cursor.context());
    for (cursor.skip_space(); !cursor.accept("]"); cursor.skip_space()) {
        auto number = read_number(cursor);
        if (!number) return number.error();
        list.push_back(*number);
    }
    return list;
}

Result<ResetHint> read_hint(Cursor& cursor) {
    if (cursor.accept("unknown")) return ResetHint::kUnknown;
    if (cursor.accept("reset")) return ResetHint::kReset;
    if (cursor.accept("not_reset")) return ResetHint::kNotReset;
    if (cursor.accept("gauge")) return ResetHint::kGauge;
    return error(Code::kInvalid, "expected unknown, reset, not_reset or gauge at " + cursor.context());
}

BucketCounts counts_from(const std::vector<double>& counts, double offset) {
    BucketCounts buckets;
    auto index = static_cast<std::int32_t>(offset);
    for (double count : counts) buckets.push_back({index++, count});
    return buckets;
}

// What was read, by key.
struct Fields {
    std::map<std::string, double, std::less<>> numbers;
    std::map<std::string, std::vector<double>, std::less<>> lists;
    std::optional<ResetHint> hint;

    double number(std::string_view key) const {
        const auto it = numbers.find(key);
        return it == numbers.end() ? 0 : it->second;
    }
    std::vector<double> list(std::string_view key) const {
        const auto it = lists.find(key);
        return it == lists.end() ? std::vector<double>() : it->second;
    }
};

Result<void> read_field(Cursor& cursor, Fields& fields) {
    const std::string key(cursor.take_while([](char c) { return (c >= 'a' && c <= 'z') || c == '_'; }));
    if (!cursor.accept(":")) return error(Code::kInvalid, "expected a key and : at " + cursor.context());
    if (key == "counter_reset_hint") {
        auto hint = read_hint(cursor);
        if (!hint) return hint.error();
        fields.hint = *hint;
    } else if (key == "buckets" || key == "n_buckets" || key == "custom_values") {
        auto list = read_list(cursor);
        if (!list) return list.error();
        if (!fields.lists.emplace(key, std::move(*list)).second) return error(Code::kInvalid, "duplicate key " + key);
    } else if (key == "schema" || key == "sum" || key == "count" || key == "z_bucket" || key == "z_bucket_w" ||
               key == "offset" || key == "n_offset") {
        auto number = read_number(cursor);
        if (!number) return number.error();
        if (!fields.numbers.emplace(key, *number).second) return error(Code::kInvalid, "duplicate key " + key);
    } else {
        return error(Code::kInvalid, "bad histogram descriptor found: " + key);
    }
    return {};
}

}  // namespace

Result<double> read_number(Cursor& cursor) {
    const bool minus = cursor.accept("-");
    if (!minus) cursor.accept("+");
    std::size_t left = number_length(cursor.rest());
    if (left == 0) return error(Code::kInvalid, "expected a number at " + cursor.context());
    auto value = parse_number_literal(cursor.take_while([&](char) { return left > 0 && left--; }));
    if (!value) return value.error();
    return minus ? -*value : *value;
}

Result<HistogramText> read_histogram(Cursor& cursor) {
    cursor.accept("{{");
    Fields fields;
    for (cursor.skip_space(); !cursor.accept("}}"); cursor.skip_space()) {
        if (cursor.at_end()) return error(Code::kInvalid, "the histogram has no end");
        if (auto done = read_field(cursor, fields); !done) return done.error();
    }
    HistogramText read;
    read.hint_given = fields.hint.has_value();
    FloatHistogram& histogram = read.histogram;
    histogram.reset_hint = fields.hint.value_or(ResetHint::kUnknown);
    histogram.schema = static_cast<std::int32_t>(fields.number("schema"));
    histogram.sum = fields.number("sum");
    histogram.count = fields.number("count");
    histogram.zero_count = fields.number("z_bucket");
    histogram.zero_threshold = fields.number("z_bucket_w");
    histogram.custom_bounds = fields.list("custom_values");
    histogram.positive = counts_from(fields.list("buckets"), fields.number("offset"));
    histogram.negative = counts_from(fields.list("n_buckets"), fields.number("n_offset"));
    return read;
}

}  // namespace ringside::agent::promql::script
