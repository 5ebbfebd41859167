// Fork guard: a child of the VMM must neither record into the segment nor keep a dead VM alive.
//
// The mapping is not inherited (MADV_DONTFORK); in its place the child gets private empty pages at the same address, so
// its records go nowhere at no cost of a branch. The list of guarded segments is the library's only global state,
// and the lock is held across fork so that the child finds the list whole.
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "segment.h"

namespace ringside::writer {
namespace {

rside_segment* guarded = nullptr;
uint32_t guard_lock = 0;
uint32_t handlers_set = 0;

void before_fork() { spin_lock(&guard_lock); }
void in_parent() { spin_unlock(&guard_lock); }

void in_child() {
    for (rside_segment* segment = guarded; segment; segment = segment->next) {
        // MAP_FIXED over the hole that DONTFORK left. When even that fails the child keeps the hole.
        (void)mmap(segment->base, segment->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0);
        // Another thread of the parent may have held it; that thread is not here to let it go.
        spin_unlock(&segment->register_lock);
    }
    spin_unlock(&guard_lock);
}

}  // namespace

int fork_guard_add(rside_segment* segment) {
    spin_lock(&guard_lock);
    int code = 0;
    if (!handlers_set) {
        code = -pthread_atfork(before_fork, in_parent, in_child);
        if (code == 0) handlers_set = 1;
    }
    if (code == 0 && madvise(segment->base, segment->bytes, MADV_DONTFORK) < 0) code = -errno;
    if (code == 0) {
        segment->next = guarded;
        guarded = segment;
    }
    spin_unlock(&guard_lock);
    return code;
}

void fork_guard_remove(rside_segment* segment) {
    spin_lock(&guard_lock);
    for (rside_segment** at = &guarded; *at; at = &(*at)->next) {
        if (*at != segment) continue;
        *at = segment->next;
        break;
    }
    spin_unlock(&guard_lock);
}

}  // namespace ringside::writer
