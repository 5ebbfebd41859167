#include "tools/bridge/recorder.h"

#include <spdlog/spdlog.h>

#include <array>
#include <cerrno>

namespace ringside::bridge {

std::unique_ptr<Recorder> Recorder::create(const rside_options& options, std::string& error) {
    rside_segment* segment = nullptr;
    rside_error why{};
    if (rside_segment_create(&options, &segment, &why) < 0) {
        error = why.text;
        return nullptr;
    }
    return std::unique_ptr<Recorder>(new Recorder(segment, options.schema));
}

// A segment that nobody closed stays open for the agent to find, which tells a crash from an end. The process is about
// to end, and the kernel unmaps.
Recorder::~Recorder() = default;

void Recorder::close(const char* text) {
    rside_segment_close(segment_, 0, text);
    segment_ = nullptr;
}

const rside_metric* Recorder::metric(std::string_view name) const {
    for (std::uint32_t i = 0; i < schema_->metric_count; ++i) {
        if (name == schema_->metrics[i].name) return &schema_->metrics[i];
    }
    return nullptr;
}

std::size_t Recorder::room(std::string_view name, std::size_t series_per_device) const {
    const rside_metric* found = metric(name);
    return found ? found->max_series / series_per_device : 0;
}

void Recorder::left_out(std::string_view source, std::uint32_t devices) {
    auto found = left_out_.find(source);
    if (found == left_out_.end()) {
        found = left_out_.emplace(source, reading("ringside_bridge_unrecorded_devices", {source})).first;
    }
    found->second.set(devices);
    if (devices == 0 || !sources_over_their_room_.emplace(source).second) return;
    spdlog::warn(
        "{}: {} devices are not recorded, the room of this segment is used up; restart the bridge to make room for "
        "those "
        "that are there, or ignore some (ringside_bridge_unrecorded_devices tells how many from now on)",
        source, devices);
}

void Recorder::refused(const char* metric, Labels labels, const char* why) {
    if (!refused_metrics_.insert(metric).second) return;
    std::string values;
    for (std::string_view label : labels) {
        if (!values.empty()) values += ", ";
        values += label;
    }
    spdlog::warn("{}{{{}}} is not recorded: {}; further refusals of this metric are only counted", metric, values, why);
}

template <typename Register>
auto Recorder::registered(const char* metric, Labels labels, Register call) {
    std::array<std::string, RSIDE_MAX_LABELS> texts;
    std::array<const char*, RSIDE_MAX_LABELS> values{};
    std::size_t count = 0;
    for (std::string_view label : labels) {
        texts[count] = label;
        values[count] = texts[count].c_str();
        ++count;
    }
    rside_error error{};
    auto result = call(segment_, metric, values.data(), count, &error);
    if (error.code < 0) refused(metric, labels, error.text);
    return result;
}

rside_counter Recorder::counter(const char* metric, Labels labels) {
    return registered(metric, labels, rside_counter_register);
}

Total Recorder::total(const char* metric, Labels labels) { return Total(counter(metric, labels)); }

TotalSeconds Recorder::total_seconds(const char* metric, Labels labels) {
    return TotalSeconds(registered(metric, labels, rside_counter_f64_register));
}

Reading Recorder::reading(const char* name, Labels labels) {
    const rside_metric* found = metric(name);
    if (found && found->kind == RSIDE_LEVEL) return {{}, registered(name, labels, rside_level_register)};
    return {registered(name, labels, rside_gauge_register), {}};
}

void Recorder::info(const char* metric, Labels labels) { registered(metric, labels, rside_info_register); }

}  // namespace ringside::bridge
