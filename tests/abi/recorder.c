/* Records 1, 2, 3.5, 4.5, 5.5 and 6.5 into one series of each kind, as a VMM in C would: recorder FOLDER. Prints the path of
 * the segment, or why there is none. */
#include <ringside/ringside.h>
#include <stdio.h>

static const rside_metric metrics[] = {
    {.name = "a_total", .kind = RSIDE_COUNTER, .max_series = 1},
    {.name = "b_total", .kind = RSIDE_COUNTER, .flags = RSIDE_METRIC_SHARED, .max_series = 1},
    {.name = "c_total", .kind = RSIDE_COUNTER_F64, .max_series = 1},
    {.name = "d", .kind = RSIDE_GAUGE, .max_series = 1},
    {.name = "e", .kind = RSIDE_LEVEL, .max_series = 1},
    {.name = "f", .kind = RSIDE_HISTOGRAM, .max_series = 1, .histogram_lowest = 1.0, .histogram_highest = 8.0},
};
static const rside_schema schema = {
    .name = "s", .tiers = rside_default_tiers, .tier_count = 3, .metrics = metrics, .metric_count = 6};

int main(int argc, char **argv) {
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "vm";
    options.directory = argc > 1 ? argv[1] : 0;
    options.schema = &schema;
    rside_error error;
    rside_segment *segment = 0;
    if (rside_segment_create(&options, &segment, &error) < 0) return fprintf(stderr, "%s\n", error.text), 1;
    rside_counter_add(rside_counter_register(segment, "a_total", 0, 0, &error), 1);
    rside_shared_counter_add(rside_shared_counter_register(segment, "b_total", 0, 0, &error), 2);
    rside_counter_f64 c = rside_counter_f64_register(segment, "c_total", 0, 0, &error);
    rside_gauge d = rside_gauge_register(segment, "d", 0, 0, &error);
    rside_level e = rside_level_register(segment, "e", 0, 0, &error);
    rside_histogram f = rside_histogram_register(segment, "f", 0, 0, &error);
    rside_counter_f64_add(c, 3.5);
    rside_gauge_record(d, 4.5);
    rside_level_set(e, 5.5);
    rside_histogram_record(f, 6.5);
    volatile double zero = 0.0; /* what cannot be recorded leaves no trace in them */
    const double nothing[] = {zero / zero, 1.0 / zero, -1.0 / zero};
    for (int i = 0; i < 3; ++i) {
        rside_counter_f64_add(c, nothing[i]);
        rside_gauge_record(d, nothing[i]);
        rside_level_set(e, nothing[i]);
        rside_histogram_record(f, nothing[i]);
    }
    rside_tick(segment, 1);
    printf("%s\n", rside_segment_path(segment));
    rside_segment_close(segment, 0, "done");
    return 0;
}
