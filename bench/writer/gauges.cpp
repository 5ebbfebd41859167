// Records into many gauges in random order, alone and with a reader on another core that copies all cells again and again,
// as the agent does for placement.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <ringside/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/writer/cases.h"
#include "bench/writer/core.h"
#include "bench/writer/recorder.h"
#include "bench/writer/scratch.h"
#include "bench/writer/time_calls.h"

namespace ringside::bench {
namespace {

using std::chrono::milliseconds;

constexpr int kRepetitions = 5;
constexpr double kSeconds = 1.5;  // of a repetition: long enough for a reader that comes once a second

// Copies the hot cells of a segment by pread, one pass each `pace`, until it goes.
class Reader {
  public:
    Reader(const char* path, milliseconds pace)
        : file_(::open(path, O_RDONLY | O_CLOEXEC)), thread_(&Reader::run, this, pace) {
        if (file_ < 0) fail(std::string("cannot open ") + path);
    }
    ~Reader() {
        {
            const std::lock_guard lock(mutex_);
            over_ = true;
        }
        wake_.notify_one();
        thread_.join();
        ::close(file_);
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

  private:
    void run(milliseconds pace) {
        stay_on(second_core());
        rside_header header;
        if (::pread(file_, &header, sizeof header, 0) != sizeof header) fail("cannot read the header of a segment");
        std::vector<rside_cell> cells(header.series_capacity);
        const std::size_t bytes = cells.size() * sizeof(rside_cell);
        auto next = std::chrono::steady_clock::now();
        std::unique_lock lock(mutex_);
        while (!over_) {
            const ssize_t got = ::pread(file_, cells.data(), bytes, static_cast<off_t>(header.cells_offset));
            if (got != static_cast<ssize_t>(bytes)) fail("cannot read the cells of a segment");
            benchmark::DoNotOptimize(cells.data());
            next += pace;
            wake_.wait_until(lock, next, [this] { return over_; });
        }
    }

    int file_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool over_ = false;
    std::thread thread_;
};

template <std::size_t kCalls>
void time_gauges(benchmark::State& state, const Gauges& into) {
    const auto tick = [&] { into.segment.tick(now_ns()); };
    const Gauge* const gauges = into.in_random_order.data();
    const double* const values = samples().data();
    time_calls<kCalls>(state, tick, [=](std::size_t i) { gauges[i].record(values[i % kSamples]); });
}

void gauge_record_100(benchmark::State& state) { time_gauges<kSomeGauges * kSomeRounds>(state, some_gauges()); }
void gauge_record_10k(benchmark::State& state) { time_gauges<kManyGauges>(state, many_gauges(RSIDE_CLOCK_TICK)); }

const Gauges& many_ticked() { return many_gauges(RSIDE_CLOCK_TICK); }

struct BesideReader {
    const char* name;
    void (*records)(benchmark::State&);
    const Gauges& (*gauges)();
    milliseconds pace;
};
constexpr BesideReader kBesideReader[] = {
    {"gauge_record_tick_100_reader_1ms", gauge_record_100, some_gauges, milliseconds(1)},
    {"gauge_record_tick_100_reader_1s", gauge_record_100, some_gauges, milliseconds(1000)},
    {"gauge_record_tick_10k_reader_1ms", gauge_record_10k, many_ticked, milliseconds(1)},
    {"gauge_record_tick_10k_reader_1s", gauge_record_10k, many_ticked, milliseconds(1000)},
};

void beside_reader(benchmark::State& state, const BesideReader& of) {
    const Reader reader(of.gauges().segment.path(), of.pace);
    of.records(state);
}

}  // namespace

void add_gauges() {
    benchmark::RegisterBenchmark("gauge_record_tick_100", gauge_record_100);
    benchmark::RegisterBenchmark("gauge_record_tick_10k", gauge_record_10k);
    if (second_core() < 0) return;  // bench/README.md says that they are left out then
    for (const BesideReader& each : kBesideReader) {
        benchmark::RegisterBenchmark(each.name, beside_reader, each)->MinTime(kSeconds)->Repetitions(kRepetitions);
    }
}

}  // namespace ringside::bench
