// A writer that lives by a script: what it records and when stands in its standard input, and its clock goes from line to
// line, so that hours pass in milliseconds. The test that wrote the script knows what was recorded, to the nanosecond.
//
//     scripted_writer --directory D --vm-id V --created NS < script
//
// A line is a time (CLOCK_REALTIME in ns, not before that of the line above), a verb, and what it takes:
//     NS add METRIC LABEL NUMBER       to a counter, of u64 or f64; the first line of a series registers it
//     NS record METRIC LABEL NUMBER    into a gauge or histogram
//     NS set METRIC LABEL NUMBER       a level
//     NS close CODE TEXT               closes the segment and exits 0
//     NS stand                         prints {"path": ...} and waits: it lives until its input ends or it is killed
// LABEL is the value of the metric's one label, `-` where it has none. At the end of its input it is gone without a word.

#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <ringside/ringside.hpp>
#include <sstream>
#include <string>

#include "tests/simulation/simulated_time.h"

namespace {

constexpr const char* kReason[] = {"reason"};

constexpr rside_metric metric(const char* name, rside_kind kind, const char* const* labels, uint32_t label_count) {
    const bool histogram = kind == RSIDE_HISTOGRAM;
    return {name,
            static_cast<uint8_t>(kind),
            0,
            "",
            "Scripted values.",
            labels,
            label_count,
            label_count == 0 ? 1u : 4u,
            static_cast<int8_t>(histogram ? 1 : 0),
            histogram ? 0.125 : 0.0,
            histogram ? 16.0 : 0.0};
}

constexpr rside_metric kMetrics[] = {
    metric("t_exits_total", RSIDE_COUNTER, kReason, 1),
    metric("t_busy_seconds_total", RSIDE_COUNTER_F64, nullptr, 0),
    metric("t_depth", RSIDE_GAUGE, nullptr, 0),
    metric("t_memory_bytes", RSIDE_LEVEL, nullptr, 0),
    metric("t_wait_seconds", RSIDE_HISTOGRAM, nullptr, 0),
};

using Record = std::function<void(double)>;

class Script {
  public:
    Script(ringside::Segment& segment, ringside::simulation::SimulatedTime& time) : segment_(segment), time_(time) {}

    int run() {
        for (std::string line; std::getline(std::cin, line);) {
            std::istringstream in(line);
            std::uint64_t at_ns = 0;
            std::string verb;
            in >> at_ns >> verb;
            if (!in || at_ns < time_.realtime_ns()) return refuse(line);
            time_.advance_to(time_.monotonic_ns() + at_ns - time_.realtime_ns());
            if (verb == "close") {
                int code = 0;
                std::string text;
                in >> code;
                std::getline(in >> std::ws, text);
                segment_.close(code, text.c_str());
                return 0;
            }
            if (verb == "stand") {
                std::cout << nlohmann::json{{"path", segment_.path()}}.dump() << std::endl;
            } else if (!obey(verb, in)) {
                return refuse(line);
            }
        }
        ::_exit(0);
    }

  private:
    int refuse(const std::string& line) {
        std::cerr << "scripted_writer: cannot do '" << line << "' " << segment_.error().text << "\n";
        return 2;
    }

    bool obey(const std::string& verb, std::istringstream& in) {
        std::string name, label;
        double number = 0;
        in >> name >> label >> number;
        if (!in) return false;
        auto [at, first] = series_.try_emplace(name + ' ' + label);
        if (first) at->second = registered(verb, name, label);
        if (!at->second) return false;
        at->second(number);
        return true;
    }

    // Empty where the verb is not one of the metric's.
    Record registered(const std::string& verb, const std::string& name, const std::string& label) {
        const char* const values[] = {label.c_str()};
        const std::size_t count = label == "-" ? 0 : 1;
        if (verb == "set") return recording(segment_.level(name.c_str(), values, count), &ringside::Level::set);
        if (verb == "record" && name == "t_depth")
            return recording(segment_.gauge(name.c_str(), values, count), &ringside::Gauge::record);
        if (verb == "record")
            return recording(segment_.histogram(name.c_str(), values, count), &ringside::Histogram::record);
        if (verb != "add") return {};
        if (name == "t_exits_total") {
            auto counter = segment_.counter(name.c_str(), values, count);
            if (!counter) return {};
            return [counter](double number) { counter.add(static_cast<std::uint64_t>(number)); };
        }
        return recording(segment_.counter_f64(name.c_str(), values, count), &ringside::CounterF64::add);
    }

    template <typename Handle>
    static Record recording(Handle handle, void (Handle::*record)(double) const) {
        if (!handle) return {};
        return [handle, record](double number) { (handle.*record)(number); };
    }

    ringside::Segment& segment_;
    ringside::simulation::SimulatedTime& time_;
    std::map<std::string, Record> series_;
};

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Writer that lives by a script."};
    std::string directory, vm_id;
    std::uint64_t created_ns = 0;
    app.add_option("--directory", directory)->required();
    app.add_option("--vm-id", vm_id)->required();
    app.add_option("--created", created_ns)->required();
    CLI11_PARSE(app, argc, argv);

    ringside::simulation::SimulatedTime time(std::random_device{}());
    time.step(static_cast<std::int64_t>(created_ns - time.realtime_ns()));
    const rside_schema schema = {"scripted", 1, rside_default_tiers, 3, kMetrics, std::size(kMetrics), 0};
    rside_options options;
    rside_options_init(&options);
    options.vm_id = vm_id.c_str();
    options.directory = directory.c_str();
    options.schema = &schema;
    auto segment = ringside::Segment::create(options);
    if (!segment) {
        std::cerr << "scripted_writer: " << segment.error().text << "\n";
        return 1;
    }
    return Script(segment, time).run();
}
