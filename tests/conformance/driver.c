/* The conformance driver in C: performs an operation file through <ringside/ringside.h>. README.md says what a driver
 * has to do. */
#include <errno.h>
#include <limits.h>
#include <ringside/ringside.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 64, MAX_HANDLES = 64 };

enum kind { COUNTER, SHARED_COUNTER, COUNTER_F64, GAUGE, LEVEL, HISTOGRAM };

/* Empty when the library refused the series. */
struct handle {
    char name[64];
    enum kind kind;
    union {
        rside_counter counter;
        rside_shared_counter shared_counter;
        rside_counter_f64 counter_f64;
        rside_gauge gauge;
        rside_level level;
        rside_histogram histogram;
    } u;
};

struct driver {
    rside_segment *segment;
    const char *file;
    int line;
    const char *words[MAX_WORDS]; /* of the line, the operation first */
    size_t count;
    struct handle handles[MAX_HANDLES];
    size_t handle_count;
    int closed;
};

_Noreturn static void refuse(const struct driver *driver, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)fprintf(stderr, "%s:%d: ", driver->file, driver->line);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static void expect_words(const struct driver *driver, size_t low, size_t high) {
    if (driver->count < low || driver->count > high) {
        refuse(driver, "%s: takes another number of words, see tests/conformance/README.md", driver->words[0]);
    }
}

static uint64_t whole(const struct driver *driver, size_t i) {
    const char *word = driver->words[i];
    char *end;
    errno = 0;
    unsigned long long value = strtoull(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end != '\0' || errno != 0) {
        refuse(driver, "%s: '%s' is not a whole number that fits", driver->words[0], word);
    }
    return value;
}

static double real(const struct driver *driver, size_t i) {
    char *end;
    double value = strtod(driver->words[i], &end);
    if (*end != '\0') refuse(driver, "%s: '%s' is not a number", driver->words[0], driver->words[i]);
    return value;
}

/* --- Registering ------------------------------------------------------------------------------------------------------ */

static void register_series(struct driver *driver, enum kind kind) {
    expect_words(driver, 3, MAX_WORDS);
    const char *name = driver->words[1];
    for (size_t i = 0; i < driver->handle_count; ++i) {
        if (strcmp(driver->handles[i].name, name) == 0) refuse(driver, "handle '%s' is there already", name);
    }
    if (driver->handle_count == MAX_HANDLES) refuse(driver, "more handles than the %d that fit", MAX_HANDLES);
    struct handle *handle = &driver->handles[driver->handle_count++];
    int size = snprintf(handle->name, sizeof handle->name, "%s", name);
    if (size < 0 || (size_t)size >= sizeof handle->name) refuse(driver, "the handle's name '%s' is too long", name);
    handle->kind = kind;

    rside_segment *segment = driver->segment;
    const char *metric = driver->words[2];
    const char *const *values = driver->words + 3;
    size_t count = driver->count - 3;
    switch (kind) {
        case COUNTER: handle->u.counter = rside_counter_register(segment, metric, values, count, NULL); break;
        case SHARED_COUNTER:
            handle->u.shared_counter = rside_shared_counter_register(segment, metric, values, count, NULL);
            break;
        case COUNTER_F64:
            handle->u.counter_f64 = rside_counter_f64_register(segment, metric, values, count, NULL);
            break;
        case GAUGE: handle->u.gauge = rside_gauge_register(segment, metric, values, count, NULL); break;
        case LEVEL: handle->u.level = rside_level_register(segment, metric, values, count, NULL); break;
        case HISTOGRAM: handle->u.histogram = rside_histogram_register(segment, metric, values, count, NULL); break;
    }
}

static void register_counter(struct driver *driver) { register_series(driver, COUNTER); }
static void register_shared_counter(struct driver *driver) { register_series(driver, SHARED_COUNTER); }
static void register_counter_f64(struct driver *driver) { register_series(driver, COUNTER_F64); }
static void register_gauge(struct driver *driver) { register_series(driver, GAUGE); }
static void register_level(struct driver *driver) { register_series(driver, LEVEL); }
static void register_histogram(struct driver *driver) { register_series(driver, HISTOGRAM); }

static void register_info(struct driver *driver) {
    expect_words(driver, 2, MAX_WORDS);
    rside_info_register(driver->segment, driver->words[1], driver->words + 2, driver->count - 2, NULL);
}

/* --- Recording -------------------------------------------------------------------------------------------------------- */

/* The handle that the line names, if its kind is `one` or `other`. */
static struct handle *handle_of(struct driver *driver, enum kind one, enum kind other) {
    expect_words(driver, 3, 3);
    for (size_t i = 0; i < driver->handle_count; ++i) {
        struct handle *handle = &driver->handles[i];
        if (strcmp(handle->name, driver->words[1]) != 0) continue;
        if (handle->kind == one || handle->kind == other) return handle;
        refuse(driver, "%s: handle '%s' is of a kind that it is not for", driver->words[0], handle->name);
    }
    refuse(driver, "%s: no handle '%s'", driver->words[0], driver->words[1]);
}

static void add(struct driver *driver) {
    struct handle *handle = handle_of(driver, COUNTER, SHARED_COUNTER);
    if (handle->kind == COUNTER) {
        rside_counter_add(handle->u.counter, whole(driver, 2));
    } else {
        rside_shared_counter_add(handle->u.shared_counter, whole(driver, 2));
    }
}

