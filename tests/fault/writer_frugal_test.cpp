// Set-up, records and close without the C library's heap; attach with flags 0, register and records without a lock of its;
// and all of it without a thread. The program's own malloc, pthread_mutex_lock and so on are in front of those of the C library,
// also for calls that the C library makes itself, and end the process while they are forbidden.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ringside/ringside.hpp>

#include "tests/support/child.h"
#include "tests/support/sanitizer.h"
#include "tests/unit/libwriter/writer.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

TEST(Frugal, IsNotAskedOfASanitizersOwnHeap) { RINGSIDE_SKIP_UNDER_SANITIZERS(); }

#else

namespace {

bool heap_forbidden = false, locks_forbidden = false, threads_forbidden = false;

// Without printf, which allocates.
void check(bool forbidden, const char* what) {
    if (!forbidden) return;
    (void)!write(STDERR_FILENO, what, std::strlen(what));
    abort();
}

// The function of this name in the C library. Looked up before anything is forbidden.
template <typename Function>
Function* next(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

// NOLINTBEGIN(bugprone-reserved-identifier): what malloc and its like are called inside the C library
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* old);
// NOLINTEND(bugprone-reserved-identifier)

void* malloc(size_t size) {
    check(heap_forbidden, "malloc\n");
    return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
    check(heap_forbidden, "calloc\n");
    return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
    check(heap_forbidden, "realloc\n");
    return __libc_realloc(old, size);
}
void free(void* old) {
    check(heap_forbidden, "free\n");
    __libc_free(old);
}
void* memalign(size_t alignment, size_t size) {
    check(heap_forbidden, "memalign\n");
    return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
    *out = memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

int pthread_mutex_lock(pthread_mutex_t* mutex) {
    static auto* real = next<int(pthread_mutex_t*)>("pthread_mutex_lock");
    check(locks_forbidden, "pthread_mutex_lock\n");
    return real(mutex);
}
int pthread_create(pthread_t* out, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
    static auto* real = next<int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create");
    check(threads_forbidden, "pthread_create\n");
    return real(out, attributes, body, argument);
}
}

namespace ringside {
namespace {

// In force until the end of the child that the test runs.
void forbid(bool locks) {
    static pthread_mutex_t any = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&any);  // looks the real one up
    pthread_mutex_unlock(&any);
    heap_forbidden = true;
    threads_forbidden = true;
    locks_forbidden = locks;
}
// Before anything is said of what went wrong: a string takes memory.
void allow() { heap_forbidden = threads_forbidden = locks_forbidden = false; }

SchemaSpec every_kind() {
    SchemaSpec spec("frugal");
    spec.tier(1, 16).tier(10, 8).tier(300, 8);
    spec.metric("counter", RSIDE_COUNTER, 100, {"n"}).metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    spec.metric("f64", RSIDE_COUNTER_F64).metric("gauge", RSIDE_GAUGE).metric("level", RSIDE_LEVEL);
    return spec.histogram("histogram", 3, 0.5, 100).metric("info", RSIDE_INFO, 1, {"image"});
}

// All that a VMM does between set-up and close, over the ends of windows of each tier, with mistakes among it. What
// was wrong before the first of these: nothing, or why there is no segment or no counter.
rside_error use_everything(Segment& segment) {
    rside_error trouble = segment.error();
    Counter counter = segment.counter("counter", {"0"});
    if (segment && !counter) trouble = segment.error();
    SharedCounter shared = segment.shared_counter("shared");
    CounterF64 f64 = segment.counter_f64("f64");
    Gauge gauge = segment.gauge("gauge");
    Level level = segment.level("level");
    Histogram histogram = segment.histogram("histogram");
    segment.info("info", {"debian"});
    segment.counter("counter", {"0"});      // is there already
    segment.counter("counter", {"\xff"});   // not UTF-8
    segment.counter("no such metric", {});  // not in the schema
    for (std::uint64_t i = 0; i < 2000; ++i) {
        segment.tick((1'700'000'000 + i) * kSecond);
        auto value = static_cast<double>(i % 200);
        counter.add();
        counter.total(i);
        shared.add();
        f64.add(value);
        gauge.record(value);
        level.set(value);
        histogram.record(value);
        histogram.record(-1);
    }
    segment.tick(1'700'000'000 * kSecond);  // a step back that drops windows
    gauge.record(1);
    return trouble;
}

class Frugal : public testing::Test {
  protected:
    std::string create(std::uint32_t flags) {
        options_.flags = flags;
        forbid(false);
        Segment segment = Segment::create(options_);
        const rside_error trouble = use_everything(segment);
        segment.close(0, "over");
        allow();
        return trouble.text;
    }
    std::string provision() {
        char path[300];
        rside_error error = {};
        options_.owner = geteuid();
        forbid(false);
        rside_segment_provision(&options_, path, sizeof path, &error);
        allow();
        path_ = path;
        return error.text;
    }
    std::string attach(std::uint32_t flags) {
        std::string refused = provision();
        if (!refused.empty()) return refused;
        forbid(flags == 0);
        Segment segment = Segment::attach(path_.c_str(), options_.schema, RSIDE_CLOCK_TICK, flags);
        const rside_error trouble = use_everything(segment);
        segment.close(0, "over");
        allow();
        return trouble.text;
    }

    agent::TemporaryFolder folder_{"/dev/shm"};
    SchemaSpec spec_ = every_kind();
    rside_options options_ = plain_options(folder_.path(), spec_.get());
    std::string path_;
};

TEST_F(Frugal, CreatesAndRecordsWithoutHeapOrThread) {
    EXPECT_EQ(in_child([&] { return create(RSIDE_DEFAULT_FLAGS); }), "");
    EXPECT_EQ(in_child([&] { return create(0); }), "");
}

TEST_F(Frugal, ProvisionsWithoutHeapOrThread) {
    EXPECT_EQ(in_child([&] { return provision(); }), "");
}

TEST_F(Frugal, AttachesAndRecordsWithoutHeapThreadOrLock) {
    EXPECT_EQ(in_child([&] { return attach(0); }), "");
}

TEST_F(Frugal, AttachesWithGuardAndLockWithoutHeapOrThread) {
    EXPECT_EQ(in_child([&] { return attach(RSIDE_DEFAULT_FLAGS); }), "");
}

// An error is written into the caller's memory.
TEST_F(Frugal, SaysWhatIsWrongWithoutHeapThreadOrLock) {
    EXPECT_EQ(in_child([&]() -> std::string {
                  forbid(true);
                  Segment segment = Segment::attach("/nowhere", options_.schema, RSIDE_CLOCK_TICK, 0);
                  const rside_error trouble = use_everything(segment);
                  allow();
                  return segment ? "a segment out of nowhere" : trouble.text;
              }),
              "cannot attach: open failed, errno 2: /nowhere");
}

// That what is forbidden is noticed, in the C library too, and as what it is.
TEST_F(Frugal, NoticesWhatIsForbidden) {
    void* volatile some = std::malloc(1);  // volatile: else the compiler leaves out what comes to nothing
    struct Slip {
        const char* noticed;
        std::function<void()> make;
    };
    const Slip slips[] = {
        {"malloc", [&] { some = std::malloc(1); }},
        {"malloc", [&] { some = new char; }},
        {"malloc", [&] { some = strdup("a"); }},
        {"calloc", [&] { some = std::calloc(1, 1); }},
        {"realloc", [&] { some = std::realloc(some, 2); }},
        {"free", [&] { std::free(some); }},
        {"memalign", [&] { some = std::aligned_alloc(64, 64); }},
        {"pthread_mutex_lock",
         [] {
             static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
             pthread_mutex_lock(&mutex);
         }},
        {"pthread_create",
         [] {
             pthread_t thread;
             pthread_create(
                 &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr);
         }},
    };
    for (const Slip& slip : slips) {
        const auto slip_up = [&] {
            forbid(true);
            slip.make();
            allow();
        };
        // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): what the macro itself takes is freed at its end
        EXPECT_EXIT(slip_up(), testing::KilledBySignal(SIGABRT), testing::Eq(std::string(slip.noticed) + "\n"));
    }
    std::free(some);
}

}  // namespace
}  // namespace ringside

#endif
