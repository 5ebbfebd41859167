#include "agent/admission_keeper.h"

#include "agent/log.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kFileMaxBytes = 64 << 20;

}  // namespace

Result<void> AdmissionKeeper::load() {
    auto text = read_file(files_, path_, kFileMaxBytes);
    if (!text) {
        if (text.error().code == Code::kNotFound) return {};
        return text.error();
    }
    auto table = AdmissionTable::parse(*text);
    if (table) {
        catalog_.restore_admissions(std::move(*table));
        return {};
    }
    const std::string aside = path_ + ".damaged";
    if (int renamed = files_.rename(path_, aside); renamed < 0) {
        return errno_error(-renamed, table.error().message() + "; cannot set " + path_ + " aside");
    }
    log_error(table.error().message() + "; set aside as " + aside +
              ": admit the VMs again that have not started yet (ringsidectl admit)");
    return {};
}

Result<void> AdmissionKeeper::write() {
    auto written = write_file_durably(files_, path_, catalog_.admissions().text());
    unwritten_ = !written;
    return written;
}

Result<std::variant<Admission, AdmitRefusal>> AdmissionKeeper::admit(const std::string& vm_id, std::uint32_t uid,
                                                                     const Demand& demand, bool dry_run,
                                                                     std::uint64_t now_ns) {
    using Answer = std::variant<Admission, AdmitRefusal>;
    std::lock_guard lock(mutex_);
    AdmissionTable before = catalog_.admissions();
    Admission admission;
    if (auto refused = catalog_.admit(vm_id, uid, demand, dry_run, now_ns, &admission)) return Answer(*refused);
    if (dry_run) return Answer(admission);
    if (auto written = write(); !written) {
        catalog_.restore_admissions(std::move(before));
        return written.error();
    }
    return Answer(admission);
}

Result<Admission> AdmissionKeeper::release(const std::string& vm_id) {
    std::lock_guard lock(mutex_);
    AdmissionTable before = catalog_.admissions();
    auto released = catalog_.release(vm_id);
    if (!released) return error(Code::kNotFound, "VM " + vm_id + " has no admission");
    if (auto written = write(); !written) {
        catalog_.restore_admissions(std::move(before));
        return written.error();
    }
    return *released;
}

void AdmissionKeeper::end_sweep(std::uint64_t now_ns) {
    std::lock_guard lock(mutex_);
    if (!catalog_.end_sweep(now_ns) && !unwritten_) return;
    auto written = write();
    if (!written && !failure_logged_) log_error(written.error().message() + "; it is tried again each second");
    failure_logged_ = !written;
}

}  // namespace ringside::agent
