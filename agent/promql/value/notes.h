// What a query has to tell beside its result: warnings, where the result may be wrong, and infos. The texts are those
// of Prometheus, since dashboards and its tests look for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringside::agent::promql {

enum class NoteLevel : std::uint8_t { kWarning, kInfo };

struct Note {
    NoteLevel level = NoteLevel::kWarning;
    std::string message;         // "PromQL warning: ..." or "PromQL info: ..."
    std::uint32_t position = 0;  // the byte of the query where the part begins that it is about
    std::string detail;          // follows the message where the reader sees the query's text, too
};

// A histogram_quantile() had to lift counts: one note for all samples that this happened to.
struct ForcedMonotonicity {
    std::int64_t time_ms = 0;
    double lowest_bound = 0, highest_bound = 0, largest_lift = 0;
};

// Each message once, in the order they came up.
class Notes {
  public:
    void warn(std::uint32_t position, std::string_view text) { add(NoteLevel::kWarning, position, text); }
    void inform(std::uint32_t position, std::string_view text) { add(NoteLevel::kInfo, position, text); }
    void forced_monotonicity(std::uint32_t position, std::string_view metric, const ForcedMonotonicity& what);

    // With details filled in. Cheap enough to call once a query.
    std::vector<Note> list() const;
    bool empty() const { return entries_.empty(); }

  private:
    struct Entry {
        Note note;
        bool has_range = false;  // of a forced monotonicity
        ForcedMonotonicity widest;
        std::int64_t last_time_ms = 0;
        std::uint64_t samples = 0;
    };
    Entry& add(NoteLevel level, std::uint32_t position, std::string_view text);

    std::vector<Entry> entries_;  // a handful; searched from the front
};

// "message (1:5)": with the line and column of the note's part in `query`, both counted from 1.
std::string note_text(const Note& note, std::string_view query);

// Texts with more than one user. `metric` is a metric's name; where it may be empty, it is left out then.
namespace note {

std::string mixed_floats_histograms(std::string_view metric);
inline constexpr std::string_view kMixedFloatsHistogramsAggregation =
    "encountered a mix of histograms and floats for aggregation";
std::string mixed_classic_native(std::string_view metric);
std::string not_a_counter(std::string_view metric);
std::string not_a_gauge(std::string_view metric);
std::string mixed_buckets(std::string_view metric);
std::string start_overlap(std::string_view metric);
std::string ignored_in_mixed_range(std::string_view metric);
std::string ignored_in_aggregation(std::string_view aggregation);
std::string bad_bucket_label(std::string_view metric, std::string_view label);
std::string invalid_quantile(double q);
std::string invalid_ratio(double ratio, double cap);
std::string possible_non_counter(std::string_view metric);
std::string possible_non_counter_label(std::string_view metric, std::string_view type);
std::string incompatible_types(std::string_view left, std::string_view op, std::string_view right);
std::string incompatible_layout(std::string_view op);
std::string quantile_is_nan(std::string_view metric);
std::string quantile_is_skewed(std::string_view metric);
std::string fraction_excludes_nan(std::string_view metric);
inline constexpr std::string_view kSortInRange =
    "sort is ineffective for range queries since results are always ordered by labels";

// What was being done when histograms turned out not to fit.
inline constexpr std::string_view kAddition = "addition", kSubtraction = "subtraction", kAggregation = "aggregation";
std::string reset_collision(std::string_view operation);
std::string bounds_reconciled(std::string_view operation);

}  // namespace note

}  // namespace ringside::agent::promql
