// The writer of the end-to-end tests: records random values from several threads, and keeps a tally of its own. The tally
// is the oracle; it never looks at the segment.
//
//     test_writer --directory D --vm-id V [--component C] [--image I] [--tiers 1x300,10x360] [--threads 3] [--seed N] [--tick]
//
// Prints {"path": ...} when the segment is there, then obeys lines on standard input, answering each with one line:
//     start            record without end, until `pause`        -> {}
//     pause            stop between two records; then it stands -> the tally
//     run N            N rounds in each thread, then it stands  -> the tally
//     tick NS          --tick: set the time                     -> {}
//     close CODE TEXT  pause, close the segment, exit 0         -> the tally
// End of input is `close 0`. Killing it while it stands leaves a segment for which the last tally is exact.
//
// All values are multiples of 2^-10 and sums stay far below 2^43, so doubles add up exactly in any order.

#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <iostream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <ringside/ringside.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using nlohmann::json;

constexpr const char* kThread[] = {"thread"};
constexpr const char* kImage[] = {"image"};
constexpr int kBucketScale = 2;

constexpr rside_metric metric(const char* name, rside_kind kind, const char* unit, const char* const* labels,
                              uint32_t label_count, uint32_t series, uint8_t flags = 0) {
    bool histogram = kind == RSIDE_HISTOGRAM;
    return {name,
            static_cast<uint8_t>(kind),
            flags,
            unit,
            "Known values.",
            labels,
            label_count,
            series,
            static_cast<int8_t>(histogram ? kBucketScale : 0),
            histogram ? 0.0009765625 : 0.0,
            histogram ? 1024.0 : 0.0};
}

constexpr rside_metric kMetrics[] = {
    metric("t_info", RSIDE_INFO, "", kImage, 1, 1),
    metric("t_ops_total", RSIDE_COUNTER, "", kThread, 1, 16),
    metric("t_busy_seconds_total", RSIDE_COUNTER_F64, "seconds", kThread, 1, 16),
    metric("t_shared_total", RSIDE_COUNTER, "", nullptr, 0, 1, RSIDE_METRIC_SHARED),
    metric("t_sample", RSIDE_GAUGE, "", kThread, 1, 16),
    metric("t_depth", RSIDE_LEVEL, "", kThread, 1, 16),
    metric("t_latency_seconds", RSIDE_HISTOGRAM, "seconds", kThread, 1, 16),
};

struct Observed {
    std::uint64_t count = 0;
    double sum = 0;
    double min = INFINITY;
    double max = -INFINITY;
    double last = 0;

    void add(double value) {
        ++count;
        sum += value;
        min = std::min(min, value);
        max = std::max(max, value);
        last = value;
    }
    json to_json() const {
        if (count == 0) return {{"count", 0}};
        return {{"count", count}, {"sum", sum}, {"min", min}, {"max", max}, {"last", last}};
    }
};

// What one thread recorded.
struct Tally {
    std::uint64_t ops = 0;
    double busy = 0;
    std::uint64_t shared = 0;
    Observed sample;
    Observed depth;
    Observed latency;
    std::map<int, std::uint64_t> at_most_power;  // observations in (2^(k-1), 2^k]; INT_MIN: zero
};

class Worker {
  public:
    Worker(ringside::Segment& segment, unsigned number, std::uint64_t seed) : number_(number), random_(seed + number) {
        std::string label = std::to_string(number);
        ops_ = segment.counter("t_ops_total", {label.c_str()});
        busy_ = segment.counter_f64("t_busy_seconds_total", {label.c_str()});
        shared_ = segment.shared_counter("t_shared_total");
        sample_ = segment.gauge("t_sample", {label.c_str()});
        depth_ = segment.level("t_depth", {label.c_str()});
        latency_ = segment.histogram("t_latency_seconds", {label.c_str()});
        good_ = ops_ && busy_ && shared_ && sample_ && depth_ && latency_;
    }

    bool good() const { return good_; }
    unsigned number() const { return number_; }
    const Tally& tally() const { return tally_; }

