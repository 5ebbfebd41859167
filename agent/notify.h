// Words to systemd (sd_notify). Without systemd they go nowhere.
#pragma once

#include <cstdint>
#include <string>

namespace ringside::agent {

void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_reloading();
void notify_stopping();
void notify_watchdog();

// How often the watchdog wants to hear from us, ns; 0: there is none.
std::uint64_t watchdog_interval_ns();

}  // namespace ringside::agent
