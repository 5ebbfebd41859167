/* vCPU threads of a VMM like Firecracker: built static against musl, shut into the filter that Firecracker gives its vCPU
 * threads on x86-64 (resources/seccomp/x86_64-unknown-linux-musl.json), and only then attaching to a segment by path.
 *
 *     vcpu_jail FOLDER [slip]
 *
 * The main thread, which is outside, lays out a segment for each clock and prints their paths; each vCPU records into one of
 * them, 100 million times in all. With `slip` they make one system call more, which is to end the process by SIGSYS. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <ringside/ringside.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, skip)
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, action)
/* Each ends with the number of the call loaded, for the next one. Arguments are small: their lower half tells all. */
#define ALLOW(call) UNLESS(call, 1), ANSWER(SECCOMP_RET_ALLOW)
#define ALLOW_IF(call, argument, value) \
    UNLESS(call, 4), LOAD(args[argument]), UNLESS(value, 1), ANSWER(SECCOMP_RET_ALLOW), LOAD(nr)
#define ALLOW_MAP(flags)                                                 \
    UNLESS(SYS_mmap, 6), LOAD(args[3]), UNLESS(flags, 3), LOAD(args[2]), \
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0), ANSWER(SECCOMP_RET_ALLOW), LOAD(nr)

enum { FUTEX_WAIT_ = 0, FUTEX_WAKE_ = 1, FUTEX_WAIT_BITSET_ = 9, FUTEX_PRIVATE_ = 128 };

/* All that Firecracker allows but ioctls and timers, which are none of the library's business. */
static struct sock_filter filter[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    ALLOW(SYS_exit),
    ALLOW(SYS_exit_group),
    ALLOW(SYS_write),
    ALLOW(SYS_open),
    ALLOW(SYS_close),
    ALLOW(SYS_fstat),
    ALLOW(SYS_brk),
    ALLOW(SYS_gettid),
    ALLOW(SYS_clock_gettime),
    ALLOW(SYS_mremap),
    ALLOW(SYS_munmap),
    ALLOW(SYS_rt_sigprocmask),
    ALLOW(SYS_rt_sigreturn),
    ALLOW(SYS_sigaltstack),
    ALLOW_IF(SYS_futex, 1, FUTEX_WAIT_),
    ALLOW_IF(SYS_futex, 1, FUTEX_WAKE_),
    ALLOW_IF(SYS_futex, 1, FUTEX_WAIT_ | FUTEX_PRIVATE_),
    ALLOW_IF(SYS_futex, 1, FUTEX_WAKE_ | FUTEX_PRIVATE_),
    ALLOW_IF(SYS_futex, 1, FUTEX_WAIT_BITSET_ | FUTEX_PRIVATE_),
    ALLOW_IF(SYS_madvise, 2, MADV_DONTNEED),
    ALLOW_MAP(MAP_SHARED),
    ALLOW_MAP(MAP_PRIVATE | MAP_ANONYMOUS),
    ALLOW_IF(SYS_rt_sigaction, 0, SIGABRT),
    ALLOW_IF(SYS_tkill, 1, SIGABRT),
    ALLOW(SYS_sendmsg),
    ALLOW(SYS_sched_yield),
    ANSWER(SECCOMP_RET_KILL_PROCESS),
};

static const char *const labels[] = {"vcpu"};
static const rside_metric metrics[] = {
    {.name = "exits_total", .kind = RSIDE_COUNTER, .labels = labels, .label_count = 1, .max_series = 2},
    {.name = "faults_total", .kind = RSIDE_COUNTER, .flags = RSIDE_METRIC_SHARED, .max_series = 1},
    {.name = "seconds_total", .kind = RSIDE_COUNTER_F64, .max_series = 1},
    {.name = "delay", .kind = RSIDE_GAUGE, .max_series = 1},
    {.name = "depth", .kind = RSIDE_LEVEL, .max_series = 1},
    {.name = "latency", .kind = RSIDE_HISTOGRAM, .max_series = 1, .histogram_lowest = 1.0, .histogram_highest = 8.0},
};
static const rside_schema schema = {
    .name = "vcpu", .tiers = rside_default_tiers, .tier_count = 3, .metrics = metrics, .metric_count = 6};

enum { SECONDS = 700, ROUNDS = 12000 /* a second, of six records in two threads: 100.8 million */ };

static const enum rside_clock clocks[] = {RSIDE_CLOCK_TICK, RSIDE_CLOCK_COARSE};
static char paths[2][512];
static int slips;

/* 700 seconds by ticks, over the ends of windows of each tier; by the clock as fast as it goes. */
static void record(rside_segment *segment) {
    const char *vcpu[] = {"0"};
    rside_counter exits = rside_counter_register(segment, "exits_total", vcpu, 1, NULL);
    rside_shared_counter faults = rside_shared_counter_register(segment, "faults_total", NULL, 0, NULL);
    rside_counter_f64 seconds = rside_counter_f64_register(segment, "seconds_total", NULL, 0, NULL);
    rside_gauge delay = rside_gauge_register(segment, "delay", NULL, 0, NULL);
    rside_level depth = rside_level_register(segment, "depth", NULL, 0, NULL);
    rside_histogram latency = rside_histogram_register(segment, "latency", NULL, 0, NULL);
    for (int round = 0; round < SECONDS * ROUNDS; ++round) {
        if (round % ROUNDS == 0)
            rside_tick(segment, (UINT64_C(1700000000) + (uint64_t)(round / ROUNDS)) * RSIDE_NS_PER_S);
        rside_counter_add(exits, 2);
        rside_shared_counter_add(faults, 1);
        rside_counter_f64_add(seconds, 0.5);
        rside_gauge_record(delay, round % 8);
        rside_level_set(depth, round % 8);
        rside_histogram_record(latency, round % 8);
    }
}

static void say(const char *text) {
    size_t size = 0;
    while (text[size]) ++size;
    (void)!write(STDERR_FILENO, text, size);
}

static void *vcpu(void *argument) {
    int which = (int)(intptr_t)argument;
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        say("no seccomp\n");
        _exit(1);
    }
    rside_segment *segment = NULL;
    rside_error error;
    if (rside_segment_attach(paths[which], &schema, clocks[which], 0, &segment, &error) < 0) {
        say(error.text);
        _exit(1);
    }
    record(segment);
    if (slips) syscall(SYS_getpid);
    rside_segment_close(segment, 0, "over");
    return NULL;
}

int main(int argc, char **argv) {
    slips = argc > 2;
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "vm";
    options.directory = argc > 1 ? argv[1] : NULL;
    options.schema = &schema;
    pthread_t threads[2];
    for (int i = 0; i < 2; ++i) {
        rside_error error;
        if (rside_segment_provision(&options, paths[i], sizeof paths[i], &error) < 0) {
            say(error.text);
            return 1;
        }
        puts(paths[i]);
    }
    fflush(stdout);
    for (int i = 0; i < 2; ++i) {
        if (pthread_create(&threads[i], NULL, vcpu, (void *)(intptr_t)i) != 0) return 1;
    }
    for (int i = 0; i < 2; ++i) {
        if (pthread_join(threads[i], NULL) != 0) return 1;
    }
    return 0;
}
