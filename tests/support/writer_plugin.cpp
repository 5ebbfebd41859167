// A plugin that has a libringside.a of its own linked in, beside the one that the program may have.
#include <ringside/ringside.h>

namespace {

constexpr rside_tier kTiers[] = {{1, 16, RSIDE_COLUMNS_ALL}};
constexpr rside_metric kMetrics[] = {{"calls_total", RSIDE_COUNTER, 0, "", "", nullptr, 0, 1, 0, 0, 0}};
constexpr rside_schema kSchema = {"plugin", 1, kTiers, 1, kMetrics, 1, 0};

rside_segment* segment = nullptr;
rside_counter calls = {};

}  // namespace

// The functions of the plugin, which the test looks up by name. 0 or a negative errno.
extern "C" __attribute__((visibility("default"))) int plugin_open(const char* directory) {
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "plugin";
    options.directory = directory;
    options.schema = &kSchema;
    options.clock = RSIDE_CLOCK_TICK;
    int code = rside_segment_create(&options, &segment, nullptr);
    calls = rside_counter_register(segment, "calls_total", nullptr, 0, nullptr);
    return code;
}

extern "C" __attribute__((visibility("default"))) void plugin_call() { rside_counter_add(calls, 1); }

extern "C" __attribute__((visibility("default"))) void plugin_close() {
    rside_segment_close(segment, 0, "unloaded");
    segment = nullptr;
    calls = {};
}
