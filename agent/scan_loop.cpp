#include "agent/scan_loop.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/base/clock.h"
#include "agent/folder.h"
#include "agent/log.h"

namespace ringside::agent {
namespace {

// What can make a new name worth a look: created, renamed into place, opened for writing and closed again by an attach.
constexpr std::uint32_t kNotices =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

// The loop comes round at least so often, however long the interval, so that a watchdog can tell idle from hung.
constexpr std::uint64_t kBeatNs = 2'000'000'000;

// A burst of changes is looked at together: a thousand VMs that start at once cost 50 listings a second, not a
// thousand.
constexpr std::uint64_t kBurstNs = 20'000'000;

// What it takes to open as many files as are looked at, each once: 17. Whoever keeps making files cannot keep the agent
// from starting; what is left then has its turn in the sweeps that follow.
constexpr std::size_t kStartPassesMax = kMaxEntries / ScanLimits{}.opens_per_pass + 1;

}  // namespace

ScanLoop::ScanLoop(Scanner& scanner, std::string folder, std::uint64_t interval_ns, Metrics& metrics,
                   std::function<void(std::uint64_t now_ns)> swept)
    : scanner_(scanner),
      folder_(std::move(folder)),
      swept_(std::move(swept)),
      scans_(metrics.counter("ringside_scans_total", "Sweeps over all segments.")),
      errors_(metrics.counter("ringside_scan_errors_total", "Scans that failed.")),
      overflows_(
          metrics.counter("ringside_scan_overflows_total", "Notices of changes that the kernel had no room for.")),
      wakeups_(metrics.counter("ringside_scan_wakeups_total", "Times that the thread that scans came round.")),
      last_seconds_(metrics.gauge("ringside_scan_last_seconds", "How long the newest sweep took.")),
      interval_ns_(interval_ns) {}

Result<void> ScanLoop::start() {
    wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) return errno_error(errno, "cannot make an eventfd for the scan");
    watch();
    for (std::size_t pass = 0; pass < kStartPassesMax; ++pass) {
        sweep();
        if (!more_) break;
    }
    ready_.store(true, std::memory_order_release);
    thread_ = std::thread([this] { run(); });
    ::pthread_setname_np(thread_.native_handle(), "scan");
    return {};
}

void ScanLoop::stop() {
    stopping_.store(true, std::memory_order_relaxed);
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        while (::write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
        }
        thread_.join();
    }
    for (int* fd : {&notices_fd_, &wake_fd_}) {
        if (*fd >= 0) ::close(*fd);
        *fd = -1;
    }
}

// The thread sees it at its next beat: the next sweep is due one interval after the last one, by the new interval.
void ScanLoop::set_interval(std::uint64_t interval_ns) {
    interval_ns_.store(interval_ns, std::memory_order_relaxed);
    const std::uint64_t one = 1;
    if (wake_fd_ >= 0) (void)!::write(wake_fd_, &one, sizeof one);
}

void ScanLoop::watch() {
    if (notices_fd_ >= 0) ::close(notices_fd_);
    notices_fd_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (notices_fd_ >= 0 && ::inotify_add_watch(notices_fd_, folder_.c_str(), kNotices) >= 0) return;
    log_warning(std::string("no notices of changes in ") + folder_ + " (inotify: " + std::strerror(errno) +
                "): new VMs are seen by the clock alone, each scan-interval");
    if (notices_fd_ >= 0) ::close(notices_fd_);
    notices_fd_ = -1;
}

void ScanLoop::run() {
    std::uint64_t swept_ns = monotonic_ns();
    std::uint64_t next_look_ns = 0;  // not before this, so that bursts are taken together
    bool changed = false;
    while (!stopping_.load(std::memory_order_relaxed)) {
        const std::uint64_t beat_ns = monotonic_ns();
        beat_ns_.store(beat_ns, std::memory_order_relaxed);
        const std::uint64_t due_ns = swept_ns + interval_ns_.load(std::memory_order_relaxed);
        const std::uint64_t until_ns = std::min(due_ns, beat_ns + kBeatNs);
        const bool look = changed || more_;
        wait(look ? std::min(next_look_ns, until_ns) : until_ns, !look);
        wakeups_.add();
        changed |= take_notices();
        const std::uint64_t now_ns = monotonic_ns();
        if (now_ns >= swept_ns + interval_ns_.load(std::memory_order_relaxed)) {
            sweep();
            // From now on, not from when it was due: a machine that slept does not sweep for every second it missed.
            swept_ns = now_ns;
        } else if ((changed || more_) && now_ns >= next_look_ns) {
            discover();
        } else {
            continue;
        }
        changed = false;
        next_look_ns = monotonic_ns() + kBurstNs;
    }
}

// Until the time is over, somebody stops the loop, or a name changes. Where a look is due anyway notices are not waited
// for: each of a flood of them would wake the thread.
void ScanLoop::wait(std::uint64_t until_ns, bool for_notices) {
    const std::uint64_t now_ns = monotonic_ns();
    const std::uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    timespec timeout{static_cast<time_t>(wait_ns / 1'000'000'000u), static_cast<long>(wait_ns % 1'000'000'000u)};
    pollfd fds[2] = {{wake_fd_, POLLIN, 0}, {notices_fd_, POLLIN, 0}};
    ::ppoll(fds, for_notices && notices_fd_ >= 0 ? 2 : 1, &timeout, nullptr);
    std::uint64_t woken = 0;
    (void)!::read(wake_fd_, &woken, sizeof woken);  // What it was for is in stopping_ and interval_ns_.
}

// Reads away all notices; whether there were any. What they say is not looked at: a listing says it better.
bool ScanLoop::take_notices() {
    if (notices_fd_ < 0) return false;
    alignas(inotify_event) char buffer[16384];
    bool any = false;
    for (;;) {
        const ssize_t size = ::read(notices_fd_, buffer, sizeof buffer);
        if (size <= 0) return any;
        any = true;
        for (ssize_t at = 0; at < size;) {
            inotify_event notice;
            std::memcpy(&notice, buffer + at, sizeof notice);
            if (notice.mask & IN_Q_OVERFLOW) overflows_.add();
            at += static_cast<ssize_t>(sizeof notice + notice.len);
        }
    }
}

void ScanLoop::sweep() {
    const std::uint64_t begin_ns = monotonic_ns();
    const std::uint64_t now_ns = realtime_ns();
    auto swept = scanner_.sweep(now_ns);
    more_ = swept && *swept;
    if (!swept) return report(swept.error());
    failing_ = false;
    swept_(now_ns);
    scans_.add();
    const std::uint64_t span_ns = monotonic_ns() - begin_ns;
    last_seconds_.set(static_cast<double>(span_ns) / 1e9);
    last_span_ns_.store(span_ns, std::memory_order_relaxed);
    last_scan_ns_.store(realtime_ns(), std::memory_order_relaxed);
}

void ScanLoop::discover() {
    auto found = scanner_.discover(realtime_ns());
    more_ = found && *found;
    if (!found) report(found.error());
}

void ScanLoop::report(const Error& error) {
    errors_.add();
    if (!failing_) log_error(error.message() + "; it is tried again each scan-interval");
    failing_ = true;
    if (error.code == Code::kNotFound) repair_folder();
}

// The folder was removed, or another one was moved there. VMs that are open go on through their descriptors.
void ScanLoop::repair_folder() {
    auto folder = prepare_segment_folder(folder_);
    if (!folder) return;
    scanner_.set_folder(std::move(*folder));
    watch();
    log_warning("the segment folder " + folder_ +
                " is another one now, made anew if need be; VMs that are running go on");
}

}  // namespace ringside::agent
