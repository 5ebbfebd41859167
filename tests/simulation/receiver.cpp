#include "tests/simulation/receiver.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <utility>

namespace ringside::simulation {
namespace {

constexpr std::uint64_t kStepNs = kPushedResolutionS * kSecond;

std::string text_of(const agent::WireSample& sample) {
    return agent::label_text(*sample.labels) + " " + std::to_string(sample.timestamp_ms) + " = " +
           std::to_string(sample.value);
}

bool same(double a, double b) { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

bool about_same(double a, double b) { return same(a, b) || std::abs(a - b) <= 1e-9 * std::abs(a); }

}  // namespace

Receiver::Receiver(std::string name, Census& census, Findings& findings, SimulatedTime& time, Excuses excuses,
                   std::uint64_t seed)
    : name_(std::move(name)),
      census_(census),
      findings_(findings),
      time_(time),
      excuses_(excuses),
      random_(seed),
      exits_(name_, census, findings, time),
      sums_(name_, findings, time) {}

agent::Reply Receiver::answer(std::span<const agent::WireSample> samples, std::uint64_t run, TurnClock& clock) {
    agent::Reply reply;
    auto nothing = [&](const char* reason) {
        reply.verdict = agent::Verdict::kRetry;
        reply.reason = reason;
        reply.text = "simulated";
        return reply;
    };
    const double draw = static_cast<double>(random_() >> 11) * 0x1p-53;
    const std::uint64_t latency_ns = 1 + random_() % mood.latency_ns;
    ++findings_.tried["requests"];
    if (!clock.sleep(latency_ns / 2)) {
        reply.aborted = true;
        return nothing("aborted");
    }
    if (mood.down) {
        ++findings_.tried["requests without an answer"];
        return nothing("no_answer");
    }
    if (draw < mood.fail) {
        ++findings_.tried["requests that failed"];
        return nothing("http_503");
    }
    if (draw < mood.fail + mood.overloaded) {
        ++findings_.tried["requests put off"];
        reply.retry_after_ns = (1 + random_() % 60) * kSecond;
        return nothing("http_429");
    }
    const bool in_part = draw < mood.fail + mood.overloaded + mood.fail_in_part;
    std::vector<Arrival> arrivals;
    arrivals.reserve(samples.size());
    for (const agent::WireSample& sample : samples) arrivals.push_back({&sample, &series_of(*sample.labels)});
    const auto taken = std::span(arrivals).first(in_part ? 1 + random_() % samples.size() : samples.size());
    if (std::any_of(taken.begin(), taken.end(), [&](const auto& arrival) { return refuses(arrival); })) {
        ++findings_.tried["requests refused for their times"];
        for (const Arrival& arrival : arrivals) {
            if (arrival.series->exit) exits_.refuse(*arrival.sample, life_of(arrival));
            if (!refuses(arrival)) refused_with_others_.emplace(arrival.series, arrival.sample->timestamp_ms);
            if (agent::is_stale(*arrival.sample)) refused_ends_.insert(arrival.series);
        }
        nothing("http_400");
        reply.verdict = agent::Verdict::kRefusedParts;
        return reply;
    }
    for (const Arrival& arrival : taken) take(arrival, run);
    if (!clock.sleep(latency_ns / 2)) {
        reply.aborted = true;
        return nothing("aborted");
    }
    if (in_part) {
        ++findings_.tried["requests taken in part"];
        return nothing("http_503");
    }
    if (draw < mood.fail + mood.overloaded + mood.fail_in_part + mood.lose_reply) {
        ++findings_.tried["replies lost"];
        return nothing("no_answer");
    }
    acknowledge(arrivals, run);
    reply.verdict = agent::Verdict::kAccepted;
    reply.body_bytes = samples.size();
    return reply;
}

std::size_t Receiver::LabelHash::operator()(const agent::LabelSet& labels) const {
    std::size_t hash = 0;
    for (const agent::Label& label : labels) {
        for (const std::string* text : {&label.name, &label.value}) hash = hash * 31 + std::hash<std::string>{}(*text);
    }
    return hash;
}

Receiver::Series& Receiver::series_of(const agent::LabelSet& labels) {
    auto [at, first] = series_.try_emplace(labels);
    Series& series = at->second;
    if (first) {
        series.labels = &at->first;
        series.lives = &census_.of(std::string(agent::label_value(labels, "vm_id")));
        series.exit = Exits::is_exit(labels);
        series.sum = Sums::is_sum(labels);
        series.output = output_of(labels);
    }
    return series;
}

std::optional<Receiver::Output> Receiver::output_of(const agent::LabelSet& labels) {
    const std::string_view name = agent::label_value(labels, "__name__");
    Output output;
    if (name == "sim_requests_total") {
        output.series = agent::label_value(labels, "n") == "0" ? SeriesOf::kCounter : SeriesOf::kLateCounter;
        output.cumulative = true;
        return output;
    }
    if (name.starts_with("sim_io_seconds")) {
        output.series = SeriesOf::kHistogram;
        output.cumulative = true;
        const std::string_view part = name.substr(std::string_view("sim_io_seconds").size());
        if (part == "_bucket") {
            output.column = Output::kBucket;
            output.le = std::strtod(std::string(agent::label_value(labels, "le")).c_str(), nullptr);
            return output;
        }
        output.column = part == "_sum" ? Output::kSum : Output::kCount;
        if (part == "_sum" || part == "_count") return output;
        return std::nullopt;
    }
    const std::size_t colon = name.find(':');
    const std::string_view metric = name.substr(0, colon);
    if (metric != "sim_depth" && metric != "sim_memory_bytes") return std::nullopt;
    output.series = metric == "sim_depth" ? SeriesOf::kGauge : SeriesOf::kLevel;
    output.column = Output::kLast;
    if (colon == std::string_view::npos) return output;
    const std::string_view column = name.substr(name.rfind('_') + 1);
    if (column == "min") output.column = Output::kMin;
    if (column == "max") output.column = Output::kMax;
    if (column == "sum") output.column = Output::kSum;
    if (column == "count") output.column = output.series == SeriesOf::kLevel ? Output::kSeconds : Output::kCount;
    return output;
}

double Receiver::column_of(const Columns& columns, const Output& output) {
    switch (output.column) {
        case Output::kValue: return static_cast<double>(columns.value);
        case Output::kCount: return static_cast<double>(columns.count);
        case Output::kSeconds: return static_cast<double>(columns.count) / 1e9;
        case Output::kSum: return columns.sum;
        case Output::kMin: return columns.min;
        case Output::kMax: return columns.max;
        case Output::kLast: return columns.last;
        case Output::kBucket: break;
    }
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < kObservations.size(); ++i)
        below += kObservations[i] <= output.le ? columns.observed[i] : 0;
    return static_cast<double>(below);
}

void Receiver::acknowledge(std::span<const Arrival> arrivals, std::uint64_t run) {
    for (const Arrival& arrival : arrivals) {
        const agent::WireSample& sample = *arrival.sample;
        if (arrival.series->exit) {
            exits_.acknowledge(sample, life_of(arrival), run);
        } else if (arrival.series->newest_ms == sample.timestamp_ms) {
            arrival.series->acked_run = run;
        }
    }
}

void Receiver::take(const Arrival& arrival, std::uint64_t run) {
    const agent::WireSample& sample = *arrival.sample;
    Series& series = *arrival.series;
    ++samples_;
    findings_.trace(static_cast<std::uint64_t>(sample.timestamp_ms));
    findings_.trace(std::bit_cast<std::uint64_t>(sample.value));
    if (series.exit) return exits_.take(sample, life_of(arrival), run);
    if (series.sum) {
        const bool forgotten = series.taken_run < run && forgetful_runs.contains(series.taken_run);
        if (sums_.take(sample, forgotten)) series.taken_run = run;
        return;
    }
    if (!series.output) return findings_.add(Fault::kInvented, name_ + " does not know " + text_of(sample));
    refused_with_others_.erase({&series, sample.timestamp_ms});
    if (agent::is_stale(sample)) refused_ends_.erase(&series);
    if (is_twice(sample.timestamp_ms)) return take_of_time_twice(series, sample, run);
    if (sample.timestamp_ms <= series.newest_ms) return take_again(series, sample, run);
    Life* life = life_of(arrival);
    if (!life) return findings_.add(Fault::kInvented, name_ + ": no VM lived then: " + text_of(sample));
    life->seen_by.insert(this);
    take_new(series, *life, sample);
    note(series, *life, sample, run);
}

void Receiver::note(Series& series, const Life& life, const agent::WireSample& sample, std::uint64_t run) {
    series.newest_ms = sample.timestamp_ms;
    series.newest = sample.value;
    series.steps_back = time_.steps_back();
    series.taken_run = run;
    series.acked_run = 0;
    series.life = &life;
}

// U2 and U3: a repeat is the newest sample of its series, bit for bit, and the agent that repeats it has not been told
// that it arrived. An agent that could not write its cursors down before it died begins further back.
void Receiver::take_again(Series& series, const agent::WireSample& sample, std::uint64_t run) {
    ++repeats_;
    const std::string text = text_of(sample);
    if (sample.timestamp_ms < series.newest_ms) {
        Life* life = life_of({&sample, &series});
        const std::uint64_t step_ns = life ? step_of(series, *life, sample) : kStepNs;
        const bool of_the_end =
            agent::is_stale(sample) || static_cast<std::uint64_t>(sample.timestamp_ms) % (step_ns / kMs) != 0;
        // It may have died after the acknowledgement and before its cursor was saved.
        const bool forgotten = series.taken_run < run && (of_the_end || forgetful_runs.contains(series.taken_run));
        if (!forgotten) {
            return findings_.add(Fault::kDisorder, name_ + " has " + std::to_string(series.newest_ms) + ": " + text);
        }
        ++findings_.tried["samples repeated for want of a cursor"];
        // Idle windows of a life that then turned out to have ended before them: its end comes too early for a receiver.
        series.ended |= agent::is_stale(sample) && life == series.life;
        const std::string wrong = life ? difference(*series.output, *life, sample, step_ns) : "no VM lived then";
        if (!wrong.empty()) findings_.add(Fault::kInvented, name_ + ": " + wrong + ": " + text);
    } else if (!same(sample.value, series.newest)) {
        findings_.add(Fault::kInvented, name_ + " had " + std::to_string(series.newest) + " before: " + text);
    } else if (series.acked_run == run) {
        findings_.add(Fault::kDoubled, name_ + " has acknowledged to this run: " + text);
    }
}

bool Receiver::is_twice(std::int64_t timestamp_ms) const {
    const std::uint64_t at_ns = static_cast<std::uint64_t>(timestamp_ms) * kMs;
    return time_.twice((at_ns - 1) / kStepNs * kStepNs - kSecond, at_ns);
}

// As receivers do with what is older than the newest sample, or another one of its time. The agent sends such only where
// the clock has shown a time twice.
bool Receiver::refuses(const Arrival& arrival) const {
    const agent::WireSample& sample = *arrival.sample;
    const Series& series = *arrival.series;
    if (sample.timestamp_ms > series.newest_ms) return false;
    if (sample.timestamp_ms == series.newest_ms && same(sample.value, series.newest)) return false;
    // A run of the agent that finds its cursor in the future sends all that is held.
    const Life* life = life_of(arrival);
    const bool unsettled = life && life->unsettled(time_, static_cast<std::uint64_t>(sample.timestamp_ms) * kMs);
    return unsettled || is_twice(sample.timestamp_ms) || time_.steps_back() > series.steps_back;
}

// Whose window it is cannot be told for sure, nor what of it the agent had seen: but some life of the VM has recorded as
// much.
void Receiver::take_of_time_twice(Series& series, const agent::WireSample& sample, std::uint64_t run) {
    ++findings_.tried["samples of time that the clock showed twice"];
    const Lives& lives = *series.lives;
    auto fits = [&](const auto& one) {
        return agent::is_stale(sample) ? !one->vm->running() : possible(*series.output, *one, sample.value);
    };
    // One after the other (U5).
    auto from = std::find_if(lives.begin(), lives.end(), [&](const auto& one) { return one.get() == series.life; });
    if (from == lives.end()) from = lives.begin();
    if (series.ended && from != lives.end()) ++from;
    auto life = std::find_if(from, lives.end(), fits);
    if (life == lives.end()) life = std::find_if(lives.begin(), lives.end(), fits);
    if (life == lives.end()) {
        return findings_.add(Fault::kInvented, name_ + ": no VM has recorded as much: " + text_of(sample));
    }
    for (auto& one : lives) one->seen_by.insert(this);
    note(series, **life, sample, run);
    series.ended = agent::is_stale(sample);
}

bool Receiver::possible(const Output& output, const Life& life, double value) {
    const Columns most = life.vm->tally().most(output.series);
    if (output.column >= Output::kMin && output.column <= Output::kLast) return value >= most.min && value <= most.max;
    return value >= 0 && value <= column_of(most, output) * (1 + 1e-9);
}

Life* Receiver::life_of(const Arrival& arrival) {
    return life_at(*arrival.series->lives, static_cast<std::uint64_t>(arrival.sample->timestamp_ms) * kMs);
}

bool Receiver::excused(const Life& life, std::uint64_t window_end_ns) const {
    // The agent judges by the time that the clock has said, which may have been a later one.
    const std::uint64_t now_ns = time_.latest_ns();
    // As long as the agent has not seen its end, a VM that is silent goes on.
    const bool over = !life.vm->running() && time_.steps_back() == 0;
    const std::uint64_t end_ns = over ? std::min(life.vm->gone_ns() + kMinute, now_ns) : now_ns;
    // The window in which the end lies takes one of the slots.
    const std::uint64_t newest_ns = (end_ns + kStepNs - 1) / kStepNs * kStepNs;
    if (window_end_ns + kPushedSlots * kStepNs <= newest_ns) return true;  // lapped
    return window_end_ns + excuses_.backlog_max_ns <= now_ns;              // too old
}

// Windows after the series' newest sample that end before `until_ns` and that the tally has: those of `step_ns`, and the one
// that the end of the life has cut.
void Receiver::miss(const Series& series, const Life& life, std::uint64_t step_ns, std::uint64_t until_ns) {
    std::uint64_t after_ns = life.vm->tally().created_ns(series.output->series);
    if (series.life == &life || (series.life && is_twice(series.newest_ms)))
        after_ns = std::max(after_ns, static_cast<std::uint64_t>(series.newest_ms) * kMs);
    for (std::uint64_t end_ns = (after_ns / step_ns + 1) * step_ns; end_ns < until_ns; end_ns += step_ns) {
        miss_window(series, life, end_ns - step_ns, end_ns);
    }
    if (life.end_ns % step_ns == 0 || life.end_ns <= after_ns || life.end_ns >= until_ns) return;
    miss_window(series, life, life.end_ns / step_ns * step_ns, life.end_ns);
}

void Receiver::miss_window(const Series& series, const Life& life, std::uint64_t begin_ns, std::uint64_t end_ns) {
    if (!life.vm->tally().window(series.output->series, begin_ns, end_ns)) return;
    const auto end_ms = static_cast<std::int64_t>(end_ns / kMs);
    if (is_twice(end_ms) || life.unsettled(time_, end_ns) || refused_with_others_.contains({&series, end_ms})) {
        ++findings_.tried["windows lost to steps of the clock"];
        return;
    }
    if (excused(life, end_ns)) {
        ++excused_;
        return;
    }
    findings_.add(Fault::kLost, name_ + " lacks " + agent::label_text(*series.labels) + " at " +
                                    std::to_string(end_ms) + " of " + life.vm->key() + ", told at " +
                                    std::to_string(time_.realtime_ns() / kMs));
}

void Receiver::take_new(Series& series, Life& life, const agent::WireSample& sample) {
    const Output& output = *series.output;
    const auto at_ns = static_cast<std::uint64_t>(sample.timestamp_ms) * kMs;
    const bool first = series.life != &life;
    const bool clear = series.life && !is_twice(series.newest_ms);
    const bool refused = first && refused_ends_.erase(&series) > 0 && time_.steps_back() > 0;
    if (first && clear && !series.ended && !refused && !forgetful_runs.contains(series.taken_run)) {
        findings_.add(Fault::kLost, name_ + ": " + series.life->vm->key() + " has had no end: " + text_of(sample));
    }
    if (first || !clear) series.ended = false;
    // The end of a life whose windows an earlier one had taken, when the clock was set back: it has nothing else to say.
    if (series.ended && agent::is_stale(sample) && time_.steps_back() > 0) return;
    if (series.ended) return findings_.add(Fault::kInvented, name_ + ": after the end: " + text_of(sample));
    const bool zero = first && is_zero(output, life, sample);
    const std::uint64_t step_ns = step_of(series, life, sample);
    const std::uint64_t begin_ns = (at_ns - 1) / step_ns * step_ns;
    if (!zero) miss(series, life, step_ns, agent::is_stale(sample) ? at_ns : begin_ns + 1);
    if (life.unsettled(time_, at_ns)) {
        if (!agent::is_stale(sample) && !possible(output, life, sample.value))
            findings_.add(Fault::kInvented, name_ + ": the VM has not recorded as much: " + text_of(sample));
    } else if (auto wrong = difference(output, life, sample, step_ns); !wrong.empty()) {
        return findings_.add(Fault::kInvented, name_ + ": " + wrong + ": " + text_of(sample));
    }
    series.ended = agent::is_stale(sample);
}

// R2.
bool Receiver::is_zero(const Output& output, const Life& life, const agent::WireSample& sample) {
    const std::uint64_t created_ns = life.vm->tally().created_ns(output.series);
    return output.cumulative && sample.value == 0 && sample.timestamp_ms == static_cast<std::int64_t>(created_ns / kMs);
}

// A short VM leaves by fine windows. One whose end was noticed late may have sent usual ones before, which end with a
// usual window and hold what no fine one has told of.
std::uint64_t Receiver::step_of(const Series& series, const Life& life, const agent::WireSample& sample) const {
    constexpr std::uint64_t kFineNs = kFineResolutionS * kSecond;
    if (!life.is_short()) return kStepNs;
    const auto at_ns = static_cast<std::uint64_t>(sample.timestamp_ms) * kMs;
    if (!life.noticed_late || agent::is_stale(sample) || at_ns % kStepNs != 0) return kFineNs;
    const std::uint64_t newest_ns = series.life == &life ? static_cast<std::uint64_t>(series.newest_ms) * kMs : 0;
    if (newest_ns < at_ns && newest_ns > std::max(at_ns - kStepNs, life.vm->tally().created_ns(series.output->series)))
        return kFineNs;
    const auto columns = life.vm->tally().window(series.output->series, at_ns - kStepNs, at_ns);
    return columns && about_same(column_of(*columns, *series.output), sample.value) ? kStepNs : kFineNs;
}

std::string Receiver::difference(const Output& output, Life& life, const agent::WireSample& sample,
                                 std::uint64_t step_ns) const {
    const SimulatedVm& vm = *life.vm;
    if (agent::is_stale(sample)) return vm.running() ? "the VM is running" : "";
    if (is_zero(output, life, sample)) return "";
    const auto at_ns = static_cast<std::uint64_t>(sample.timestamp_ms) * kMs;
    if (at_ns % step_ns != 0) {
        if (auto wrong = life.take_end(time_, at_ns); !wrong.empty()) return wrong;
    }
    if (life.is_short() && !life.noticed_late && at_ns > life.end_ns) return "its VM ended before";
    if (vm.tally().forgotten()) return "";
    const auto columns = vm.tally().window(output.series, (at_ns - 1) / step_ns * step_ns, at_ns);
    if (!columns) return "nothing was recorded";
    const double expected = column_of(*columns, output);
    return about_same(expected, sample.value) ? "" : std::to_string(expected) + " was recorded";
}

// After a step back of the clock rules may have begun anew; and what rings have lost is in no sum.
std::string Receiver::lack_of_sums() const {
    return time_.steps_back() > 0 ? "" : sums_.difference(census_, excused_ > 0);
}

void Receiver::check_all_ended() {
    exits_.check_all_ended();
    if (auto wrong = lack_of_sums(); !wrong.empty()) findings_.add(Fault::kLost, wrong);
    for (const auto& [labels, series] : series_) {
        if (series.ended || !series.life) continue;
        // Its marker was refused, as older than what came before the clock was set back, or with others of that kind;
        // or as older than what a run had sent that could not save its cursors.
        if (is_twice(series.newest_ms) || forgetful_runs.contains(series.taken_run)) continue;
        findings_.add(Fault::kLost,
                      name_ + ": no end of " + agent::label_text(labels) + " of VM " + series.life->vm->key());
    }
    // Lives of which nothing has come at all.
    for (const auto& [vm_id, lives] : census_.all()) {
        for (const auto& life : lives) {
            if (life->vm->running() || life->seen_by.contains(this)) continue;
            if (time_.twice(life->vm->created_ns(), life->vm->gone_ns()) || life->vm->tally().rebased()) continue;
            findings_.add(Fault::kLost, name_ + ": nothing at all of VM " + life->vm->key());
        }
    }
}

}  // namespace ringside::simulation
