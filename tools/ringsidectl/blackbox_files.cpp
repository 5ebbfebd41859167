#include "tools/ringsidectl/blackbox_files.h"

#include <algorithm>

#include "agent/archive/archived_vm.h"
#include "agent/archive/black_box.h"
#include "agent/base/file.h"
#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/names.h"

namespace ringside::ctl {
namespace {

using agent::ArchivedVm;
using agent::Code;
using agent::error;
using agent::FileSystem;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 30;

class AgentFiles : public BlackBoxFiles {
  public:
    explicit AgentFiles(const Session& session) : client_(session.socket, session.timeout_ns) {}

    Result<std::vector<v1::BlackBox>> list(const std::vector<std::string>& vm_ids, std::vector<std::string>&) override {
        v1::ListBlackBoxesRequest request;
        for (const std::string& id : vm_ids) request.mutable_filter()->add_vm_ids(id);
        return client_.list_black_boxes(request);
    }

    Result<std::pair<v1::BlackBox, std::string>> fetch(const VmChoice& choice, bool host_signals) override {
        v1::ExportBlackBoxRequest request;
        set_vm(request, choice);
        request.set_host_signals(host_signals);
        return client_.export_black_box(request);
    }

  private:
    Client client_;
};

v1::BlackBox describe(const ArchivedVm& archived) {
    const agent::VmInfo& vm = archived.info();
    v1::BlackBox file;
    file.mutable_ref()->set_vm_id(vm.vm_id);
    file.mutable_ref()->set_component(vm.component);
    file.mutable_ref()->set_epoch(agent::epoch_text(vm.epoch));
    file.set_host_signals(vm.component == agent::kHostSignals && vm.exit_cause == agent::ExitCause::kNone);
    const std::string cause = agent::exit_cause_name(vm.exit_cause);
    for (int number = v1::ExitCause_MIN; number <= v1::ExitCause_MAX; ++number) {
        const auto one = static_cast<v1::ExitCause>(number);
        if (v1::ExitCause_IsValid(number) && exit_cause_name(one) == cause) file.set_exit_cause(one);
    }
    if (agent::has_close_code(vm.exit_cause)) file.set_close_code(vm.close_code);
    file.set_close_text(vm.close_text);
    file.set_uid(vm.uid);
    if (vm.ended_ns != 0) file.set_ended_ns(vm.ended_ns);
    file.set_kept_ns(archived.archived_ns());
    file.set_bytes(archived.file_bytes());
    file.set_series_count(archived.series_count());
    return file;
}

std::string key_of(const v1::BlackBox& file) {
    const std::string key = file.ref().vm_id() + "." + file.ref().epoch();
    return file.ref().component().empty() ? key : key + "." + file.ref().component();
}

class FolderFiles : public BlackBoxFiles {
  public:
    explicit FolderFiles(std::string directory) : directory_(std::move(directory)) {}

    Result<std::vector<v1::BlackBox>> list(const std::vector<std::string>& vm_ids,
                                           std::vector<std::string>& warnings) override {
        auto names = agent::list_directory(FileSystem::real(), directory_);
        if (!names) return names.error();
        std::vector<v1::BlackBox> files;
        for (const std::string& name : *names) {
            if (!name.ends_with(agent::kArchiveSuffix)) continue;
            auto archived = ArchivedVm::open(FileSystem::real(), directory_ + "/" + name, schemas_);
            if (!archived) {
                warnings.push_back(archived.error().message());
                continue;
            }
            v1::BlackBox file = describe(**archived);
            // fetch() goes by the name, and a name of its own would hide one file behind another.
            if (name != black_box_file_name(file)) {
                warnings.push_back(directory_ + "/" + name + " holds " + key_of(file) +
                                   ", another VM than its name says; rename it to " + black_box_file_name(file));
                continue;
            }
            const bool wanted =
                vm_ids.empty() || std::find(vm_ids.begin(), vm_ids.end(), file.ref().vm_id()) != vm_ids.end();
            if (wanted) files.push_back(std::move(file));
        }
        // As the agent does: by the end, then by the name.
        std::sort(files.begin(), files.end(), [](const v1::BlackBox& a, const v1::BlackBox& b) {
            return std::pair(a.ended_ns(), key_of(a)) < std::pair(b.ended_ns(), key_of(b));
        });
        return files;
    }

    Result<std::pair<v1::BlackBox, std::string>> fetch(const VmChoice& choice, bool host_signals) override {
        std::vector<std::string> warnings;
        auto files = list({choice.vm_id}, warnings);
        if (!files) return files.error();
        const v1::BlackBox* newest = nullptr;
        for (const v1::BlackBox& file : *files) {
            const bool component = host_signals || !choice.component || file.ref().component() == *choice.component;
            const bool fits = component && file.ref().epoch().starts_with(choice.epoch);
            if (fits && file.host_signals() == host_signals) newest = &file;
        }
        if (newest == nullptr) {
            return error(Code::kNotFound, directory_ + " has " + (host_signals ? "no host signals" : "nothing") +
                                              " of VM '" + choice.vm_id +
                                              "'; `ringsidectl blackbox list --directory` lists what it has");
        }
        const std::string path = directory_ + "/" + black_box_file_name(*newest);
        auto bytes = agent::read_file(FileSystem::real(), path, kFileBytesMax);
        if (!bytes) return bytes.error();
        return std::pair(*newest, std::move(*bytes));
    }

  private:
    const std::string directory_;
    agent::SchemaPool schemas_;
};

}  // namespace

std::unique_ptr<BlackBoxFiles> open_black_box(const Session& session, const std::string& directory) {
    if (directory.empty()) return std::make_unique<AgentFiles>(session);
    return std::make_unique<FolderFiles>(directory);
}

std::string black_box_file_name(const v1::BlackBox& file) { return key_of(file) + agent::kArchiveSuffix; }

}  // namespace ringside::ctl
