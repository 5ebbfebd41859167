// The agent behind its API, in memory: the real catalog and event bus, over VMs that are plain values.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/api/backend.h"
#include "tests/support/memory_source.h"

namespace ringside::agent {

// The time at which everything in this backend happens. Windows end at or before it.
inline constexpr std::uint64_t kTestNowNs = 1'700'000'300ull * 1'000'000'000;

// What a VM to be made looks like. Its values follow from `seed`: see sample_vm().
struct TestVm {
    std::string vm_id = {};
    std::uint32_t uid = 0;
    std::string component = {};
    std::uint8_t epoch = 1;  // each byte of it
    VmState state = VmState::kRunning;
    std::uint64_t seed = 0;
    std::uint32_t counters = 2;   // series of requests_total, with labels device="disk<i>", op="read" or "write"
    std::uint32_t windows = 300;  // of the 1 s tier
    std::uint32_t buckets = 8;    // of the histogram
};

// One VM with a series of each kind. In the 1 s tier window k (of `windows`, the newest ends at kTestNowNs) holds
//   requests_total{device,op}   counter: value = seed + 1000 x series + k
//   cpu_seconds_total           counter_f64: value = seed + k / 8
//   queue_depth                 gauge: count k + 1, sum k / 2, min -k, max k, last seed + k
//   memory_bytes                level: count 10^9, sum, min, max and last seed + 4096 x k
//   latency_seconds             histogram: count k, sum k / 4, bucket b = k + b
//   build_info                  info: version="1.2"
// and in the 10 s tier the same for every tenth window. The newest window of the 1 s tier is open while the VM runs.
std::shared_ptr<MemorySource> sample_vm(const TestVm& vm);

class TestBackend : public Backend {
  public:
    explicit TestBackend(std::size_t event_capacity = 4096, Budgets budgets = {});

    // Returns its key.
    std::string add(const TestVm& vm);
    void exit(const std::string& key, ExitCause cause, std::int32_t code = 0, const std::string& text = "");
    void quarantine(const std::string& file, std::uint32_t uid);
    void evict(const std::string& key) { catalog.remove(key); }
    void push(const std::string& key, std::uint64_t window_end_ns);

    std::shared_ptr<MemorySource> source(const std::string& key) const;

    bool ready() const override { return is_ready; }
    std::shared_ptr<const CatalogView> view() const override { return catalog.view(); }
    CatalogVmPtr find(const std::string& key) const override;
    VmExtras extras(const CatalogVm& vm) const override;
    Result<CatalogVmPtr> drain(const std::string& key) override;
    Result<VmAudit> audit(const CatalogVm& vm) const override;
    const EventBus& events() const override { return bus; }
    Result<std::variant<Admission, AdmitRefusal>> admit(const std::string& vm_id, std::uint32_t uid,
                                                        const Demand& demand, bool dry_run) override;
    Result<Admission> release(const std::string& vm_id) override;
    std::vector<Admission> admissions() const override;
    std::vector<std::shared_ptr<const ArchivedVm>> black_boxes() const override { return boxes; }
    AgentReport report() const override;

    std::vector<std::shared_ptr<const ArchivedVm>> boxes;
    EventBus bus;
    Catalog catalog;
    std::atomic<bool> is_ready{true};
    std::atomic<std::uint64_t> calls{0};               // that reached the backend
    std::function<void(const std::string&)> on_drain;  // called at the begin of a drain; it may wait
    std::optional<Error> drain_error;                  // what a drain of a dead VM answers instead

  private:
    mutable std::mutex mutex_;  // guards sources_
    std::map<std::string, std::shared_ptr<MemorySource>> sources_;
    std::uint64_t next_inode_ = 1;
};

}  // namespace ringside::agent
