/* Times the four calls of bench/bindings in C, by the tick and by the coarse clock, as the other languages' programs do: c_bench FOLDER, one line of JSON per case. */
#include <inttypes.h>
#include <ringside/ringside.h>
#include <stdio.h>
#include <stdlib.h>

static const rside_metric metrics[] = {
    {.name = "bench_counter_total", .kind = RSIDE_COUNTER, .max_series = 1},
    {.name = "bench_gauge", .kind = RSIDE_GAUGE, .max_series = 1},
    {.name = "bench_level", .kind = RSIDE_LEVEL, .max_series = 1},
    {.name = "bench_histogram_seconds",
     .kind = RSIDE_HISTOGRAM,
     .unit = "seconds",
     .max_series = 1,
     .histogram_scale = 3,
     .histogram_lowest = 1e-6,
     .histogram_highest = 10.0},
};

static const rside_schema schema = {
    .name = "bench_bindings",
    .version = 1,
    .tiers = rside_default_tiers,
    .tier_count = 3,
    .metrics = metrics,
    .metric_count = 4,
};

enum { SAMPLES = 1024, BATCH_ROUNDS = 256 };
#define TIMED_NS (20 * UINT64_C(1000000))

static double samples[SAMPLES];
static uint64_t now_ns; /* what the ticks tell; goes on by a millisecond a round */

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * RSIDE_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* `call` may use `sample`; after it the compiler forgets what it read from memory. A macro, so that the call is inlined. */
#define ROUNDS(segment, count, call)                \
    for (int round = 0; round < (count); ++round) { \
        rside_tick(segment, now_ns += 1000000);     \
        for (int i = 0; i < SAMPLES; ++i) {         \
            double sample = samples[i];             \
            (void)sample;                           \
            call;                                   \
            __asm__ volatile("" ::: "memory");      \
        }                                           \
    }

/* CPU time of this thread: what others did with the core meanwhile is not in it. */
#define TIME(segment, name, clock, call)                                                               \
    do {                                                                                               \
        ROUNDS(segment, 100, call)                                                                     \
        uint64_t calls = 0, took_ns = 0, begin_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);               \
        while (took_ns < TIMED_NS) {                                                                   \
            ROUNDS(segment, BATCH_ROUNDS, call)                                                        \
            calls += (uint64_t)BATCH_ROUNDS * SAMPLES;                                                 \
            took_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - begin_ns;                                  \
        }                                                                                              \
        printf("{\"case\": \"c_%s_%s\", \"ns\": %g}\n", name, clock, (double)took_ns / (double)calls); \
    } while (0)

/* With a segment of its own; `clock` is the last part of the names of its cases. */
static int run(const char *folder, const char *clock, int clock_mode) {
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "bench-c";
    options.schema = &schema;
    options.directory = folder;
    options.clock = clock_mode;
    rside_segment *segment = NULL;
    rside_error error;
    if (rside_segment_create(&options, &segment, &error) < 0) {
        fprintf(stderr, "c_bench: %s\n", error.text);
        return 1;
    }
    rside_counter counter = rside_counter_register(segment, "bench_counter_total", NULL, 0, NULL);
    rside_gauge gauge = rside_gauge_register(segment, "bench_gauge", NULL, 0, NULL);
    rside_level level = rside_level_register(segment, "bench_level", NULL, 0, NULL);
    rside_histogram histogram = rside_histogram_register(segment, "bench_histogram_seconds", NULL, 0, NULL);

    now_ns = read_clock(CLOCK_REALTIME);
    TIME(segment, "counter_add", clock, rside_counter_add(counter, 1));
    TIME(segment, "gauge_record", clock, rside_gauge_record(gauge, sample));
    TIME(segment, "level_set", clock, rside_level_set(level, sample));
    TIME(segment, "histogram_record", clock, rside_histogram_record(histogram, sample));
    rside_segment_close(segment, 0, "measured");
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: c_bench FOLDER, on a memory file system\n");
        return 2;
    }
    for (int i = 0; i < SAMPLES; ++i) samples[i] = 30e-6 + (double)(i * 709 % SAMPLES) * 1.5e-6;
    if (run(argv[1], "tick", RSIDE_CLOCK_TICK)) return 1;
    return run(argv[1], "clock", RSIDE_CLOCK_COARSE);
}
