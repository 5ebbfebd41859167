// librrd: the same three tiers in a file on the same tmpfs. One update carries one second of all data sources of the file;
// with 100 of them the cost of opening the file is shared as far as people share it.
#include <benchmark/benchmark.h>
#include <rrd.h>
#include <time.h>

#include <cstddef>
#include <string>
#include <vector>

#include "bench/writer/cases.h"
#include "bench/writer/samples.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

constexpr std::size_t kSources = 100;

std::string last_error() {
    const char* const text = rrd_get_error();
    return text != nullptr ? text : "no reason given";
}

class Rrd {
  public:
    Rrd() : path_(scratch_folder("rrd") + "/bench.rrd"), second_(time(nullptr)) {
        std::vector<std::string> lines;
        for (std::size_t i = 0; i < kSources; ++i) lines.push_back("DS:depth" + std::to_string(i) + ":GAUGE:2:U:U");
        // At 1 s there is one value a window, which is its average, minimum, maximum and last.
        lines.push_back("RRA:AVERAGE:0.5:1:300");
        for (const char* tier : {"10:360", "300:288"}) {
            for (const char* column : {"AVERAGE", "MIN", "MAX", "LAST"}) {
                lines.push_back(std::string("RRA:") + column + ":0.5:" + tier);
            }
        }
        std::vector<const char*> words;
        for (const std::string& line : lines) words.push_back(line.c_str());
        if (rrd_create_r(path_.c_str(), 1, second_, static_cast<int>(words.size()), words.data()) != 0) {
            fail("rrd_create_r: " + last_error());
        }
        for (std::size_t i = 0; i < kSources; ++i) values_ += ':' + std::to_string(samples()[i]);
    }

    // One more second: all data sources get a value.
    void update() {
        line_.assign(std::to_string(++second_)).append(values_);
        const char* const words[] = {line_.c_str()};
        // The header's `const char**` is not written to.
        if (rrd_update_r(path_.c_str(), nullptr, 1, const_cast<const char**>(words)) != 0) {
            fail("rrd_update_r: " + last_error());
        }
    }

  private:
    std::string path_;
    std::string values_;
    std::string line_;
    time_t second_;
};

void update(benchmark::State& state) {
    static Rrd into;
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(kSources))) into.update();
}

}  // namespace

void add_rrd() { benchmark::RegisterBenchmark("rrd_update_per_ds", update); }

}  // namespace ringside::bench