    void round() {
        std::uint64_t step = random_() % 5;
        double value = static_cast<double>(static_cast<std::int64_t>(random_() % 2048) - 1024) / 4.0;
        double latency = static_cast<double>(random_() % 4096) / 1024.0;
        ops_.add(step);
        tally_.ops += step;
        busy_.add(static_cast<double>(step) / 1024.0);
        tally_.busy += static_cast<double>(step) / 1024.0;
        shared_.add(1);
        tally_.shared += 1;
        sample_.record(value);
        tally_.sample.add(value);
        depth_.set(std::abs(value));
        tally_.depth.add(std::abs(value));
        latency_.record(latency);
        tally_.latency.add(latency);
        int exponent = 0;
        double fraction = std::frexp(latency, &exponent);  // latency = fraction x 2^exponent, 0.5 <= fraction < 1
        if (fraction == 0.5) --exponent;                   // a power of two belongs to its own bucket
        ++tally_.at_most_power[latency == 0 ? INT_MIN : exponent];
    }

  private:
    unsigned number_;
    std::mt19937_64 random_;
    ringside::Counter ops_;
    ringside::CounterF64 busy_;
    ringside::SharedCounter shared_;
    ringside::Gauge sample_;
    ringside::Level depth_;
    ringside::Histogram latency_;
    bool good_ = false;
    Tally tally_;
};

// Lets all workers run, for a number of rounds or until told to stop, and stands them still between two rounds.
class Crew {
  public:
    Crew(std::vector<Worker>& workers, unsigned pause_us) : pause_us_(pause_us) {
        for (auto& worker : workers) threads_.emplace_back([this, &worker] { loop(worker); });
    }
    ~Crew() {
        {
            std::lock_guard lock(mutex_);
            quit_ = true;
            rounds_ = 0;
            ++order_;
        }
        changed_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

    void start() { give(UINT64_MAX); }
    void run(std::uint64_t rounds) {
        give(rounds);
        stand();
    }
    void pause() {
        halt_ = true;
        stand();
        halt_ = false;
    }

  private:
    void give(std::uint64_t rounds) {
        std::lock_guard lock(mutex_);
        rounds_ = rounds;
        standing_ = 0;
        ++order_;
        changed_.notify_all();
    }
    void stand() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return order_ == 0 || standing_ == threads_.size(); });
    }
    void loop(Worker& worker) {
        std::uint64_t seen = 0;
        for (;;) {
            std::uint64_t rounds;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return order_ != seen; });
                seen = order_;
                rounds = rounds_;
                if (quit_) return;
            }
            for (std::uint64_t i = 0; i < rounds && !halt_; ++i) {
                worker.round();
                if (rounds == UINT64_MAX) std::this_thread::sleep_for(std::chrono::microseconds(pause_us_));
            }
            std::lock_guard lock(mutex_);
            ++standing_;
            changed_.notify_all();
        }
    }

    unsigned pause_us_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t order_ = 0;
    std::uint64_t rounds_ = 0;
    std::size_t standing_ = 0;
    bool quit_ = false;
    std::atomic<bool> halt_{false};
    std::vector<std::thread> threads_;
};

json series(const char* name, const char* kind, json labels, json figures) {
    figures["metric"] = name;
    figures["kind"] = kind;
    figures["labels"] = std::move(labels);
    return figures;
}

json tally_of(const std::vector<Worker>& workers, const std::string& image) {
    json all = json::array();
    std::uint64_t shared = 0;
    for (const auto& worker : workers) {
        const Tally& tally = worker.tally();
        json labels = {{"thread", std::to_string(worker.number())}};
        all.push_back(series("t_ops_total", "counter", labels, {{"value", tally.ops}}));
        all.push_back(series("t_busy_seconds_total", "counter_f64", labels, {{"value", tally.busy}}));
        all.push_back(series("t_sample", "gauge", labels, tally.sample.to_json()));
        json depth = tally.depth.to_json();
        depth.erase("count");  // a level counts time, which the tally does not know
        depth.erase("sum");
        all.push_back(series("t_depth", "level", labels, depth));
        json latency = tally.latency.to_json();
        json buckets = json::object();  // le -> running count
        std::uint64_t running = 0;
        for (const auto& [power, count] : tally.at_most_power) {
            running += count;
            std::ostringstream bound;
            bound.precision(17);
            bound << (power == INT_MIN ? 0.0 : std::ldexp(1.0, power));
            buckets[bound.str()] = running;
        }
        latency["at_most"] = buckets;
        all.push_back(series("t_latency_seconds", "histogram", labels, latency));
        shared += tally.shared;
    }
    all.push_back(series("t_shared_total", "counter", json::object(), {{"value", shared}}));
    all.push_back(series("t_info", "info", {{"image", image}}, {{"value", 1}}));
    return {{"series", all}};
}

