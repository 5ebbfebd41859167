// What a run has found out: faults of the code under test, and how much was tried.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ringside::simulation {

// How a run differs from the model. All of them are faults.
enum class Fault {
    kLost,       // had to arrive, did not, and no rule excuses it
    kDoubled,    // arrived again although it had been acknowledged to this run of the agent
    kInvented,   // the model has no such sample, or another value
    kDisorder,   // older than what the series has already
    kArchive,    // the archive's content differs from the model
    kAudit,      // the audit finds a difference without a reason
    kUnsettled,  // at the end something is left that should be done
};
const char* fault_name(Fault fault);

class Findings {
  public:
    void add(Fault fault, const std::string& text);
    // Part of the run's identity: the same seed gives the same hash.
    void trace(std::uint64_t number);
    void trace(const std::string& text);

    std::uint64_t count(Fault fault) const;
    std::uint64_t faults() const;
    // The first few of each kind, a line each.
    std::string text() const;
    std::uint64_t hash() const { return hash_; }

    // By name: "crashes", "samples".
    std::map<std::string, std::uint64_t> tried;

  private:
    std::map<Fault, std::uint64_t> counts_;
    std::vector<std::string> lines_;
    std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace ringside::simulation
