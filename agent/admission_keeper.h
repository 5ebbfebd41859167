// Admissions that survive a restart: the catalog's table with a file behind it.
//
// Invariants:
//  A1  What admit() and release() report has been made durable first; when that fails, nothing has changed.
//  A2  A file that cannot be read is set aside, never overwritten: it says who was promised what.
#pragma once

#include <mutex>
#include <string>
#include <variant>

#include "agent/base/file.h"
#include "agent/catalog/catalog.h"

namespace ringside::agent {

class AdmissionKeeper {
  public:
    // `files` and `catalog` must outlive it. The folder of `path` must exist.
    AdmissionKeeper(FileSystem& files, std::string path, Catalog& catalog)
        : files_(files), path_(std::move(path)), catalog_(catalog) {}

    // Hands the file's admissions to the catalog. A damaged file is renamed to <path>.damaged and logged; an error
    // means that it could be neither read nor set aside.
    Result<void> load();

    // Any thread.
    Result<std::variant<Admission, AdmitRefusal>> admit(const std::string& vm_id, std::uint32_t uid,
                                                        const Demand& demand, bool dry_run, std::uint64_t now_ns);
    Result<Admission> release(const std::string& vm_id);
    // Catalog::end_sweep, and the file after it. A write that fails is logged once and tried again at the next sweep.
    void end_sweep(std::uint64_t now_ns);

  private:
    Result<void> write();

    FileSystem& files_;
    const std::string path_;
    Catalog& catalog_;
    std::mutex mutex_;  // one change at a time, so that the file never holds less than was reported
    bool unwritten_ = false;
    bool failure_logged_ = false;
};

}  // namespace ringside::agent