static void add_f64(struct driver *driver) {
    rside_counter_f64_add(handle_of(driver, COUNTER_F64, COUNTER_F64)->u.counter_f64, real(driver, 2));
}

static void total(struct driver *driver) {
    rside_counter_total(handle_of(driver, COUNTER, COUNTER)->u.counter, whole(driver, 2));
}

static void total_f64(struct driver *driver) {
    rside_counter_f64_total(handle_of(driver, COUNTER_F64, COUNTER_F64)->u.counter_f64, real(driver, 2));
}

static void baseline(struct driver *driver) {
    rside_counter_baseline(handle_of(driver, COUNTER, COUNTER)->u.counter, whole(driver, 2));
}

static void baseline_f64(struct driver *driver) {
    rside_counter_f64_baseline(handle_of(driver, COUNTER_F64, COUNTER_F64)->u.counter_f64, real(driver, 2));
}

static void record(struct driver *driver) {
    struct handle *handle = handle_of(driver, GAUGE, HISTOGRAM);
    if (handle->kind == GAUGE) {
        rside_gauge_record(handle->u.gauge, real(driver, 2));
    } else {
        rside_histogram_record(handle->u.histogram, real(driver, 2));
    }
}

static void set(struct driver *driver) { rside_level_set(handle_of(driver, LEVEL, LEVEL)->u.level, real(driver, 2)); }

/* --- The rest --------------------------------------------------------------------------------------------------------- */

/* For the runner, which provisioned the segment with it. */
static void schema(struct driver *driver) { expect_words(driver, 2, 2); }

static void clock_mode(struct driver *driver) {
    expect_words(driver, 2, 2);
    if (strcmp(driver->words[1], "tick") != 0) refuse(driver, "clock: '%s' is not 'tick'", driver->words[1]);
}

static void tick(struct driver *driver) {
    expect_words(driver, 2, 2);
    rside_tick(driver->segment, whole(driver, 1));
}

static void close_segment(struct driver *driver) {
    expect_words(driver, 2, MAX_WORDS);
    char *end;
    errno = 0;
    long code = strtol(driver->words[1], &end, 10);
    if (*end != '\0' || errno != 0 || code < INT_MIN || code > INT_MAX) {
        refuse(driver, "close: '%s' is not a whole number that fits", driver->words[1]);
    }
    char text[1024] = "";
    size_t used = 0;
    for (size_t i = 2; i < driver->count; ++i) {
        int size = snprintf(text + used, sizeof text - used, "%s%s", i > 2 ? " " : "", driver->words[i]);
        if (size < 0 || (size_t)size >= sizeof text - used) refuse(driver, "close: the text is too long");
        used += (size_t)size;
    }
    rside_segment_close(driver->segment, (int)code, text);
    driver->closed = 1;
}

static const struct {
    const char *name;
    void (*perform)(struct driver *);
} operations[] = {
    {"schema", schema},
    {"clock", clock_mode},
    {"tick", tick},
    {"counter", register_counter},
    {"shared_counter", register_shared_counter},
    {"counter_f64", register_counter_f64},
    {"gauge", register_gauge},
    {"level", register_level},
    {"histogram", register_histogram},
    {"info", register_info},
    {"add", add},
    {"add_f64", add_f64},
    {"total", total},
    {"total_f64", total_f64},
    {"baseline", baseline},
    {"baseline_f64", baseline_f64},
    {"record", record},
    {"set", set},
    {"close", close_segment},
};

static void perform(struct driver *driver) {
    if (driver->closed) refuse(driver, "'%s' stands behind the close", driver->words[0]);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; ++i) {
        if (strcmp(operations[i].name, driver->words[0]) == 0) {
            operations[i].perform(driver);
            return;
        }
    }
    refuse(driver, "unknown operation '%s'", driver->words[0]);
}

static void split(struct driver *driver, char *line) {
    line[strcspn(line, "#\n")] = '\0';
    driver->count = 0;
    for (char *word = strtok(line, " \t\r"); word; word = strtok(NULL, " \t\r")) {
        if (driver->count == MAX_WORDS) refuse(driver, "more than %d words", MAX_WORDS);
        driver->words[driver->count++] = word;
    }
}

int main(int argc, char **argv) {
    static struct driver driver;
    driver.file = argc > 2 ? argv[2] : "usage: DRIVER SEGMENT_PATH OPERATIONS_FILE";
    FILE *file = argc == 3 ? fopen(argv[2], "r") : NULL;
    if (!file) refuse(&driver, "cannot be read");
    rside_error error;
    if (rside_segment_attach(argv[1], NULL, RSIDE_CLOCK_TICK, 0, &driver.segment, &error) < 0) {
        refuse(&driver, "%s", error.text);
    }
    char line[1024];
    while (fgets(line, sizeof line, file)) {
        ++driver.line;
        if (!strchr(line, '\n') && !feof(file)) refuse(&driver, "the line is too long");
        split(&driver, line);
        if (driver.count) perform(&driver);
    }
    (void)fclose(file);
    if (!driver.closed) refuse(&driver, "the file does not end with a close");
    return 0;
}