std::vector<rside_tier> parse_tiers(const std::string& text) {
    std::vector<rside_tier> tiers;
    std::istringstream in(text);
    for (std::string item; std::getline(in, item, ',');) {
        unsigned resolution = 0, slots = 0;
        if (std::sscanf(item.c_str(), "%ux%u", &resolution, &slots) != 2) return {};
        tiers.push_back({resolution, slots, RSIDE_COLUMNS_ALL});
    }
    return tiers;
}

void answer(const json& line) { std::cout << line.dump() << std::endl; }

int obey(ringside::Segment& segment, std::vector<Worker>& workers, const std::string& image, unsigned pause_us) {
    Crew crew(workers, pause_us);
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream in(line);
        std::string verb;
        in >> verb;
        if (verb == "start") {
            crew.start();
            answer(json::object());
        } else if (verb == "pause") {
            crew.pause();
            answer(tally_of(workers, image));
        } else if (verb == "run") {
            std::uint64_t rounds = 0;
            in >> rounds;
            crew.run(rounds);
            answer(tally_of(workers, image));
        } else if (verb == "tick") {
            std::uint64_t now = 0;
            in >> now;
            segment.tick(now);
            answer(json::object());
        } else if (verb == "close") {
            int code = 0;
            std::string text;
            in >> code;
            std::getline(in >> std::ws, text);
            crew.pause();
            segment.close(code, text.c_str());
            answer(tally_of(workers, image));
            return 0;
        } else {
            std::cerr << "test_writer: no command '" << line << "'\n";
            return 2;
        }
    }
    crew.pause();
    segment.close(0, "end of input");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Writer of the end-to-end tests."};
    std::string directory, vm_id, component, image = "test", tiers_text = "1x300,10x360,300x288";
    unsigned threads = 3, pause_us = 500;
    std::uint64_t seed = 1, first_tick = 0;
    bool tick = false;
    app.add_option("--directory", directory)->required();
    app.add_option("--vm-id", vm_id)->required();
    app.add_option("--component", component);
    app.add_option("--image", image, "label of t_info");
    app.add_option("--tiers", tiers_text);
    app.add_option("--threads", threads)->check(CLI::Range(1, 16));
    app.add_option("--seed", seed);
    app.add_option("--pause-us", pause_us, "between two rounds of `start`");
    app.add_option("--first-tick", first_tick, "time of the first tick, before series are registered");
    app.add_flag("--tick", tick);
    CLI11_PARSE(app, argc, argv);

    std::vector<rside_tier> tiers = parse_tiers(tiers_text);
    rside_schema schema = {"test", 1, tiers.data(), static_cast<uint32_t>(tiers.size()), kMetrics, std::size(kMetrics),
                           0};
    rside_options options;
    rside_options_init(&options);
    options.vm_id = vm_id.c_str();
    options.component = component.c_str();
    options.directory = directory.c_str();
    options.schema = &schema;
    options.clock = tick ? RSIDE_CLOCK_TICK : RSIDE_CLOCK_COARSE;
    auto segment = ringside::Segment::create(options);
    if (!segment) {
        std::cerr << "test_writer: " << segment.error().text << "\n";
        return 1;
    }
    if (first_tick) segment.tick(first_tick);
    std::vector<Worker> workers;
    segment.info("t_info", {image.c_str()});
    for (unsigned number = 0; number < threads; ++number) {
        workers.emplace_back(segment, number, seed);
        if (workers.back().good()) continue;
        std::cerr << "test_writer: " << segment.error().text << "\n";
        return 1;
    }
    answer({{"path", segment.path()}, {"vm_id", vm_id}, {"pid", getpid()}});
    return obey(segment, workers, image, pause_us);
}
