// Files that are not served, with the reason of each. A quarantined file is left where it is and never removed: what is
// wrong with it may be wrong only for this agent.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ringside::agent {

// Tells two files of one name apart, and one file before and after it was cut, grown or given away.
struct FileStamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t bytes = 0;
    std::uint64_t changed_ns = 0;  // st_ctim

    bool operator==(const FileStamp&) const = default;
    bool same_file(const FileStamp& other) const { return device == other.device && inode == other.inode; }
};

// When a quarantined file is looked at again, apart from the sweep after its stamp has changed.
enum class Retry {
    kNever,    // its bytes are wrong
    kOnRules,  // when budgets, admissions or the other VMs change
    kAlways,   // at each sweep: the trouble may pass by itself
};

struct QuarantinedFile {
    std::string file;    // its name in the directory
    std::string reason;  // short and from a closed list: "bad-checksum", "over-budget"
    std::string detail;  // a sentence: what was seen, and the next step
    std::uint32_t uid = 0;
    std::uint64_t since_ns = 0;
    FileStamp stamp;
    Retry retry = Retry::kNever;
    std::uint64_t rules_version = 0;  // of the rules that refused it
};

// The list, bounded: files beyond `capacity` are not remembered, only counted, and looked at again at the next sweep.
// A plain value with no lock: its owner guards it.
class Quarantine {
  public:
    explicit Quarantine(std::size_t capacity) : capacity_(capacity) {}

    // Whether the file is new here, or was here for another reason: worth an event and a line in the log.
    bool put(QuarantinedFile file);
    bool erase(const std::string& file) { return by_file_.erase(file) != 0; }

    const QuarantinedFile* find(const std::string& file) const;
    // Whether a file found in the directory should be opened. One that is here only when the rules that refused it have
    // changed, or in a `sweep` when itself it has, or when the trouble may have passed by itself: its owner can touch it
    // all the time.
    bool worth_opening(const std::string& file, const FileStamp& stamp, std::uint64_t rules_version, bool sweep) const;

    const std::map<std::string, QuarantinedFile>& all() const { return by_file_; }
    std::map<std::string, std::uint64_t> count_by_reason() const;
    std::uint64_t overflowed() const { return overflowed_; }  // times that a file found no room here

  private:
    std::size_t capacity_;
    std::map<std::string, QuarantinedFile> by_file_;
    std::uint64_t overflowed_ = 0;
};

}  // namespace ringside::agent
