#include "agent/segment/bus_guard.h"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <mutex>

namespace ringside::agent {
namespace {

constexpr std::uintptr_t kTaken = 1;
constexpr std::uintptr_t kPage = 4096;

std::array<GuardedRange::Entry, kGuardedRangesMax> entries;
std::atomic<std::size_t> entries_used{0};  // those from here on have never been taken
std::atomic<bool> installed{false};
struct sigaction earlier;

// Whether the fault was ours, and is mended.
bool mend(std::uintptr_t address) {
    const std::size_t used = entries_used.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < used; ++i) {
        GuardedRange::Entry& entry = entries[i];
        const std::uintptr_t begin = entry.begin.load(std::memory_order_acquire);
        if (begin <= kTaken || address < begin) continue;
        const std::size_t bytes = entry.bytes.load(std::memory_order_relaxed);
        // Pairs with the owner's release fence: who has seen another owner's bytes does not find the same begin again.
        std::atomic_thread_fence(std::memory_order_acquire);
        if (entry.begin.load(std::memory_order_relaxed) != begin || address - begin >= bytes) continue;
        // The mark before the zeros: a thread that reads them instead of faulting finds it.
        entry.cut.store(true, std::memory_order_seq_cst);
        const std::uintptr_t from = address / kPage * kPage;
        return mmap(reinterpret_cast<void*>(from), begin + bytes - from, PROT_READ,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
    }
    return false;
}

// Whether this thread's own access has failed, so that si_addr is where: not so where somebody sent the signal, or the
// machine tells of bad memory that nobody waits for.
bool is_fault(const siginfo_t& info) { return info.si_code > 0 && info.si_code != BUS_MCEERR_AO; }

void on_bus_error(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    const bool mended = is_fault(*info) && mend(reinterpret_cast<std::uintptr_t>(info->si_addr));
    errno = saved;
    if (mended) return;
    if ((earlier.sa_flags & SA_SIGINFO) != 0) return earlier.sa_sigaction(signal, info, context);
    if (earlier.sa_handler != SIG_DFL && earlier.sa_handler != SIG_IGN) return earlier.sa_handler(signal);
    // Ends the process as it would have without us: at once, or when the instruction that faulted is tried again.
    if (!is_fault(*info) && earlier.sa_handler == SIG_IGN) return;
    sigaction(SIGBUS, &earlier, nullptr);
    if (!is_fault(*info)) raise(signal);
}

}  // namespace

void install_bus_guard() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction ours {};
        ours.sa_sigaction = on_bus_error;
        // Not deferred: the handler of before may be entered by a fault within ours.
        ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
        sigemptyset(&ours.sa_mask);
        if (sigaction(SIGBUS, &ours, &earlier) == 0) installed.store(true, std::memory_order_release);
    });
}

GuardedRange::GuardedRange(const void* begin, std::size_t bytes) {
    if (!installed.load(std::memory_order_acquire)) return;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        Entry& entry = entries[i];
        std::uintptr_t free = 0;
        // Relaxed: nothing of the owner before is looked at, and the store of `begin` below publishes.
        if (!entry.begin.compare_exchange_strong(free, kTaken, std::memory_order_relaxed)) continue;
        // A handler that still goes by the begin of before must not lay its zeros by these bytes.
        std::atomic_thread_fence(std::memory_order_release);
        entry.bytes.store(bytes, std::memory_order_relaxed);
        entry.cut.store(false, std::memory_order_relaxed);
        entry.begin.store(reinterpret_cast<std::uintptr_t>(begin), std::memory_order_release);
        std::size_t used = entries_used.load(std::memory_order_relaxed);
        while (used <= i && !entries_used.compare_exchange_weak(used, i + 1, std::memory_order_release)) {
        }
        entry_ = &entry;
        return;
    }
}

GuardedRange::~GuardedRange() {
    if (entry_) entry_->begin.store(0, std::memory_order_release);
}

}  // namespace ringside::agent
