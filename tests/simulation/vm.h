// One life of a simulated VM: a real writer with a real segment, and a tally of all that it records.
#pragma once

#include <ringside/ringside.h>

#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "agent/base/model.h"
#include "tests/simulation/tally.h"

namespace ringside::simulation {

inline constexpr std::uint32_t kPushedSlots = 48;

class SimulatedVm {
  public:
    // Creates its segment in `folder` now. Null where that fails.
    static std::unique_ptr<SimulatedVm> create(const std::string& folder, const std::string& vm_id, std::uint64_t seed);
    ~SimulatedVm();  // killed, unless it has ended
    SimulatedVm(const SimulatedVm&) = delete;
    SimulatedVm& operator=(const SimulatedVm&) = delete;

    // Some records at the time that the clock says. False where the writer refused one.
    void record();
    // The writer says goodbye, and it is gone.
    void close(int code);
    // It is gone in the middle of its life: no word, and the kernel lets go of its mapping.
    void kill();

    const std::string& vm_id() const { return vm_id_; }
    const std::string& key() const { return key_; }    // of the VM epoch, as vm_key()
    const std::string& path() const { return path_; }  // of its segment
    Tally& tally() { return tally_; }
    const Tally& tally() const { return tally_; }
    std::uint64_t created_ns() const { return created_ns_; }
    bool running() const { return segment_ != nullptr; }
    bool closed() const { return closed_; }
    // Whether its own loop tells the writer the time, and stands still now and then.
    bool ticks() const { return ticks_; }
    int close_code() const { return close_code_; }
    std::uint64_t gone_ns() const { return gone_ns_; }  // when it was closed or killed, by its own clock

  private:
    SimulatedVm(rside_segment* segment, std::string vm_id, std::uint64_t seed, bool ticks);
    void tick();

    rside_segment* segment_;
    const std::string vm_id_;
    std::string path_;
    std::string key_;
    std::mt19937_64 random_;
    std::uint64_t created_ns_ = 0;
    std::uint64_t gone_ns_ = 0;
    const bool ticks_;
    std::uint64_t tick_ns_ = 0;
    bool closed_ = false;
    int close_code_ = 0;
    Tally tally_;
    rside_counter counter_{}, late_{};
    rside_gauge gauge_{};
    rside_level level_{};
    rside_histogram histogram_{};
};

}  // namespace ringside::simulation
