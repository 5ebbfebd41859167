/* Every way to record, once for each of many series, with a dump of callgrind's counts after each: cost_test.py runs it under
 * valgrind and divides. The series of a kind are many so that their cells do not fit the first-level cache of the
 * simulation: each pass misses each line that a record touches exactly once.
 *
 * usage: record_costs FOLDER */
#include <ringside/ringside.h>
#include <stdio.h>
#include <stdlib.h>
#include <valgrind/callgrind.h>

enum { SERIES = 1024 }; /* cost_test.py divides by it */

static const char *const labels[] = {"n"};
/* Rings as short as the turns below allow: what a turn touches does not depend on their length. */
static const rside_tier tiers[] = {{1, 4, RSIDE_COLUMNS_ALL}, {10, 4, RSIDE_COLUMNS_ALL}, {300, 4, RSIDE_COLUMNS_ALL}};
static const rside_metric metrics[] = {
    {.name = "counter", .kind = RSIDE_COUNTER, .labels = labels, .label_count = 1, .max_series = SERIES},
    {.name = "shared",
     .kind = RSIDE_COUNTER,
     .flags = RSIDE_METRIC_SHARED,
     .labels = labels,
     .label_count = 1,
     .max_series = SERIES},
    {.name = "counter_f64", .kind = RSIDE_COUNTER_F64, .labels = labels, .label_count = 1, .max_series = SERIES},
    {.name = "gauge", .kind = RSIDE_GAUGE, .labels = labels, .label_count = 1, .max_series = SERIES},
    {.name = "level", .kind = RSIDE_LEVEL, .labels = labels, .label_count = 1, .max_series = SERIES},
    {.name = "histogram", /* 187 buckets */
     .kind = RSIDE_HISTOGRAM,
     .labels = labels,
     .label_count = 1,
     .max_series = SERIES,
     .histogram_scale = 3,
     .histogram_lowest = 1e-6,
     .histogram_highest = 10},
};
static const rside_schema schema = {.name = "costs",
                                    .version = 1,
                                    .tiers = tiers,
                                    .tier_count = 3,
                                    .metrics = metrics,
                                    .metric_count = sizeof metrics / sizeof metrics[0]};

static rside_counter counters[SERIES];
static rside_shared_counter shared[SERIES];
static rside_counter_f64 counters_f64[SERIES];
static rside_gauge gauges[SERIES];
static rside_level levels[SERIES];
static rside_histogram histograms[SERIES];

/* Between two records the program does other things: nothing lives on in a register. */
#define PASS(name, call)                           \
    do {                                           \
        CALLGRIND_ZERO_STATS;                      \
        for (int i = 0; i < SERIES; ++i) {         \
            call;                                  \
            __asm__ __volatile__("" ::: "memory"); \
        }                                          \
        CALLGRIND_DUMP_STATS_AT(name);             \
    } while (0)

static void record_all(const char *counter, const char *shared_counter, const char *counter_f64, const char *gauge,
                       const char *level, const char *histogram) {
    PASS(counter, rside_counter_add(counters[i], 1));
    PASS(shared_counter, rside_shared_counter_add(shared[i], 1));
    PASS(counter_f64, rside_counter_f64_add(counters_f64[i], 0.5));
    PASS(gauge, rside_gauge_record(gauges[i], 0.0002));
    PASS(level, rside_level_set(levels[i], 0.0002));
    PASS(histogram, rside_histogram_record(histograms[i], 0.0002));
}

#define RECORD_ALL(prefix)                                                                                         \
    record_all(prefix "counter_add", prefix "shared_counter_add", prefix "counter_f64_add", prefix "gauge_record", \
               prefix "level_set", prefix "histogram_record")

static void register_all(rside_segment *segment) {
    for (int i = 0; i < SERIES; ++i) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", i);
        const char *value = number;
        counters[i] = rside_counter_register(segment, "counter", &value, 1, NULL);
        shared[i] = rside_shared_counter_register(segment, "shared", &value, 1, NULL);
        counters_f64[i] = rside_counter_f64_register(segment, "counter_f64", &value, 1, NULL);
        gauges[i] = rside_gauge_register(segment, "gauge", &value, 1, NULL);
        levels[i] = rside_level_register(segment, "level", &value, 1, NULL);
        histograms[i] = rside_histogram_register(segment, "histogram", &value, 1, NULL);
        if (!counters[i].series.cell || !shared[i].series.cell || !counters_f64[i].series.cell ||
            !gauges[i].series.cell || !levels[i].series.cell || !histograms[i].series.cell) {
            exit(3);
        }
    }
}

static void move_to(rside_segment *segment, uint64_t begin, int second) {
    rside_tick(segment, begin + (uint64_t)second * RSIDE_NS_PER_S);
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "costs";
    options.directory = argv[1];
    options.schema = &schema;
    options.clock = RSIDE_CLOCK_TICK;
    rside_error error;
    rside_segment *segment = NULL;
    if (rside_segment_create(&options, &segment, &error) < 0) {
        (void)fprintf(stderr, "record_costs: %s\n", error.text);
        return 1;
    }
    const uint64_t begin = UINT64_C(1700000100) * RSIDE_NS_PER_S; /* a multiple of 300 s */
    rside_tick(segment, begin);
    register_all(segment);
    RECORD_ALL("first:");

    PASS("loop", (void)i);
    RECORD_ALL("");
    rside_tick(segment, begin + RSIDE_NS_PER_S / 2);
    PASS("level_set_later", rside_level_set(levels[i], 0.0002)); /* accounts the time since the last set */
    PASS("counter_total", rside_counter_total(counters[i], 1));
    move_to(segment, begin, 1);
    RECORD_ALL("turn_1s:");
    for (int second = 2; second < 10; ++second) move_to(segment, begin, second), RECORD_ALL("between:");
    move_to(segment, begin, 10);
    RECORD_ALL("turn_10s:");
    for (int second = 19; second < 300; second += 10) move_to(segment, begin, second), RECORD_ALL("between:");
    move_to(segment, begin, 300);
    RECORD_ALL("turn_5m:");

    rside_segment_close(segment, 0, "done");
    return 0;
}
