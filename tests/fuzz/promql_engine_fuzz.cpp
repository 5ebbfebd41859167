// Fuzz entry for the evaluator: bytes choose an expression, data and times. The suite drives it with seeded bytes
// (promql_engine_fuzz_test.cpp); for a guided run, from the root of the project:
//
//     clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. -o promql_engine_fuzz
//         tests/fuzz/promql_engine_fuzz.cpp tests/support/promql_memory_source.cpp agent/promql/*/*.cpp
//         agent/base/{labels,result,text}.cpp -lre2 -lxxhash
//     ./promql_engine_fuzz -max_len=512
//
// Whatever comes up must neither crash nor hold more samples than the limit allows; and if a range query has an answer,
// an instant query at one of its steps has the same.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/promql/engine/engine.h"
#include "agent/promql/syntax/parser.h"
#include "agent/promql/value/number.h"
#include "tests/support/promql_memory_source.h"

namespace ringside::agent::promql {
namespace {

constexpr std::int64_t kScrapeMs = 10'000;
constexpr std::uint64_t kSamplesMax = 20'000;

// The fuzzer's bytes as decisions; zeros once they are used up.
class Choices {
  public:
    Choices(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

    std::size_t below(std::size_t count) {
        std::size_t byte = at_ < size_ ? data_[at_++] : 0;
        return byte % count;
    }
    bool one_in(std::size_t count) { return below(count) == 1; }
    const char* of(std::initializer_list<const char*> words) { return words.begin()[below(words.size())]; }

  private:
    const std::uint8_t* data_;
    std::size_t size_;
    std::size_t at_ = 0;
};

FloatHistogram some_histogram(std::size_t i, std::size_t kind) {
    FloatHistogram histogram;
    auto count = static_cast<double>(i);
    if (kind == 0) {
        histogram.schema = kCustomSchema;
        histogram.custom_bounds = i % 7 < 3 ? std::vector<double>{-1, 2, 5} : std::vector<double>{-1, 5, 8};
        histogram.positive = {{0, count}, {2, 1}, {3, 2}};
    } else {
        histogram.schema = static_cast<std::int32_t>(kind) - 3;
        histogram.zero_threshold = i % 5 == 0 ? 0.01 : 0.5;
        histogram.zero_count = count / 2;
        histogram.positive = {{-2, 1}, {1, count}, {2, 0}, {5, 2}};
        if (i % 4 == 0) histogram.negative = {{1, 3}, {2, count}};
    }
    for (const BucketCounts* side : {&histogram.positive, &histogram.negative}) {
        for (const BucketCount& bucket : *side) histogram.count += bucket.count;
    }
    histogram.count += histogram.zero_count;
    histogram.sum = i % 11 == 3 ? NAN : count * 3;
    histogram.reset_hint = i % 13 == 5 ? ResetHint::kGauge : ResetHint::kUnknown;
    return histogram;
}

// A bit of everything: counters that start again, gauges with gaps and infinities, histograms of all kinds, series that
// change from one to the other.
MemorySource example() {
    MemorySource source;
    auto labels = [](const char* name, const char* a, const char* b) {
        return labels_of({{"__name__", name}, {"a", a}, {"b", b}});
    };
    for (std::int64_t i = 0; i < 30; ++i) {
        std::int64_t time = i * kScrapeMs;
        auto n = static_cast<std::size_t>(i);
        auto value = static_cast<double>(i);
        source.add(labels("c_total", "1", "x"), time, std::fmod(value, 12) * 3, time > 120'000 ? 119'000 : 0);
        source.add(labels("c_total", "2", "x"), time, value * value);
        source.add(labels("c_total", "2", "y"), time, 1e308 * value);
        if (i % 4 != 2) source.add(labels("g", "1", "x"), time, i % 9 == 4 ? stale_value() : std::sin(value));
        source.add(labels("g", "2", ""), time, i % 5 == 0 ? NAN : i % 7 == 0 ? INFINITY : -value);
        source.add(labels("h", "1", "x"), time, some_histogram(n, 3));
        source.add(labels("h", "1", "y"), time, some_histogram(n % 9, 4 + n % 2));
        source.add(labels("h", "2", "x"), time, some_histogram(n, 0));
        source.add(labels("h", "2", "y"), time, some_histogram(n, n % 6));
        if (i % 10 < 5) {
            source.add(labels("g", "3", "y"), time, value);
        } else {
            source.add(labels("g", "3", "y"), time, some_histogram(n, 3));
        }
        for (const char* le : {"0.1", "1", "+Inf", "bad"}) {
            Labels bucket = labels_of({{"__name__", "l_bucket"}, {"a", "1"}, {"le", le}});
            source.add(bucket, time, std::fmod(value * 7, static_cast<double>(8 + n % 3)));
        }
    }
    return source;
}

class Generator {
  public:
    explicit Generator(Choices& choices) : choices_(choices) {}

    std::string query() { return choices_.one_in(8) ? scalar(4) : vector(5); }

