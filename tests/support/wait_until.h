// For what other threads do.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace ringside::agent {

// The test runner's time limit ends a test for which it never comes.
inline void wait_until(const std::function<bool()>& done) {
    while (!done()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace ringside::agent
