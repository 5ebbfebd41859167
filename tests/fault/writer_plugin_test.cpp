// The library in plugins: loaded and unloaded ten thousand times, and twice in one process. The fork guard leaves handlers
// behind that the C library calls at each fork; they must be gone with the code that they point to.
#include <dlfcn.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

#include "tests/support/child.h"
#include "tests/support/sanitizer.h"
#include "tests/unit/libwriter/writer.h"

namespace ringside {
namespace {

constexpr int kLoads = 10'000;

std::string built(const std::string& file) {
    const char* build = std::getenv("RINGSIDE_BUILD_DIR");
    return (build ? build : ".") + ("/" + file);
}
std::string plugin_file() { return built("tests/support/writer_plugin.so"); }

class Loaded {
  public:
    explicit Loaded(const std::string& file) : handle_(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
        if (!handle_) ADD_FAILURE() << dlerror();
    }
    ~Loaded() { unload(); }
    Loaded(const Loaded&) = delete;
    Loaded& operator=(const Loaded&) = delete;

    template <typename Function>
    Function* function(const char* name) const {
        return reinterpret_cast<Function*>(dlsym(handle_, name));
    }
    void unload() {
        if (handle_) dlclose(handle_);
        handle_ = nullptr;
    }

  private:
    void* handle_;
};

class Plugin : public Loaded {
  public:
    Plugin() : Loaded(plugin_file()) {}
    int open(const std::string& directory) const {
        return function<int(const char*)>("plugin_open")(directory.c_str());
    }
    void call() const { function<void()>("plugin_call")(); }
    void close() const { function<void()>("plugin_close")(); }
};

bool is_loaded(const std::string& file) {
    void* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (handle) dlclose(handle);
    return handle != nullptr;
}

std::size_t mappings() {
    std::ifstream maps("/proc/self/maps");
    std::size_t count = 0;
    for (std::string line; std::getline(maps, line);) ++count;
    return count;
}

// Of a child that does nothing: "" when the handlers before and after a fork do no harm.
std::string fork_once() {
    return in_child([]() -> std::string { return ""; });
}

plain::Segment only_segment(const std::string& folder) {
    std::vector<std::string> names = files_in(folder);
    EXPECT_EQ(names.size(), 1u);
    std::string error;
    plain::Segment out = plain::decode_file(folder + "/" + names.at(0), &error);
    EXPECT_EQ(error, "");
    return out;
}

// `load` once more and once more, with a fork now and then: nothing may add up.
template <typename Load>
void load_ten_thousand_times(const std::string& folder, Load load) {
    std::size_t descriptors = 0, mapped = 0;
    for (int i = 0; i < kLoads && !testing::Test::HasFailure(); ++i) {
        load();
        for (const auto& entry : std::filesystem::directory_iterator(folder)) unlink(entry.path().c_str());
        if (i % 1000 == 0) {
            EXPECT_EQ(fork_once(), "") << "after " << i;
        }
        if (i != 1000) continue;
        descriptors = files_in("/proc/self/fd").size();
        mapped = mappings();
    }
    EXPECT_EQ(files_in("/proc/self/fd").size(), descriptors);
    EXPECT_LE(mappings(), mapped + 2);  // the allocator's own may come and go
}

TEST(WriterPlugin, LeavesNothingBehindWhenUnloadedTenThousandTimes) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    agent::TemporaryFolder folder("/dev/shm");
    load_ten_thousand_times(folder.path(), [&] {
        {
            Plugin plugin;
            ASSERT_EQ(plugin.open(folder.path()), 0);
            plugin.call();
            plugin.close();
        }
        ASSERT_FALSE(is_loaded(plugin_file())) << "so that nothing was tried";
    });
}

// The shared library stays where it is once it was loaded (-z nodelete), which must be as cheap the ten thousandth time.
TEST(WriterPlugin, LeavesNothingBehindWhenTheSharedLibraryIsLoadedTenThousandTimes) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec("shared");
    spec.tier(1, 16).metric("calls_total", RSIDE_COUNTER);
    rside_options options = plain_options(folder.path(), spec.get());
    options.flags = RSIDE_DEFAULT_FLAGS;
    const std::string file = built("libwriter/libringside.so.0");
    load_ten_thousand_times(folder.path(), [&] {
        Loaded library(file);
        rside_segment* segment = nullptr;
        ASSERT_EQ(library.function<decltype(rside_segment_create)>("rside_segment_create")(&options, &segment, nullptr),
                  0);
        library.function<decltype(rside_segment_close)>("rside_segment_close")(segment, 0, nullptr);
    });
    EXPECT_TRUE(is_loaded(file));
}

// Against docs/writer.md, but no reason to crash: the segment just stays open until the process ends.
TEST(WriterPlugin, DoesNoHarmWhenUnloadedWithItsSegmentOpen) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    agent::TemporaryFolder folder("/dev/shm");
    EXPECT_EQ(in_child([&]() -> std::string {
                  Plugin plugin;
                  if (plugin.open(folder.path()) != 0) return "no segment";
                  plugin.call();
                  plugin.unload();
                  if (is_loaded(plugin_file())) return "still loaded";
                  return fork_once();
              }),
              "");
    plain::Segment segment = only_segment(folder.path());
    EXPECT_EQ(segment.state, 1u);
    EXPECT_EQ(segment.find("calls_total")->value, 1u);
}

TEST(WriterPlugin, RecordsBesideAProgramThatHasTheLibraryToo) {
    RINGSIDE_SKIP_UNDER_SANITIZERS();
    agent::TemporaryFolder folder("/dev/shm");
    SchemaSpec spec("program");
    spec.tier(1, 16).metric("requests_total", RSIDE_COUNTER);
    Writer program(std::move(spec), 1'700'000'000 * kSecond, RSIDE_DEFAULT_FLAGS);
    rside_counter requests = rside_counter_register(program.segment(), "requests_total", nullptr, 0, nullptr);
    Plugin plugin;
    ASSERT_NE(reinterpret_cast<void*>(plugin.function<decltype(rside_turn)>("rside_turn")),
              reinterpret_cast<void*>(&rside_turn))
        << "one library, not two";
    ASSERT_EQ(plugin.open(folder.path()), 0);
    for (int i = 0; i < 10; ++i) {
        rside_counter_add(requests, 100);
        plugin.call();
        // Both guards are at work: neither segment may feel what a child does.
        ASSERT_EQ(in_child([&]() -> std::string {
                      rside_counter_add(requests, 5000);
                      plugin.call();
                      plugin.close();
                      return "";
                  }),
                  "");
    }
    plugin.close();
    EXPECT_EQ(only_segment(folder.path()).find("calls_total")->value, 10u);
    EXPECT_EQ(only_segment(folder.path()).close_text, "unloaded");
    plugin.unload();
    rside_counter_add(requests, 100);
    EXPECT_EQ(fork_once(), "");
    EXPECT_EQ(program.decoded().find("requests_total")->value, 1100u);
    EXPECT_EQ(program.decoded().state, 1u);
}

}  // namespace
}  // namespace ringside
