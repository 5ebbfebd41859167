// Dead VMs for the drain: a folder of files named as segments, each standing for a VM that memory holds.
#pragma once

#include <fcntl.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/drain/host.h"
#include "tests/support/memory_source.h"

namespace ringside::agent {

// Finalising looks at the file and then answers from memory; everything else is done for real, by `fs`.
class SegmentFolder : public DrainHost {
  public:
    SegmentFolder(FileSystem& fs, std::string folder) : fs_(fs), folder_(std::move(folder)) {}

    // Without the file: what an earlier process made.
    void know(const MemorySource& source) { vms_[vm_key(source.info)] = std::make_shared<MemorySource>(source); }
    void make(FileSystem& fs, const MemorySource& source) {
        know(source);
        static_cast<void>(write_file_durably(fs, path_of(vm_key(source.info)), vm_key(source.info)));
    }
    std::string path_of(const std::string& key) const { return folder_ + "/" + key + ".seg"; }
    const MemorySource& source(const std::string& key) const { return *vms_.at(key); }
    std::vector<std::string> keys() const {
        std::vector<std::string> keys;
        for (const auto& [key, source] : vms_) keys.push_back(key);
        return keys;
    }

    struct Failure {
        std::string key;
        DrainStep step;
        Error error;
        bool given_up;
    };
    std::vector<std::string> finalised, handed_over, unlinked, done;  // keys, in order
    std::vector<Failure> failures;
    // Called before a step; its error is the step's.
    std::function<Result<void>(const std::string& key, DrainStep step)> before;

    Result<FinalisedVm> finalise(const std::string& key) override {
        if (auto ready = ask(key, DrainStep::kFinalise); !ready.ok()) return ready.error();
        auto file = File::open(fs_, path_of(key), O_RDONLY, "segment");
        if (!file.ok()) return file.error();
        auto status = file->status();
        if (!status.ok()) return status.error();
        finalised.push_back(key);
        return FinalisedVm{vms_.at(key), {status->st_dev, status->st_ino}};
    }
    Result<void> hand_over(const std::string& key, const std::shared_ptr<const ArchivedVm>&) override {
        if (auto ready = ask(key, DrainStep::kHandOver); !ready.ok()) return ready.error();
        handed_over.push_back(key);
        return {};
    }
    std::vector<Result<void>> keep_black_box(const std::vector<std::shared_ptr<const ArchivedVm>>& archived) override {
        std::vector<Result<void>> kept;
        for (const auto& vm : archived) kept.push_back(ask(vm_key(vm->info()), DrainStep::kBlackBox));
        return kept;
    }
    Result<void> unlink_segment(const std::string& key, const SegmentFile& file) override {
        if (auto ready = ask(key, DrainStep::kUnlink); !ready.ok()) return ready.error();
        struct stat status {};
        int looked = fs_.lstat(path_of(key), &status);
        if (looked < 0 && looked != -ENOENT) return errno_error(-looked, "cannot look at " + path_of(key));
        if (looked < 0 || file != SegmentFile{status.st_dev, status.st_ino}) return {};
        if (auto gone = remove_file(fs_, path_of(key)); !gone.ok()) return gone;
        unlinked.push_back(key);
        return {};
    }
    void drain_failed(const std::string& key, DrainStep step, const Error& error, bool given_up) override {
        failures.push_back({key, step, error, given_up});
    }
    void drained(const std::string& key, const ArchivedVm&) override { done.push_back(key); }

  private:
    Result<void> ask(const std::string& key, DrainStep step) { return before ? before(key, step) : Result<void>{}; }

    FileSystem& fs_;
    std::string folder_;
    std::map<std::string, std::shared_ptr<MemorySource>> vms_;
};

}  // namespace ringside::agent
