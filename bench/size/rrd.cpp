// librrd: what a segment keeps, in the fewest bytes that librrd can keep it in. A file has the same functions for all its data
// sources, so there is one for totals, one for gauges and one for buckets, each with the tiers in which the schema
// keeps them.
#include <rrd.h>
#include <sys/stat.h>

#include <vector>

#include "bench/size/cases.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

constexpr std::uint32_t kTotals = RSIDE_COLUMN_VALUE;
constexpr std::uint32_t kBuckets = RSIDE_COLUMN_BUCKETS;

struct Function {
    const char* name;
    std::uint32_t column;
};
constexpr Function kFunctions[] = {
    {"AVERAGE", RSIDE_COLUMN_SUM}, {"MIN", RSIDE_COLUMN_MIN}, {"MAX", RSIDE_COLUMN_MAX}, {"LAST", RSIDE_COLUMN_LAST}};

// The archives of a file: for gauges one a function, but with one value a window all functions are the same. For totals
// and buckets AVERAGE is their rate, which is all that librrd keeps of them.
std::vector<std::string> archives(const rside_schema& schema, std::uint32_t columns) {
    std::vector<std::string> lines;
    for (std::uint32_t t = 0; t < schema.tier_count; ++t) {
        const rside_tier& tier = schema.tiers[t];
        const std::uint32_t kept = (tier.columns ? tier.columns : RSIDE_COLUMNS_ALL) & columns;
        const bool gauges = columns == RSIDE_COLUMNS_GAUGE;
        for (const Function& function : kFunctions) {
            const bool first = &function == kFunctions;
            if (gauges && t > 0 ? !(kept & function.column) : !(first && kept)) continue;
            lines.push_back(std::string("RRA:") + function.name +
                            ":0.5:" + std::to_string(tier.resolution_s / schema.tiers[0].resolution_s) + ":" +
                            std::to_string(tier.slots));
        }
    }
    return lines;
}

std::uint64_t file_bytes(const std::string& path, const rside_schema& schema, std::uint64_t sources,
                         std::uint32_t columns) {
    if (sources == 0) return 0;
    std::vector<std::string> lines = archives(schema, columns);
    const char* const type = columns == RSIDE_COLUMNS_GAUGE ? ":GAUGE:" : ":COUNTER:";
    for (std::uint64_t i = 0; i < sources; ++i) lines.push_back("DS:s" + std::to_string(i) + type + "2:U:U");
    std::vector<const char*> words;
    for (const std::string& line : lines) words.push_back(line.c_str());
    constexpr time_t kBegin = 1'700'000'000;
    if (rrd_create_r(path.c_str(), schema.tiers[0].resolution_s, kBegin, static_cast<int>(words.size()),
                     words.data()) != 0) {
        const char* const error = rrd_get_error();
        fail("rrd_create_r: " + std::string(error ? error : "no reason given"));
    }
    struct stat file;
    if (stat(path.c_str(), &file) != 0) fail("cannot look at " + path);
    return static_cast<std::uint64_t>(file.st_size);
}

}  // namespace

std::uint64_t rrd_bytes(const Subject& subject) {
    const rside_schema& schema = *subject.schema;
    std::uint64_t totals = 0, gauges = 0, buckets = 0;
    for (std::uint32_t m = 0; m < schema.metric_count; ++m) {
        const rside_metric& metric = schema.metrics[m];
        if (rside_is_counter(metric.kind)) totals += metric.max_series;
        if (rside_is_gauge(metric.kind)) gauges += metric.max_series;
        if (metric.kind != RSIDE_HISTOGRAM) continue;
        totals += 2ul * metric.max_series;  // count and sum
        buckets += (rside_histogram_buckets(&metric) + 1ul) * metric.max_series;
    }
    const std::string folder = scratch_folder("rrd_" + subject.name);
    return file_bytes(folder + "/totals.rrd", schema, totals, kTotals) +
           file_bytes(folder + "/gauges.rrd", schema, gauges, RSIDE_COLUMNS_GAUGE) +
           file_bytes(folder + "/buckets.rrd", schema, buckets, kBuckets);
}

}  // namespace ringside::bench
