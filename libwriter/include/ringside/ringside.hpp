// C++ face of the writer library: the C ABI with owners, header-only. Nothing throws, nothing allocates.
//
//     auto segment = ringside::Segment::create(options);
//     if (!segment) log(segment.error().text);                  // the VM runs on; what follows does nothing
//     auto reads = segment.counter("vmm_block_requests_total", {"vda", "read"});
//     reads.add();
//
// Handles are a few words by value: copy them freely, but one thread records into one series (ringside.h). They end
// with the Segment.
#pragma once

#include <ringside/ringside.h>

#include <initializer_list>
#include <utility>

namespace ringside {

class Counter {
  public:
    Counter() = default;
    explicit Counter(rside_counter handle) : handle_(handle) {}
    explicit operator bool() const { return handle_.series.cell != nullptr; }
    void add(uint64_t delta = 1) const { rside_counter_add(handle_, delta); }
    void total(uint64_t raw) const { rside_counter_total(handle_, raw); }
    void baseline(uint64_t raw) const { rside_counter_baseline(handle_, raw); }

  private:
    rside_counter handle_ = {};
};

class SharedCounter {
  public:
    SharedCounter() = default;
    explicit SharedCounter(rside_shared_counter handle) : handle_(handle) {}
    explicit operator bool() const { return handle_.series.cell != nullptr; }
    void add(uint64_t delta = 1) const { rside_shared_counter_add(handle_, delta); }

  private:
    rside_shared_counter handle_ = {};
};

class CounterF64 {
  public:
    CounterF64() = default;
    explicit CounterF64(rside_counter_f64 handle) : handle_(handle) {}
    explicit operator bool() const { return handle_.series.cell != nullptr; }
    void add(double delta) const { rside_counter_f64_add(handle_, delta); }
    void total(double raw) const { rside_counter_f64_total(handle_, raw); }
    void baseline(double raw) const { rside_counter_f64_baseline(handle_, raw); }

  private:
    rside_counter_f64 handle_ = {};
};

class Gauge {
  public:
    Gauge() = default;
    explicit Gauge(rside_gauge handle) : handle_(handle) {}
    explicit operator bool() const { return handle_.series.cell != nullptr; }
    void record(double value) const { rside_gauge_record(handle_, value); }

  private:
    rside_gauge handle_ = {};
};

class Level {
  public:
    Level() = default;
    explicit Level(rside_level handle) : handle_(handle) {}
    explicit operator bool() const { return handle_.series.cell != nullptr; }
    void set(double value) const { rside_level_set(handle_, value); }

  private:
    rside_level handle_ = {};
};

class Histogram {
  public:
    Histogram() = default;
    explicit Histogram(rside_histogram handle) : handle_(handle) {}
    explicit operator bool() const { return handle_.series.cell != nullptr; }
    void record(double value) const { rside_histogram_record(handle_, value); }

  private:
    rside_histogram handle_ = {};
};

// Owns one segment. Empty (false) when set-up failed: handles are then empty too, and error() says why.
class Segment {
  public:
    using Values = std::initializer_list<const char*>;

    Segment() = default;
    ~Segment() { close(); }
    Segment(Segment&& other) noexcept : segment_(std::exchange(other.segment_, nullptr)), error_(other.error_) {}
    Segment& operator=(Segment&& other) noexcept {
        if (this == &other) return *this;
        close();
        segment_ = std::exchange(other.segment_, nullptr);
        error_ = other.error_;
        return *this;
    }
    Segment(const Segment&) = delete;
    Segment& operator=(const Segment&) = delete;

    static Segment create(const rside_options& options) {
        Segment made;
        rside_segment_create(&options, &made.segment_, &made.error_);
        return made;
    }
    static Segment attach(const char* path, const rside_schema* schema = nullptr,
                          rside_clock clock = RSIDE_CLOCK_COARSE, uint32_t flags = 0) {
        Segment made;
        rside_segment_attach(path, schema, clock, flags, &made.segment_, &made.error_);
        return made;
    }
    static Segment attach(int fd, const rside_schema* schema = nullptr, rside_clock clock = RSIDE_CLOCK_COARSE,
                          uint32_t flags = 0) {
        Segment made;
        rside_segment_attach_fd(fd, schema, clock, flags, &made.segment_, &made.error_);
        return made;
    }

    explicit operator bool() const { return segment_ != nullptr; }
    // Of the newest call that failed.
    const rside_error& error() const { return error_; }
    rside_segment* get() const { return segment_; }
    const char* path() const { return rside_segment_path(segment_); }
    void tick(uint64_t now_ns) const { rside_tick(segment_, now_ns); }

    // An empty handle, with error() set, when the series cannot be registered. Values as they stand in the call, or `count` of
    // them where their number is known only then.
    Counter counter(const char* metric, const char* const* values, size_t count) {
        return Counter(rside_counter_register(segment_, metric, values, count, &error_));
    }
    Counter counter(const char* metric, Values values = {}) { return counter(metric, values.begin(), values.size()); }
    SharedCounter shared_counter(const char* metric, const char* const* values, size_t count) {
        return SharedCounter(rside_shared_counter_register(segment_, metric, values, count, &error_));
    }
    SharedCounter shared_counter(const char* metric, Values values = {}) {
        return shared_counter(metric, values.begin(), values.size());
    }
    CounterF64 counter_f64(const char* metric, const char* const* values, size_t count) {
        return CounterF64(rside_counter_f64_register(segment_, metric, values, count, &error_));
    }
    CounterF64 counter_f64(const char* metric, Values values = {}) {
        return counter_f64(metric, values.begin(), values.size());
    }
    Gauge gauge(const char* metric, const char* const* values, size_t count) {
        return Gauge(rside_gauge_register(segment_, metric, values, count, &error_));
    }
    Gauge gauge(const char* metric, Values values = {}) { return gauge(metric, values.begin(), values.size()); }
    Level level(const char* metric, const char* const* values, size_t count) {
        return Level(rside_level_register(segment_, metric, values, count, &error_));
    }
    Level level(const char* metric, Values values = {}) { return level(metric, values.begin(), values.size()); }
    Histogram histogram(const char* metric, const char* const* values, size_t count) {
        return Histogram(rside_histogram_register(segment_, metric, values, count, &error_));
    }
    Histogram histogram(const char* metric, Values values = {}) {
        return histogram(metric, values.begin(), values.size());
    }
    bool info(const char* metric, const char* const* values, size_t count) {
        return rside_info_register(segment_, metric, values, count, &error_) == 0;
    }
    bool info(const char* metric, Values values = {}) { return info(metric, values.begin(), values.size()); }

    // Says why the VM ends, and leaves the handles to threads that may still record.
    void mark_closed(int code = 0, const char* text = nullptr) const {
        rside_segment_mark_closed(segment_, code, text);
    }
    // Says why the VM ends. Without it, destruction closes with code 0.
    void close(int code = 0, const char* text = nullptr) {
        rside_segment_close(std::exchange(segment_, nullptr), code, text);
    }

  private:
    rside_segment* segment_ = nullptr;
    rside_error error_ = {};
};

}  // namespace ringside
