#include "tools/ringsidectl/names.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "libwriter/toml/nearest.h"

namespace ringside::ctl {
namespace {

template <typename Enum, std::size_t N>
using Words = std::array<std::pair<Enum, const char*>, N>;

constexpr Words<v1::VmState, 4> kStates{{{v1::VM_STATE_PROVISIONED, "provisioned"},
                                         {v1::VM_STATE_RUNNING, "running"},
                                         {v1::VM_STATE_EXITED, "exited"},
                                         {v1::VM_STATE_DRAINED, "drained"}}};
constexpr Words<v1::ExitCause, 7> kExitCauses{{{v1::EXIT_CAUSE_UNSPECIFIED, ""},
                                               {v1::EXIT_CAUSE_CLOSED, "closed"},
                                               {v1::EXIT_CAUSE_KILLED, "killed"},
                                               {v1::EXIT_CAUSE_HOST_REBOOTED, "host-rebooted"},
                                               {v1::EXIT_CAUSE_UNKNOWN, "unknown"},
                                               {v1::EXIT_CAUSE_OOM, "oom"},
                                               {v1::EXIT_CAUSE_EXITED, "exited"}}};
constexpr Words<v1::MetricKind, 6> kKinds{{{v1::METRIC_KIND_COUNTER, "counter"},
                                           {v1::METRIC_KIND_COUNTER_F64, "counter_f64"},
                                           {v1::METRIC_KIND_GAUGE, "gauge"},
                                           {v1::METRIC_KIND_LEVEL, "level"},
                                           {v1::METRIC_KIND_HISTOGRAM, "histogram"},
                                           {v1::METRIC_KIND_INFO, "info"}}};
constexpr Words<v1::Column, 7> kColumns{{{v1::COLUMN_COUNT, "count"},
                                         {v1::COLUMN_SUM, "sum"},
                                         {v1::COLUMN_MIN, "min"},
                                         {v1::COLUMN_MAX, "max"},
                                         {v1::COLUMN_LAST, "last"},
                                         {v1::COLUMN_VALUE, "value"},
                                         {v1::COLUMN_BUCKETS, "buckets"}}};
constexpr Words<v1::EventKind, 5> kEvents{{{v1::EVENT_KIND_APPEARED, "appeared"},
                                           {v1::EVENT_KIND_EXITED, "exited"},
                                           {v1::EVENT_KIND_DRAINED, "drained"},
                                           {v1::EVENT_KIND_QUARANTINED, "quarantined"},
                                           {v1::EVENT_KIND_PUSHED, "pushed"}}};

template <typename Enum, std::size_t N>
std::string word_of(const Words<Enum, N>& words, Enum value) {
    const auto found = std::find_if(words.begin(), words.end(), [&](const auto& pair) { return pair.first == value; });
    return found == words.end() ? "unknown" : found->second;
}

template <typename Enum, std::size_t N>
Enum value_of(const Words<Enum, N>& words, const std::string& word) {
    const auto found = std::find_if(words.begin(), words.end(), [&](const auto& pair) { return pair.second == word; });
    return found == words.end() ? Enum{} : found->first;
}

template <typename Enum, std::size_t N>
std::vector<std::string> list_of(const Words<Enum, N>& words) {
    std::vector<std::string> list;
    for (const auto& pair : words) list.emplace_back(pair.second);
    return list;
}

}  // namespace

std::string state_name(v1::VmState state) { return word_of(kStates, state); }
std::string exit_cause_name(v1::ExitCause cause) { return word_of(kExitCauses, cause); }
std::string kind_name(v1::MetricKind kind) { return word_of(kKinds, kind); }
std::string column_name(v1::Column column) { return word_of(kColumns, column); }
std::string event_name(v1::EventKind kind) { return word_of(kEvents, kind); }

const std::vector<std::string>& state_words() {
    static const std::vector<std::string> words = list_of(kStates);
    return words;
}
const std::vector<std::string>& event_words() {
    static const std::vector<std::string> words = list_of(kEvents);
    return words;
}
v1::VmState state_of(const std::string& word) { return value_of(kStates, word); }
v1::Column column_of(const std::string& word) { return value_of(kColumns, word); }
v1::EventKind event_of(const std::string& word) { return value_of(kEvents, word); }

Labels labels_of(const v1::Series& series) {
    Labels labels;
    for (const v1::Label& label : series.labels()) labels.emplace_back(label.name(), label.value());
    return labels;
}

agent::Error no_such_metric(const v1::Schema& schema, const std::string& metric) {
    std::vector<std::string_view> known;
    for (const v1::Metric& one : schema.metrics()) known.push_back(one.name());
    const std::string hint = did_you_mean(nearest_names(metric, known));
    return agent::error(agent::Code::kNotFound,
                        "schema " + schema.name() + " has no metric " + metric +
                            (hint.empty() ? "; `ringsidectl show VM` lists the metrics of a VM" : hint));
}

Section vms_section(const std::vector<v1::Vm>& vms, Format format) {
    Section section{.name = "vms",
                    .columns = {{"vm_id"},
                                {"component"},
                                {"epoch"},
                                {"state"},
                                {"exit_cause"},
                                {.name = "exit_signal", .unit = Unit::kNumber, .heading = "SIGNAL", .spare = 6},
                                {.name = "close_code", .unit = Unit::kNumber, .heading = "CODE", .spare = 6},
                                {.name = "schema", .spare = 2},
                                {.name = "series_count", .unit = Unit::kNumber, .heading = "SERIES", .spare = 1},
                                {"segment_bytes", Unit::kBytes},
                                {.name = "archive_bytes", .unit = Unit::kBytes, .spare = 3},
                                {.name = "created_ns", .unit = Unit::kTime, .spare = 5},
                                {.name = "last_write_ns", .unit = Unit::kTime, .spare = 4},
                                {"lag_ns", Unit::kDuration}}};
    // 32 hex digits push everything else off the screen, and nobody compares them by eye.
    const std::size_t epoch_digits = format == Format::kTable ? 8 : std::string::npos;
    for (const v1::Vm& vm : vms) {
        section.rows.push_back({vm.ref().vm_id(), vm.ref().component(), vm.ref().epoch().substr(0, epoch_digits),
                                state_name(vm.state()), exit_cause_name(vm.exit_cause()), exit_signal_of(vm),
                                close_code_of(vm), vm.schema().name(), std::uint64_t{vm.series_count()},
                                vm.segment_bytes(), RSIDE_OPTIONAL(vm, archive_bytes), RSIDE_OPTIONAL(vm, created_ns),
                                RSIDE_OPTIONAL(vm, last_write_ns), RSIDE_OPTIONAL(vm, lag_ns)});
    }
    return section;
}

}  // namespace ringside::ctl