  private:
    std::string number() {
        return choices_.of({"0", "1", "2", "-1", "0.5", "0.9", "1.5", "3", "1e300", "NaN", "Inf", "-Inf", "7", "100"});
    }
    std::string duration() { return choices_.of({"1s", "10s", "25s", "30s", "1m", "2m", "7m", "1ms"}); }

    std::string scalar(int depth) {
        if (depth == 0) return number();
        switch (choices_.below(6)) {
            case 0: return "(" + scalar(depth - 1) + " " + arithmetic() + " " + scalar(depth - 1) + ")";
            case 1: return "scalar(" + vector(depth - 1) + ")";
            case 2: return "time()";
            case 3:
                return std::string(choices_.of({"max_of", "min_of"})) + "(" + scalar(depth - 1) + ", " + number() + ")";
            default: return number();
        }
    }

    std::string selector() {
        std::string name = choices_.of({"c_total", "g", "h", "l_bucket", "missing", "{__name__=~\"c.*|g\"}"});
        if (name[0] == '{') return name;
        return name +
               choices_.of({"", "", "{a=\"1\"}", "{a!=\"2\"}", "{b=~\"x|\"}", "{b=\"\"}", "{a=~\"1|3\",b=\"y\"}"});
    }
    std::string modifiers() {
        std::string text;
        if (choices_.one_in(6)) text += " offset " + std::string(choices_.of({"", "-"})) + duration();
        if (choices_.one_in(8)) text += std::string(" @ ") + choices_.of({"0", "100", "200.5", "290"});
        return text;
    }
    std::string matrix(int depth) {
        if (depth > 0 && choices_.one_in(3)) {
            return "(" + vector(depth - 1) + ")[" + duration() + ":" + choices_.of({"", "10s", "7s", "1m", "1s"}) +
                   "]" + modifiers();
        }
        return selector() + "[" + duration() + "]" + choices_.of({"", "", "", "", " anchored", " smoothed"}) +
               modifiers();
    }
    std::string arithmetic() { return choices_.of({"+", "-", "*", "/", "%", "^", "atan2"}); }
    std::string any_operator() {
        if (choices_.below(2) == 0) return arithmetic();
        return choices_.of({"==", "!=", "<", "<=", ">", ">=", "== bool", "> bool", "</", ">/"});
    }
    std::string matching() {
        return choices_.of({"", "", "on () ", "on (a) ", "ignoring (b) ", "ignoring (a, b) ", "on (a) group_left () ",
                            "on (a) group_right (b) ", "ignoring (b) group_left (b) ", "on (a, b) fill (1) ",
                            "fill_left (0) ", "on (a) group_left () fill_right (2) "});
    }
    std::string grouping() {
        return choices_.of({"", "by (a) ", "by (b, __name__) ", "without (a) ", "by () ", "without (le) "});
    }

    std::string binary(int depth) {
        std::string left = vector(depth - 1);
        if (choices_.one_in(4)) {
            return "(" + left + " " + choices_.of({"and ", "or ", "unless "}) +
                   choices_.of({"", "on (a) ", "ignoring (b) ", "on () "}) + vector(depth - 1) + ")";
        }
        std::string op = any_operator();
        if (choices_.one_in(3)) return "(" + left + " " + op + " " + scalar(depth - 1) + ")";
        if (choices_.one_in(3)) return "(" + scalar(depth - 1) + " " + op + " " + left + ")";
        return "(" + left + " " + op + " " + matching() + vector(depth - 1) + ")";
    }
    std::string aggregate(int depth) {
        std::string op = choices_.of({"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar", "topk",
                                      "bottomk", "quantile", "limitk", "limit_ratio", "count_values"});
        std::string parameter;
        if (op == "topk" || op == "bottomk" || op == "quantile" || op == "limitk" || op == "limit_ratio") {
            parameter = scalar(depth - 1) + ", ";
        }
        if (op == "count_values") parameter = "\"v\", ";
        return op + " " + grouping() + "(" + parameter + vector(depth - 1) + ")";
    }
    std::string argument(ValueType type, int depth) {
        switch (type) {
            case ValueType::kScalar: return scalar(depth);
            case ValueType::kMatrix: return matrix(depth);
            case ValueType::kString:
                return choices_.of({"\"a\"", "\"b\"", "\"\"", "\"(.*)\"", "\"$1\"", "\"new\"", "\"__name__\""});
            default: return vector(depth);
        }
    }
    std::string call(int depth) {
        const Function& function = functions()[choices_.below(functions().size())];
        std::string text = std::string(function.name) + "(";
        std::size_t count = function.arguments.size();
        if (function.variadic != 0 && count > 0 && choices_.one_in(2)) --count;
        for (std::size_t i = 0; i < count; ++i) {
            text += (i > 0 ? ", " : "") + argument(function.arguments[i], depth - 1);
        }
        text += ")";
        return function.returns == ValueType::kScalar ? "vector(" + text + ")" : text;
    }
    std::string vector(int depth) {
        if (depth <= 0) return selector() + modifiers();
        switch (choices_.below(8)) {
            case 0: return selector() + modifiers();
            case 1: return selector() + choices_.of({"", " smoothed"}) + modifiers();
            case 2: return "-" + vector(depth - 1);
            case 3: return binary(depth);
            case 4: return aggregate(depth);
            default: return call(depth);
        }
    }

