#include "agent/notify.h"

#include <systemd/sd-daemon.h>

#include "agent/base/clock.h"

namespace ringside::agent {

void notify_ready(const std::string& status) { ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str()); }

void notify_status(const std::string& status) { ::sd_notify(0, ("STATUS=" + status).c_str()); }

void notify_reloading() {
    // The time is what Type=notify-reload asks for; older systemd ignores it.
    const std::string text = "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_ns() / 1000);
    ::sd_notify(0, text.c_str());
}

void notify_stopping() { ::sd_notify(0, "STOPPING=1\nSTATUS=finishing the drain in hand"); }

void notify_watchdog() { ::sd_notify(0, "WATCHDOG=1"); }

std::uint64_t watchdog_interval_ns() {
    std::uint64_t interval_us = 0;
    // Twice as often as it asks, which is what its manual recommends.
    return ::sd_watchdog_enabled(0, &interval_us) > 0 ? interval_us * 1000 / 2 : 0;
}

}  // namespace ringside::agent
