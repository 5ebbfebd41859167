// The life of a segment in a process: several at once, closing, forking, and that nothing stays when it is over.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <ringside/ringside.hpp>
#include <thread>

#include "tests/support/child.h"
#include "tests/support/sanitizer.h"
#include "writer.h"

namespace ringside {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

SchemaSpec every_kind() {
    SchemaSpec spec("every_kind");
    spec.tier(1, 16).tier(4, 8);
    spec.metric("counter", RSIDE_COUNTER, 300, {"n"}).metric("shared", RSIDE_COUNTER, 1, {}, RSIDE_METRIC_SHARED);
    spec.metric("f64", RSIDE_COUNTER_F64).metric("gauge", RSIDE_GAUGE).metric("level", RSIDE_LEVEL);
    return spec.histogram("histogram", 0, 1, 8).metric("info", RSIDE_INFO);
}

// --- close ------------------------------------------------------------------------------------------------------------

plain::Segment closed_with(int code, const char* text) {
    Writer writer(every_kind());
    writer.close(code, text);
    return writer.decoded();
}

TEST(Close, SaysWhenAndWhy) {
    Writer writer(every_kind());
    writer.tick(1'700'000'123 * kSecond);
    writer.close(-7, "guest shut down");
    plain::Segment segment = writer.decoded();
    EXPECT_EQ(segment.state, 2u);
    EXPECT_EQ(segment.close_code, -7);
    EXPECT_EQ(segment.close_text, "guest shut down");
    EXPECT_EQ(segment.closed_ns, 1'700'000'123 * kSecond);
}

TEST(Close, TakesNoTextAsNone) {
    EXPECT_EQ(closed_with(0, nullptr).close_text, "");
    EXPECT_EQ(closed_with(0, "").close_text, "");
}

TEST(Close, CutsTheTextBetweenCharacters) {
    EXPECT_EQ(closed_with(0, std::string(127, 'x').c_str()).close_text, std::string(127, 'x'));
    EXPECT_EQ(closed_with(0, std::string(500, 'x').c_str()).close_text, std::string(127, 'x'));
    const std::string two = "\xc3\xa9", three = "\xe2\x82\xac", four = "\xf0\x9f\x98\x80";
    EXPECT_EQ(closed_with(0, (std::string(126, 'x') + two).c_str()).close_text, std::string(126, 'x'));
    EXPECT_EQ(closed_with(0, (std::string(125, 'x') + two).c_str()).close_text, std::string(125, 'x') + two);
    EXPECT_EQ(closed_with(0, (std::string(125, 'x') + three).c_str()).close_text, std::string(125, 'x'));
    EXPECT_EQ(closed_with(0, (std::string(124, 'x') + four).c_str()).close_text, std::string(124, 'x'));
}

TEST(Close, KeepsOnlyTheValidBeginningOfATextThatIsNotUtf8) {
    EXPECT_EQ(closed_with(0, "good \xff bad").close_text, "good ");
    EXPECT_EQ(closed_with(0, "\xc0\xaf").close_text, "");
}

TEST(Close, MarksAndLeavesTheHandlesToThreadsThatStillRecord) {
    Writer writer(every_kind());
    rside_gauge gauge = rside_gauge_register(writer.segment(), "gauge", nullptr, 0, nullptr);
    writer.tick(1'700'000'123 * kSecond);
    rside_segment_mark_closed(writer.segment(), 3, "first");
    writer.tick(1'700'000'500 * kSecond);
    rside_gauge_record(gauge, 1.0);
    rside_segment_mark_closed(writer.segment(), 4, "second");
    writer.close(5, "third");
    plain::Segment segment = writer.decoded();
    EXPECT_EQ(segment.state, 2u);
    EXPECT_EQ(segment.close_code, 3);
    EXPECT_EQ(segment.close_text, "first");
    EXPECT_EQ(segment.closed_ns, 1'700'000'123 * kSecond);
    rside_segment_mark_closed(nullptr, 0, nullptr);
}

TEST(Close, IsToldByOneOfTheThreadsThatSayWhyAtTheSameTime) {
    for (int round = 0; round < 300; ++round) {
        Writer writer(every_kind());
        std::atomic<int> ready = 0;
        auto end = [&](int code, const char* text) {
            ++ready;
            while (ready < 2) std::this_thread::yield();
            rside_segment_mark_closed(writer.segment(), code, text);
        };
        std::thread first(end, 1, "first"), second(end, 2, "second, with more to say than the first one has");
        first.join();
        second.join();
        plain::Segment segment = writer.decoded();
        ASSERT_EQ(segment.close_text,
                  segment.close_code == 1 ? "first" : "second, with more to say than the first one has");
    }
}

// --- several segments -------------------------------------------------------------------------------------------------

TEST(Writers, StandBesideEachOtherInOneProcess) {
    Writer first(every_kind());
    Writer second(every_kind(), 1'800'000'000 * kSecond);
    const char* n = "0";
    rside_counter one = rside_counter_register(first.segment(), "counter", &n, 1, nullptr);
    rside_counter two = rside_counter_register(second.segment(), "counter", &n, 1, nullptr);
    for (int i = 0; i < 10; ++i) {
        rside_counter_add(one, 1);
        rside_counter_add(two, 100);
    }
    first.close(1, "first");
    rside_counter_add(two, 100);
    EXPECT_EQ(first.decoded().find("counter", {"0"})->value, 10u);
    EXPECT_EQ(second.decoded().find("counter", {"0"})->value, 1100u);
    EXPECT_EQ(second.decoded().state, 1u);
    EXPECT_EQ(second.decoded().find("counter", {"0"})->open_ns, 1'800'000'000 * kSecond);
}

TEST(Writers, ServeSeveralComponentsOfOneVm) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    std::vector<rside_segment*> segments;
    for (const char* component : {"", "block", "net"}) {
        rside_options options = plain_options(folder.path(), spec.get());
        options.component = component;
        segments.push_back(nullptr);
        ASSERT_EQ(rside_segment_create(&options, &segments.back(), nullptr), 0);
        rside_shared_counter_add(rside_shared_counter_register(segments.back(), "shared", nullptr, 0, nullptr),
                                 segments.size());
    }
    std::uint64_t value = 0;
    for (rside_segment* segment : segments) {
        std::string error;
        plain::Segment read = plain::decode_file(rside_segment_path(segment), &error);
        EXPECT_EQ(read.find("shared")->value, ++value);
        rside_segment_close(segment, 0, nullptr);
    }
    EXPECT_EQ(files_in(folder.path()).size(), 3u);
}

TEST(Writers, AddUpOverThreadsInASharedCounter) {
    SchemaSpec spec = every_kind();
    Writer writer(spec);
    rside_shared_counter counter = rside_shared_counter_register(writer.segment(), "shared", nullptr, 0, nullptr);
    constexpr std::uint64_t kThreads = 4, kAdds = 200000;
    std::atomic<std::uint64_t> now{1'700'000'000};
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < kAdds; ++i) {
                // The first thread moves the time, so that all of them run into turns.
                if (t == 0 && i % 50 == 0) writer.tick(++now * kSecond);
                rside_shared_counter_add(counter, 1);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    writer.tick(++now * kSecond);
    rside_shared_counter_add(counter, 1);
    plain::Segment segment = writer.decoded();
    const plain::Series* series = segment.find("shared");
    EXPECT_EQ(series->value, kThreads * kAdds + 1);
    EXPECT_FALSE(series->turning);
    EXPECT_EQ(segment.rebases, 0u);
    // Windows in a row: the total never falls, and the newest closed one has all but the last.
    std::map<std::uint32_t, std::uint64_t> by_window;
    for (const plain::Slot& slot : series->rings[0]) by_window[slot.window] = slot.value;
    std::uint64_t before = 0;
    for (const auto& [window, value] : by_window) {
        EXPECT_GE(value, before);
        before = value;
    }
    EXPECT_EQ(by_window.rbegin()->second, kThreads * kAdds);
}

// --- fork -------------------------------------------------------------------------------------------------------------

// Everything that a program can do with its handles.
void use_everything(rside_segment* segment, int round) {
    std::string n = std::to_string(round);
    const char* value = n.c_str();
    rside_tick(segment, (1'700'000'000 + static_cast<std::uint64_t>(round) * 3) * kSecond);
    rside_counter_add(rside_counter_register(segment, "counter", &value, 1, nullptr), 1);
    rside_shared_counter_add(rside_shared_counter_register(segment, "shared", nullptr, 0, nullptr), 1);
    rside_info_register(segment, "info", nullptr, 0, nullptr);
}

struct Handles {
    explicit Handles(rside_segment* segment)
        : f64(rside_counter_f64_register(segment, "f64", nullptr, 0, nullptr)),
          gauge(rside_gauge_register(segment, "gauge", nullptr, 0, nullptr)),
          level(rside_level_register(segment, "level", nullptr, 0, nullptr)),
          histogram(rside_histogram_register(segment, "histogram", nullptr, 0, nullptr)) {}
    void record(int round) const {
        rside_counter_f64_add(f64, 1);
        rside_gauge_record(gauge, round);
        rside_level_set(level, round);
        rside_histogram_record(histogram, round);
    }
    rside_counter_f64 f64;
    rside_gauge gauge;
    rside_level level;
    rside_histogram histogram;
};

TEST(Fork, LeavesTheParentsBytesAloneWhateverTheChildDoes) {
    Writer writer(every_kind(), 1'700'000'000 * kSecond, RSIDE_FORK_GUARD);
    Handles handles(writer.segment());
    use_everything(writer.segment(), 0);
    handles.record(0);
    for (int fork = 1; fork <= 50; ++fork) {
        std::vector<std::uint8_t> before = writer.bytes();
        std::string said = in_child([&]() -> std::string {
            for (int round = fork; round < fork + 40; ++round) {
                use_everything(writer.segment(), round);
                handles.record(round);
            }
            std::string grandchild = in_child([&]() -> std::string {
                use_everything(writer.segment(), 3);
                handles.record(3);
                return "";
            });
            rside_segment_close(writer.segment(), 9, "by the child");
            return grandchild;
        });
        ASSERT_EQ(said, "") << "fork " << fork;
        ASSERT_TRUE(writer.bytes() == before) << "fork " << fork;
        use_everything(writer.segment(), fork);
        handles.record(fork);
    }
    EXPECT_EQ(writer.decoded().find("f64")->value, std::uint64_t{0x4049800000000000}) << "51.0 as bits";
}

TEST(Fork, DoesTheSameInCoarseClockMode) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    options.clock = RSIDE_CLOCK_COARSE;
    options.flags = RSIDE_FORK_GUARD;
    rside_segment* segment = nullptr;
    ASSERT_EQ(rside_segment_create(&options, &segment, nullptr), 0);
    Handles handles(segment);
    handles.record(1);
    std::vector<std::uint8_t> before = plain::read_bytes(rside_segment_path(segment));
    EXPECT_EQ(in_child([&]() -> std::string {
                  for (int round = 0; round < 1000; ++round) handles.record(round);
                  return "";
              }),
              "");
    EXPECT_TRUE(plain::read_bytes(rside_segment_path(segment)) == before);
    rside_segment_close(segment, 0, nullptr);
}

// A child that lives on must not make a dead VM look alive: neither the lock nor a writable mapping may go with it.
TEST(Fork, HandsTheChildNeitherMappingNorLock) {
    Writer writer(every_kind(), 1'700'000'000 * kSecond, RSIDE_DEFAULT_FLAGS);
    EXPECT_EQ(in_child([&]() -> std::string {
                  std::ifstream maps("/proc/self/maps");
                  for (std::string line; std::getline(maps, line);) {
                      if (line.find(writer.path()) != std::string::npos) return line;
                  }
                  return "";
              }),
              "");
    int lives[2];
    ASSERT_EQ(pipe(lives), 0);
    pid_t child = fork();
    if (child == 0) {
        close(lives[1]);
        char byte;
        (void)!read(lives[0], &byte, 1);  // until the parent lets go
        _exit(0);
    }
    close(lives[0]);
    writer.close();
    int fd = open(writer.path().c_str(), O_RDWR | O_CLOEXEC);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    EXPECT_EQ(fcntl(fd, F_OFD_GETLK, &lock), 0);
    EXPECT_EQ(lock.l_type, F_UNLCK) << "the child still holds it";
    close(fd);
    close(lives[1]);
    waitpid(child, nullptr, 0);
}

// The child is a copy of one thread; a lock that another thread held at that moment would stay locked for ever.
TEST(Fork, LetsTheChildRegisterWhileAnotherThreadDoes) {
    Writer writer(every_kind(), 1'700'000'000 * kSecond, RSIDE_FORK_GUARD);
    std::atomic<bool> over{false};
    std::thread busy([&] {
        while (!over) rside_shared_counter_register(writer.segment(), "shared", nullptr, 0, nullptr);
    });
    for (int i = 0; i < 50; ++i) {
        std::string said = in_child([&]() -> std::string {
            alarm(60);  // ends a child that waits for a thread that is not there
            rside_shared_counter_add(rside_shared_counter_register(writer.segment(), "shared", nullptr, 0, nullptr), 1);
            return "";
        });
        ASSERT_EQ(said, "") << "fork " << i;
    }
    over = true;
    busy.join();
}

TEST(Fork, ForgetsSegmentsThatWereClosed) {
    // The place of a closed segment may belong to something else by now; a later fork must not lay pages over it.
    Writer writer(every_kind(), 1'700'000'000 * kSecond, RSIDE_FORK_GUARD);
    auto* place = reinterpret_cast<char*>(reinterpret_cast<rside_hot*>(writer.segment())->header);
    std::uint64_t bytes = rside_segment_bytes(writer.segment());
    writer.close();
    void* mine = mmap(place, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    ASSERT_EQ(mine, place);
    place[0] = 'x';
    EXPECT_EQ(in_child([&]() -> std::string { return place[0] == 'x' ? "" : "the guard wiped foreign pages"; }), "");
    munmap(mine, bytes);
}

// --- nothing stays ----------------------------------------------------------------------------------------------------

std::size_t open_descriptors() { return files_in("/proc/self/fd").size(); }

std::size_t mapped_lines(const std::string& needle) {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) count += line.find(needle) != std::string::npos;
    return count;
}

TEST(Lifecycle, LeavesNoDescriptorAndNoMapping) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    std::size_t descriptors = 0, mappings = 0;
    for (int round = 0; round < 1000; ++round) {
        rside_options options = plain_options(folder.path(), spec.get());
        options.flags = round % 2 ? RSIDE_DEFAULT_FLAGS : 0;
        rside_segment* segment = nullptr;
        std::string path(300, '\0');
        if (round % 4 < 2) {
            ASSERT_EQ(rside_segment_create(&options, &segment, nullptr), 0);
            path = rside_segment_path(segment);
        } else {
            ASSERT_EQ(rside_segment_provision(&options, path.data(), path.size(), nullptr), 0);
            ASSERT_EQ(
                rside_segment_attach(path.c_str(), spec.get(), RSIDE_CLOCK_TICK, options.flags, &segment, nullptr), 0);
            rside_segment* second = nullptr;
            ASSERT_EQ(rside_segment_attach(path.c_str(), spec.get(), RSIDE_CLOCK_TICK, 0, &second, nullptr), -EBUSY);
        }
        Handles(segment).record(round);
        rside_segment_close(segment, 0, nullptr);
        ASSERT_EQ(unlink(path.c_str()), 0);
        if (round == 4) {
            descriptors = open_descriptors();
            mappings = mapped_lines("");
        }
    }
    EXPECT_EQ(open_descriptors(), descriptors);
    EXPECT_LE(mapped_lines(""), mappings + 2);  // the allocator's own may come and go
    EXPECT_EQ(mapped_lines(folder.path()), 0u);
    EXPECT_THAT(files_in(folder.path()), IsEmpty());
}

// --- C++ face ---------------------------------------------------------------------------------------------------------

TEST(CppFace, RecordsEveryKind) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    std::string path;
    {
        Segment segment = Segment::create(options);
        ASSERT_TRUE(segment) << segment.error().text;
        path = segment.path();
        segment.tick(1'700'000'000 * kSecond);
        Counter counter = segment.counter("counter", {"a"});
        ASSERT_TRUE(counter);
        counter.add();
        counter.baseline(100);
        counter.total(105);
        segment.shared_counter("shared").add(2);
        CounterF64 f64 = segment.counter_f64("f64");
        f64.add(0.5);
        f64.baseline(1.0);
        f64.total(1.25);
        segment.gauge("gauge").record(3);
        segment.level("level").set(4);
        segment.histogram("histogram").record(5);
        EXPECT_TRUE(segment.info("info"));
        Segment moved = std::move(segment);
        EXPECT_FALSE(segment);  // NOLINT(bugprone-use-after-move)
        EXPECT_STREQ(segment.path(), "");
        moved.close(3, "done");
        EXPECT_FALSE(moved);
    }
    std::string error;
    plain::Segment read = plain::decode_file(path, &error);
    EXPECT_EQ(read.find("counter", {"a"})->value, 6u);
    EXPECT_EQ(read.find("shared")->value, 2u);
    EXPECT_EQ(read.find("f64")->value, std::uint64_t{0x3fe8000000000000}) << "0.75 as bits";
    EXPECT_EQ(read.find("gauge")->hot.sum, 3);
    EXPECT_EQ(read.find("level")->hot.last, 4);
    EXPECT_EQ(read.find("histogram")->hot.count, 1u);
    EXPECT_EQ(read.find("info")->hot.last, 1);
    EXPECT_EQ(read.state, 2u);
    EXPECT_EQ(read.close_code, 3);
    EXPECT_EQ(read.close_text, "done");
}

TEST(CppFace, RunsOnEmptyWhenSetUpFails) {
    SchemaSpec spec = every_kind();
    const std::string missing = "/dev/shm/ringside-test-missing/folder";
    rside_options options = plain_options(missing, spec.get());
    Segment segment = Segment::create(options);
    EXPECT_FALSE(segment);
    EXPECT_EQ(segment.error().code, -ENOENT);
    EXPECT_THAT(segment.error().text, HasSubstr(missing));
    Counter counter = segment.counter("counter", {"a"});
    EXPECT_FALSE(counter);
    counter.add();
    segment.gauge("gauge").record(1);
    segment.level("level").set(1);
    segment.histogram("histogram").record(1);
    segment.counter_f64("f64").add(1);
    segment.shared_counter("shared").add();
    EXPECT_FALSE(segment.info("info"));
    segment.tick(1);
    segment.close();
}

TEST(CppFace, ClosesWhenItEndsAndWhenItIsReplaced) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    Segment segment = Segment::create(options);
    std::string first = segment.path();
    segment = Segment::create(options);
    std::string second = segment.path();
    std::string error;
    EXPECT_EQ(plain::decode_file(first, &error).state, 2u);
    EXPECT_EQ(plain::decode_file(second, &error).state, 1u);
}

TEST(CppFace, AttachesByPathAndByDescriptor) {
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec = every_kind();
    rside_options options = plain_options(folder.path(), spec.get());
    char path[256];
    ASSERT_EQ(rside_segment_provision(&options, path, sizeof path, nullptr), 0);
    EXPECT_TRUE(Segment::attach(path, spec.get()));
    ASSERT_EQ(rside_segment_provision(&options, path, sizeof path, nullptr), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    EXPECT_TRUE(Segment::attach(fd, spec.get(), RSIDE_CLOCK_TICK));
    EXPECT_EQ(Segment::attach(fd).error().code, -EBUSY);
    close(fd);
}

}  // namespace
}  // namespace ringside