    Choices& choices_;
};

double rounded(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", value);
    return std::strtod(text, nullptr);
}

FloatHistogram rounded(FloatHistogram histogram) {
    for (double* value : {&histogram.count, &histogram.sum, &histogram.zero_count}) *value = rounded(*value);
    for (BucketCount& bucket : histogram.positive) bucket.count = rounded(bucket.count);
    for (BucketCount& bucket : histogram.negative) bucket.count = rounded(bucket.count);
    return histogram;
}

// The samples at one time, in one order.
std::vector<std::string> lines(const QueryValue& value, std::int64_t time_ms) {
    std::vector<std::string> lines;
    auto add = [&](const Labels& labels, double number, const HistogramPtr& histogram) {
        // Nine digits: the order of series decides how sums are rounded.
        lines.push_back(labels.text() + " " + (histogram ? rounded(*histogram).text() : short_number(rounded(number))));
    };
    if (const auto* scalar = std::get_if<ScalarValue>(&value)) add({}, scalar->value, nullptr);
    if (const auto* vector = std::get_if<VectorValue>(&value)) {
        for (const Sample& sample : *vector) add(sample.labels, sample.value, sample.histogram);
    }
    if (const auto* matrix = std::get_if<MatrixValue>(&value)) {
        for (const Series& series : *matrix) {
            for (const Point& point : series.points) {
                if (point.time_ms == time_ms) add(series.labels, point.value, nullptr);
            }
            for (const HistogramPoint& point : series.histograms) {
                if (point.time_ms == time_ms) add(series.labels, 0, point.value);
            }
        }
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}

[[noreturn]] void fail(const std::string& query, std::int64_t time_ms, const std::string& why) {
    std::fprintf(stderr, "%s\nat %lld ms: %s\n", query.c_str(), static_cast<long long>(time_ms), why.c_str());
    std::abort();
}

// These tell of the query itself, or choose by the order of series, which earlier steps have a say in. And a series
// that `or` takes from both sides keeps its name or loses it as a whole, as in Prometheus, if names go at the end.
bool may_differ(const std::string& query, const EngineOptions& options) {
    if (options.delayed_name_removal && query.find(" or ") != query.npos) return true;
    for (const char* word : {"start(", "end(", "step(", "range(", "limitk", "topk", "bottomk"}) {
        if (query.find(word) != query.npos) return true;
    }
    return false;
}

void check_held(const std::string& query, std::int64_t time_ms, const Result<QueryResult>& result) {
    if (result && result->stats.samples_peak > kSamplesMax) fail(query, time_ms, "holds more than it may");
}

}  // namespace
}  // namespace ringside::agent::promql

// Whether the bytes made a query that has an answer.
bool promql_engine_fuzz_one(const std::uint8_t* data, std::size_t size) {
    using namespace ringside::agent::promql;
    static MemorySource source = example();
    Choices choices(data, size);
    EngineOptions options;
    options.delayed_name_removal = choices.one_in(2);
    options.start_timestamps = choices.one_in(2);
    std::int64_t time_ms = static_cast<std::int64_t>(choices.below(64)) * 5'000;
    std::int64_t step_ms = choices.one_in(2) ? 10'000 : 7'001;
    std::size_t calls_left = choices.one_in(16) ? choices.below(8) : 1'000'000;
    std::string query = Generator(choices).query();
    auto expr = parse_query(query, ParseOptions::all());
    if (!expr) return false;  // Some functions fit no argument of theirs.

    EvaluationLimits limits;
    limits.samples_max = kSamplesMax;
    limits.out_of_time = [&] { return calls_left-- == 0; };
    Engine engine(options);
    auto range = engine.range(**expr, time_ms - step_ms, time_ms + step_ms, step_ms, source, limits);
    check_held(query, time_ms, range);
    source.selections.clear();
    source.functions.clear();
    if (!range) return false;
    limits.out_of_time = nullptr;
    auto instant = engine.instant(**expr, time_ms, source, limits);
    if (may_differ(query, options)) return true;
    if (!instant) fail(query, time_ms, "fails alone: " + instant.error().context);
    check_held(query, time_ms, instant);
    std::vector<std::string> alone = lines(instant->value, time_ms), step = lines(range->value, time_ms);
    if (alone == step) return true;
    std::string text = "alone:\n";
    for (const std::string& line : alone) text += "  " + line + "\n";
    text += "in a range:\n";
    for (const std::string& line : step) text += "  " + line + "\n";
    fail(query, time_ms, text);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    promql_engine_fuzz_one(data, size);
    return 0;
}
