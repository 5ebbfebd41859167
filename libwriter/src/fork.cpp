// Fork guard: a child of the VMM must neither record into the segment nor keep a dead VM alive.
//
// The mapping is not inherited (MADV_DONTFORK); in its place the child gets private empty pages at the same address, so
// its records go nowhere at no cost of a branch. While a segment is set up there are a writable descriptor and a mapping
// that would be inherited, so forks wait until that is over. The list of guarded segments is the library's only global
// state; its lock is held across fork, and through each set-up.
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "segment.h"

namespace ringside::writer {
namespace {

// No spin lock: set-up may hold it for as long as a large file takes.
pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
rside_segment* guarded = nullptr;  // behind guard_lock, as is the next
bool handlers_set = false;

void before_fork() { pthread_mutex_lock(&guard_lock); }
void in_parent() { pthread_mutex_unlock(&guard_lock); }

void in_child() {
    for (rside_segment* segment = guarded; segment; segment = segment->next) {
        // MAP_FIXED over the hole that DONTFORK left. When even that fails the child keeps the hole.
        (void)mmap(segment->base, segment->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0);
        // Another thread of the parent may have held it; that thread is not here to let it go.
        spin_unlock(&segment->register_lock);
    }
    pthread_mutex_unlock(&guard_lock);
}

}  // namespace

int ForkHold::begin(uint32_t flags) {
    if (!(flags & RSIDE_FORK_GUARD)) return 0;
    pthread_mutex_lock(&guard_lock);
    // In the first set-up of a process: a fork that is under way by now has not asked the handlers and is not held up.
    int code = handlers_set ? 0 : pthread_atfork(before_fork, in_parent, in_child);
    handlers_set = held_ = code == 0;
    if (!held_) pthread_mutex_unlock(&guard_lock);
    return -code;
}

ForkHold::~ForkHold() {
    if (held_) pthread_mutex_unlock(&guard_lock);
}

int fork_guard_hide(const rside_segment& segment) {
    return madvise(segment.base, segment.bytes, MADV_DONTFORK) < 0 ? -errno : 0;
}

void fork_guard_add(rside_segment* segment) {
    segment->next = guarded;
    guarded = segment;
}

void fork_guard_remove(rside_segment* segment) {
    pthread_mutex_lock(&guard_lock);
    for (rside_segment** at = &guarded; *at; at = &(*at)->next) {
        if (*at != segment) continue;
        *at = segment->next;
        break;
    }
    pthread_mutex_unlock(&guard_lock);
}

}  // namespace ringside::writer
