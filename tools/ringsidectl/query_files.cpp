#include "tools/ringsidectl/query_files.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>

#include "agent/query/vm_session.h"
#include "agent/segment/name.h"
#include "tools/ringsidectl/segment_file.h"

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;

constexpr const char* kArchiveSuffix = ".rsa";  // docs/archive.md

// A folder may hold anything; what is named is meant.
bool is_ours(const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    return name.ends_with(kArchiveSuffix) || agent::SegmentName::parse(name);
}

Result<std::vector<std::string>> expand(const std::vector<std::string>& paths) {
    std::vector<std::string> files;
    for (const std::string& path : paths) {
        std::error_code failed;
        if (!std::filesystem::is_directory(path, failed)) {
            files.push_back(path);
            continue;
        }
        const std::size_t before = files.size();
        for (std::filesystem::directory_iterator entry(path, failed), end; !failed && entry != end;
             entry.increment(failed)) {
            if (is_ours(entry->path())) files.push_back(entry->path().string());
        }
        if (failed) return agent::errno_error(failed.value(), "cannot list " + path);
        if (files.size() == before) {
            return error(Code::kNotFound, "there is no segment and no archive file in " + path);
        }
    }
    std::ranges::sort(files);
    files.erase(std::unique(files.begin(), files.end()), files.end());
    return files;
}

// What the agent would know of it.
agent::VmInfo info_of(const SegmentFile& file) {
    agent::VmInfo info = file.source->vm();
    if (file.format == "archive") {
        info.state = agent::VmState::kDrained;
    } else if (file.life == "dead") {
        info.state = agent::VmState::kExited;
    } else if (file.life == "alive") {
        info.state = agent::VmState::kRunning;
    }
    return info;
}

auto rank(const agent::VmInfo& info) { return std::tie(info.vm_id, info.component, info.created_ns, info.epoch); }

}  // namespace

Result<QueriedFiles> open_queried_files(const std::vector<std::string>& paths, std::uint64_t now_ns) {
    static agent::LayoutTable layouts;
    auto names = expand(paths);
    if (!names) return names.error();
    QueriedFiles files;
    std::map<std::string, agent::CatalogVmPtr> by_key;
    for (const std::string& name : *names) {
        auto file = open_segment_file(name);
        if (!file) {
            if (names->size() == 1) return file.error();
            files.unread.push_back(file.error().message());
            continue;
        }
        const agent::VmInfo info = info_of(*file);
        // A VM that is on its way into the archive is there twice; its archive file is complete.
        agent::CatalogVmPtr& vm = by_key[agent::vm_key(info)];
        if (vm && file->format != "archive") continue;
        vm = std::make_shared<agent::CatalogVm>(info, file->source, layouts);
        files.end_ns = std::max(files.end_ns, info.ended_ns != 0 ? info.ended_ns : now_ns);
    }
    if (by_key.empty()) return error(Code::kInvalid, "none of the files can be read: " + files.unread.front());
    std::vector<agent::CatalogVmPtr> vms;
    for (auto& [key, vm] : by_key) vms.push_back(std::move(vm));
    std::ranges::sort(vms, [](const auto& a, const auto& b) { return rank(a->known()) < rank(b->known()); });
    files.vms = std::make_shared<const std::vector<agent::CatalogVmPtr>>(std::move(vms));
    return files;
}

Result<agent::QueryAnswer> query_files(const QueriedFiles& files, const agent::Query& query, std::uint64_t now_ns) {
    agent::QueryLimits limits;
    limits.experimental = true;
    auto expr = agent::check_query(query, limits);
    if (!expr) return expr.error();
    // Which host it was is not written in the files.
    agent::VmSession session(files.vms, {}, now_ns, files.unread);
    auto answer = agent::run_query(query, **expr, limits, session, [] { return false; });
    if (!answer && answer.error().code == Code::kInvalid) {
        return error(Code::kPrecondition, answer.error().context);  // the data do not allow it: as the agent says it
    }
    return answer;
}

}  // namespace ringside::ctl
