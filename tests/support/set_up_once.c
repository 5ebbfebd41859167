/* A VMM's set-up, use and close, once, for tests in which the kernel refuses one of its calls:
 *
 *     set_up_once create|provision|attach|attach_fd FOLDER_OR_SEGMENT FLAGS
 *
 * On standard output, in this order: what the process holds before, the code and the text of the operation, what it holds
 * after it has recorded and closed. On standard error lines that stand out in a trace: BEGIN and END around the operation,
 * CLOSE and CLOSED around the close. Exit status 0 whatever the operation says: the VM runs on. */
#include <fcntl.h>
#include <ringside/ringside.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const rside_tier tiers[] = {{1, 4, RSIDE_COLUMNS_ALL}, {2, 4, RSIDE_COLUMNS_ALL}};
static const rside_metric metrics[] = {
    {.name = "counter", .kind = RSIDE_COUNTER, .max_series = 1},
    {.name = "shared", .kind = RSIDE_COUNTER, .flags = RSIDE_METRIC_SHARED, .max_series = 1},
    {.name = "f64", .kind = RSIDE_COUNTER_F64, .max_series = 1},
    {.name = "gauge", .kind = RSIDE_GAUGE, .max_series = 1},
    {.name = "level", .kind = RSIDE_LEVEL, .max_series = 1},
    {.name = "histogram", .kind = RSIDE_HISTOGRAM, .max_series = 1, .histogram_lowest = 1.0, .histogram_highest = 8.0},
};
static const rside_schema schema = {
    .name = "once", .tiers = tiers, .tier_count = 2, .metrics = metrics, .metric_count = 6};

static void put(int fd, const char *text, size_t size) {
    if (write(fd, text, size) != (ssize_t)size) _exit(2);
}
static void mark(const char *text) { put(STDERR_FILENO, text, strlen(text)); }

/* Its descriptors and mappings. No stdio: that would allocate between one report and the next. */
static void report(const char *title) {
    static char text[1 << 16];
    int length = snprintf(text, sizeof text, "== %s\ndescriptors:", title);
    for (int fd = 0; fd < 64; ++fd) {
        if (fcntl(fd, F_GETFD) >= 0) length += snprintf(text + length, sizeof text - (size_t)length, " %d", fd);
    }
    text[length++] = '\n';
    int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    for (ssize_t got; (got = read(maps, text + length, sizeof text - (size_t)length)) > 0;) length += (int)got;
    close(maps);
    put(STDOUT_FILENO, text, (size_t)length);
}

static int set_up(const char *operation, const char *place, int fd, uint32_t flags, rside_segment **segment,
                  rside_error *error) {
    if (strcmp(operation, "attach") == 0)
        return rside_segment_attach(place, &schema, RSIDE_CLOCK_TICK, flags, segment, error);
    if (strcmp(operation, "attach_fd") == 0)
        return rside_segment_attach_fd(fd, &schema, RSIDE_CLOCK_TICK, flags, segment, error);
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "vm";
    options.directory = place;
    options.schema = &schema;
    options.clock = RSIDE_CLOCK_TICK;
    options.flags = flags;
    if (strcmp(operation, "create") == 0) return rside_segment_create(&options, segment, error);
    options.owner = geteuid();
    return rside_segment_provision(&options, NULL, 0, error);
}

static void use(rside_segment *segment) {
    rside_counter counter = rside_counter_register(segment, "counter", NULL, 0, NULL);
    rside_shared_counter shared = rside_shared_counter_register(segment, "shared", NULL, 0, NULL);
    rside_counter_f64 f64 = rside_counter_f64_register(segment, "f64", NULL, 0, NULL);
    rside_gauge gauge = rside_gauge_register(segment, "gauge", NULL, 0, NULL);
    rside_level level = rside_level_register(segment, "level", NULL, 0, NULL);
    rside_histogram histogram = rside_histogram_register(segment, "histogram", NULL, 0, NULL);
    for (uint64_t second = 0; second < 10; ++second) {
        rside_tick(segment, (UINT64_C(1700000000) + second) * RSIDE_NS_PER_S);
        rside_counter_add(counter, 1);
        rside_shared_counter_add(shared, 1);
        rside_counter_f64_add(f64, 1);
        rside_gauge_record(gauge, 1);
        rside_level_set(level, 1);
        rside_histogram_record(histogram, 1);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int fd = strcmp(argv[1], "attach_fd") == 0 ? open(argv[2], O_RDWR | O_CLOEXEC) : -1;
    uint32_t flags = (uint32_t)strtoul(argv[3], NULL, 0);
    rside_segment *segment = NULL;
    rside_error error = {0};
    char line[512];
    report("before");

    mark("BEGIN\n");
    int code = set_up(argv[1], argv[2], fd, flags, &segment, &error);
    mark("END\n");
    int length = snprintf(line, sizeof line, "== outcome\n%d %d %s\n", code, error.code, error.text);
    put(STDOUT_FILENO, line, (size_t)length);
    use(segment);
    mark("CLOSE\n");
    rside_segment_close(segment, 0, "over");
    mark("CLOSED\n");

    report("after");
    return 0;
}
