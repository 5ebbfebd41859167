// Is what C left in a segment right? Performs an operation file once more with the slow oracle of the consolidation tests, which
// shares nothing with the writer, and compares every slot of every tier, every open window and the header's counts.
//
//     ORACLE SEGMENT_PATH OPERATIONS_FILE     status 0 and silence, or 1 and what differs
//
// Sums are compared exactly: the files' values and times are such that doubles add up without rounding, or are added in one
// window only, where there is one order.
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>

#include "tests/conformance/operations.h"
#include "tests/support/plain_segment.h"
#include "tests/unit/libwriter/oracle.h"

namespace ringside::conformance {
namespace {

constexpr double kLargest = 1.7976931348623157e308;

double bound(std::int64_t index, int scale) {
    return static_cast<double>(std::exp2(std::ldexp(static_cast<long double>(index), -scale)));
}

// By the definition in docs/format.md, without a table: 0 for zero, more than there are for overflow.
std::size_t bucket_of(const plain::Metric& metric, double value) {
    std::size_t bucket = 0;
    std::int64_t below = std::int64_t{metric.bucket_first} - 1;
    while (bucket <= metric.bucket_count && value > bound(below + static_cast<std::int64_t>(bucket), metric.scale)) {
        ++bucket;
    }
    return bucket;
}

struct Series {
    std::uint32_t index;
    std::uint8_t kind;
    std::vector<std::string> values;
    std::uint64_t created_ns;
    std::uint64_t raw = 0;
    double raw_f64 = 0;
    Oracle oracle;
};

class Replay {
  public:
    explicit Replay(const plain::Segment& segment) : segment_(segment) {}

    void perform(const Operation& op) {
        const std::string& name = op.name;
        if (name == "schema" || name == "clock") return;
        if (name == "tick") {
            now_ = op.whole(0);
        } else if (name == "info") {
            register_series(op, plain::kInfo, false, 0);
        } else if (auto kind = kind_named(name)) {
            handles_[op.word(0)] = register_series(op, *kind, name == "shared_counter", 1);
        } else if (name == "close") {
            closed_ns_ = now_;
            close_ = op;
        } else {
            auto handle = handles_.find(op.word(0));
            if (handle == handles_.end()) refuse(op.place, "no handle " + op.word(0));
            if (handle->second) record(*handle->second, op);
        }
    }

    std::string differences() const {
        std::string out;
        auto compare = [&](const std::string& what, auto found, auto wanted) {
            if (found != wanted) {
                out += what + " is " + std::to_string(found) + ", not " + std::to_string(wanted) + "\n";
            }
        };
        std::uint64_t steps = 0, rebases = 0, dropped = 0, rejected = rejected_;
        compare("number of series", segment_.series.size(), series_.size());
        if (!out.empty()) return out;
        const std::vector<Series> ordered = in_directory_order();
        for (std::size_t i = 0; i < ordered.size(); ++i) {
            const plain::Series& found = segment_.series[i];
            const Series& wanted = ordered[i];
            std::string where = segment_.metrics[found.metric].name + " (entry " + std::to_string(found.index) + ")";
            compare(where + ": entry", found.index, wanted.index);
            compare(where + ": created_ns", found.created_ns, wanted.created_ns);
            if (found.values != wanted.values) out += where + ": other label values\n";
            if (wanted.kind == plain::kInfo) {
                compare(where + ": value", found.hot.last, 1.0);
                compare(where + ": open window", found.open_ns, wanted.oracle.first_ns());
                continue;
            }
            if (wanted.kind == plain::kCounter) compare(where + ": raw", found.raw, wanted.raw);
            if (wanted.kind == plain::kCounterF64)
                compare(where + ": raw", std::bit_cast<double>(found.raw), wanted.raw_f64);
            std::string wrong = wanted.oracle.differences(found);
            if (!wrong.empty()) out.append(where).append(":\n").append(wrong);
            steps += wanted.oracle.steps_back();
            rebases += wanted.oracle.rebases();
            dropped += wanted.oracle.rebased_windows();
            rejected += wanted.oracle.rejected();
        }
        compare("clock_steps_back", segment_.clock_steps_back, steps);
        compare("rebases", segment_.rebases, rebases);
        compare("rebased_windows", segment_.rebased_windows, dropped);
        compare("rejected_samples", segment_.rejected_samples, rejected);
        compare("refused_series", segment_.refused_series, refused_);
        compare("close_code", segment_.close_code, close_.code(0));
        compare("closed_ns", segment_.closed_ns, closed_ns_);
        if (close_.text(1).rfind(segment_.close_text, 0) != 0)
            out += "close_text is not the text given, nor its begin\n";
        return out;
    }

