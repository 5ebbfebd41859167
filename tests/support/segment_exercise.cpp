#include "tests/support/segment_exercise.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

#include "agent/base/text.h"
#include "agent/segment/text.h"

namespace ringside::agent::test {

namespace {

class Checks {
  public:
    explicit Checks(Exercised* result) : result_(result) {}

    void hold(bool condition, const std::string& what) {
        if (!condition) result_->broken.push_back(what);
    }

    void schema(const SchemaInfo& schema) {
        hold(valid_identifier(schema.name), "schema name");
        hold(!schema.tiers.empty() && !schema.metrics.empty(), "schema without tiers or metrics");
        std::set<std::string> names;
        for (const MetricInfo& metric : schema.metrics) {
            hold(valid_identifier(metric.name) && names.insert(metric.name).second, "metric name");
            hold(is_utf8(metric.unit) && is_utf8(metric.help), "unit or help");
            for (const std::string& label : metric.label_names) {
                hold(valid_identifier(label) && !reserved_label(label), "label name");
            }
        }
    }

    void series(const SchemaInfo& schema, const std::vector<SeriesInfo>& all) {
        std::set<std::pair<std::uint32_t, std::vector<std::string>>> labels;
        for (const SeriesInfo& info : all) {
            hold(info.index < schema.series_capacity, "series index");
            hold(info.metric < schema.metrics.size(), "metric of a series");
            hold(info.label_values.size() == schema.metrics[info.metric].label_names.size(), "number of labels");
            for (const std::string& value : info.label_values) {
                hold(is_utf8(value) && value.size() <= 255 && value.find('\0') == std::string::npos, "label value");
            }
            hold(labels.emplace(info.metric, info.label_values).second, "two series with the same labels");
        }
    }

    void data(const SchemaInfo& schema, const MetricInfo& metric, const ReadRequest& request, const SeriesData& data) {
        const TierInfo& tier = schema.tiers[request.tier];
        std::size_t points = data.size();
        result_->points += points;
        hold(points <= 2 * std::size_t{tier.slots} + 1, "more points than twice the ring");
        hold(data.flags.size() == points, "flags");
        auto column = [&](std::size_t size) { hold(size == 0 || size == points, "length of a column"); };
        column(data.count.size());
        column(data.sum.size());
        column(data.min.size());
        column(data.max.size());
        column(data.last.size());
        column(data.value.size());
        hold(data.buckets.empty() || data.buckets.size() == points * (metric.bucket_count + std::size_t{1}), "buckets");
        for (std::size_t i = 0; i < points; ++i) {
            hold(i == 0 || data.end_ns[i] > data.end_ns[i - 1], "end times do not rise");
            hold(data.end_ns[i] > request.begin_ns && data.end_ns[i] <= request.end_ns, "window outside of the range");
            hold((data.flags[i] & ~15) == 0, "unknown flag");
        }
        for (double value : data.sum) hold(!is_stale_marker(value), "stale marker");
        for (double value : data.last) hold(!is_stale_marker(value), "stale marker");
    }

  private:
    static bool is_stale_marker(double value) { return std::bit_cast<std::uint64_t>(value) == 0x7ff0000000000002; }

    Exercised* result_;
};

}  // namespace

void exercise(LiveSegment& segment, std::uint64_t now_ns, Exercised* result) {
    Checks checks(result);
    std::shared_ptr<const SchemaInfo> schema = segment.schema();
    checks.schema(*schema);
    for (const LiveSegment::Fact& fact : segment.facts()) checks.hold(is_utf8(fact.value), "fact " + fact.name);
    for (bool settled : {false, true}) {
        if (settled && !segment.settle()) break;
        VmInfo vm = segment.vm();
        checks.hold(vm.last_write_ns <= now_ns && vm.attached_ns <= now_ns && vm.closed_ns <= now_ns,
                    "time in the future");
        checks.hold(is_utf8(vm.close_text), "close text");
        checks.hold(vm.series_count <= schema->series_capacity, "series count");
        Result<std::vector<SeriesInfo>> series = segment.series();
        if (!series) break;
        checks.series(*schema, *series);
        result->series = series->size();
        for (const SeriesInfo& info : *series) {
            const MetricInfo& metric = schema->metrics[info.metric];
            for (std::uint32_t tier = 0; tier < schema->tiers.size(); ++tier) {
                ReadRequest all;
                all.tier = tier;
                ReadRequest some = all;
                some.begin_ns = now_ns - std::min(now_ns, std::uint64_t{7'000'000'001});
                some.end_ns = now_ns;
                some.open_window = false;
                some.columns = kColumnsAll & ~kColumnBuckets;
                for (const ReadRequest& request : {all, some}) {
                    Result<SeriesData> data = segment.read(info.index, request);
                    if (data) checks.data(*schema, metric, request, *data);
                }
            }
        }
    }
}

Exercised exercise(std::vector<std::byte> bytes, std::uint64_t now_ns) {
    Exercised result;
    std::shared_ptr<LayoutCache> layouts = make_layout_cache();
    OpenOptions options;
    options.now = [now_ns] { return now_ns; };
    Opened opened = open_segment_image(std::move(bytes), nullptr, *layouts, options);
    if (!opened.segment) {
        result.refusal = opened.refusal;
        if (!is_utf8(opened.refusal.message())) result.broken.push_back("message of a refusal");
        return result;
    }
    result.accepted = true;
    exercise(*opened.segment, now_ns, &result);
    return result;
}

}  // namespace ringside::agent::test