  private:
    static std::optional<std::uint8_t> kind_named(const std::string& name) {
        static const std::map<std::string, std::uint8_t> kinds = {
            {"counter", plain::kCounter},
            {"shared_counter", plain::kCounter},
            {"counter_f64", plain::kCounterF64},
            {"gauge", plain::kGauge},
            {"level", plain::kLevel},
            {"histogram", plain::kHistogram},
        };
        auto at = kinds.find(name);
        return at == kinds.end() ? std::nullopt : std::optional(at->second);
    }

    std::vector<Series> in_directory_order() const {
        std::vector<Series> out = series_;
        std::sort(out.begin(), out.end(), [](const Series& a, const Series& b) { return a.index < b.index; });
        return out;
    }

    // Where the series is in `series_`, or nothing when the library has to refuse it.
    std::optional<std::size_t> register_series(const Operation& op, std::uint8_t kind, bool shared, std::size_t at) {
        std::vector<std::string> values(op.words.begin() + static_cast<std::ptrdiff_t>(at) + 1, op.words.end());
        auto place = place_for(op.word(at), kind, shared, values);
        refused_ += !place;
        return place;
    }

    std::optional<std::size_t> place_for(const std::string& name, std::uint8_t kind, bool shared,
                                         const std::vector<std::string>& values) {
        std::uint32_t first = 0;
        for (const plain::Metric& metric : segment_.metrics) {
            if (metric.name != name) {
                first += metric.max_series;
                continue;
            }
            if (metric.kind != kind || (metric.flags != 0) != shared) return std::nullopt;
            if (values.size() != metric.labels.size()) return std::nullopt;
            std::uint64_t bytes = 0;
            for (const std::string& value : values) {
                if (value.size() > 255) return std::nullopt;
                bytes += value.size() + 1;
            }
            std::uint32_t taken = 0;
            for (std::size_t i = 0; i < series_.size(); ++i) {
                if (series_[i].index < first || series_[i].index >= first + metric.max_series) continue;
                if (series_[i].values == values) return shared ? std::optional(i) : std::nullopt;
                ++taken;
            }
            if (taken == metric.max_series || arena_used_ + bytes > segment_.label_arena_bytes) return std::nullopt;
            arena_used_ += bytes;
            series_.push_back({first + taken, kind, values, now_, 0, 0, Oracle(metric, segment_.tiers, now_)});
            metric_of_.push_back(&metric);
            return series_.size() - 1;
        }
        return std::nullopt;
    }

    void record(std::size_t which, const Operation& op) {
        Series& series = series_[which];
        if (op.name == "baseline") {
            series.raw = op.whole(1);
        } else if (op.name == "baseline_f64") {
            series.raw_f64 = op.real(1);
        } else if (op.name == "add") {
            series.oracle.add(now_, op.whole(1));
        } else if (op.name == "total") {
            std::uint64_t total = op.whole(1);
            series.oracle.add(now_, total >= series.raw ? total - series.raw : total);
            series.raw = total;
        } else {
            record_real(series, *metric_of_[which], op, op.real(1));
        }
    }

    void record_real(Series& series, const plain::Metric& metric, const Operation& op, double value) {
        bool gauge = series.kind == plain::kGauge || series.kind == plain::kLevel;
        bool good = std::isfinite(value) && (gauge || value >= 0) && std::abs(value) <= kLargest;
        if (!good) {
            ++rejected_;
        } else if (op.name == "add_f64") {
            series.oracle.add_f64(now_, value);
        } else if (op.name == "total_f64") {
            series.oracle.add_f64(now_, value >= series.raw_f64 ? value - series.raw_f64 : value);
            series.raw_f64 = value;
        } else if (op.name == "set") {
            series.oracle.set(now_, value);
        } else if (op.name == "record" && gauge) {
            series.oracle.observe(now_, value);
        } else if (op.name == "record") {
            series.oracle.fill(now_, value, bucket_of(metric, value));
        } else {
            refuse(op.place, "the oracle does not know '" + op.name + "'");
        }
    }

    const plain::Segment& segment_;
    std::vector<Series> series_;
    std::vector<const plain::Metric*> metric_of_;
    std::map<std::string, std::optional<std::size_t>> handles_;
    Operation close_;
    std::uint64_t now_ = 0, closed_ns_ = 0, arena_used_ = 0, rejected_ = 0, refused_ = 0;
};

}  // namespace
}  // namespace ringside::conformance

int main(int argc, char** argv) {
    using namespace ringside;
    if (argc != 3) conformance::refuse(argv[0], "usage: SEGMENT_PATH OPERATIONS_FILE");
    std::string error;
    plain::Segment segment = plain::decode_file(argv[1], &error);
    if (!error.empty()) conformance::refuse(argv[1], error);
    conformance::Replay replay(segment);
    for (const auto& operation : conformance::read_operations(argv[2])) replay.perform(operation);
    std::string differences = replay.differences();
    (void)std::fputs(differences.c_str(), stdout);
    return differences.empty() ? 0 : 1;
}
