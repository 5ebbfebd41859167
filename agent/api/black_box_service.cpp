// ListBlackBoxes, ExportBlackBox.
#include <fcntl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "agent/api/errors.h"
#include "agent/api/services.h"
#include "agent/api/vm_filter.h"
#include "agent/api/wire.h"
#include "agent/archive/black_box.h"
#include "agent/base/file.h"
#include "ringside/v1/blackbox.grpc.pb.h"

namespace ringside::agent {
namespace {

using BoxFile = std::shared_ptr<const ArchivedVm>;

// The signals of the host stand under the name of the VM beside which they were kept. Of a VM whose own component has
// that name there is one file, which has its exit cause.
bool is_host_signals(const VmInfo& vm) { return vm.component == kHostSignals && vm.exit_cause == ExitCause::kNone; }

void to_wire(const ArchivedVm& file, v1::BlackBox* out) {
    const VmInfo& vm = file.info();
    to_wire(vm, out->mutable_ref());
    out->set_host_signals(is_host_signals(vm));
    out->set_exit_cause(to_wire(vm.exit_cause));
    if (has_close_code(vm.exit_cause)) out->set_close_code(vm.close_code);
    out->set_close_text(vm.close_text);
    out->set_uid(vm.uid);
    if (vm.ended_ns != 0) out->set_ended_ns(vm.ended_ns);
    out->set_kept_ns(file.archived_ns());
    out->set_bytes(file.file_bytes());
    out->set_series_count(file.series_count());
}

// What the caller may see and the filter means, the oldest end first.
std::vector<BoxFile> visible_files(const Backend& backend, VmFilter filter, const Caller& caller) {
    filter.states.clear();
    std::vector<BoxFile> found;
    for (BoxFile& file : backend.black_boxes()) {
        VmInfo vm = file->info();
        // Whichever component is asked for, the host's signals are beside it.
        if (is_host_signals(vm) && filter.component) vm.component = *filter.component;
        if (caller.may_see(vm.uid) && filter.fits(vm)) found.push_back(std::move(file));
    }
    return found;
}

class ListBlackBoxes final : public Producer<v1::ListBlackBoxesResponse> {
  public:
    ListBlackBoxes(ApiContext& api, const Caller& caller, const v1::ListBlackBoxesRequest& request)
        : api_(api), caller_(caller), request_(request) {}

    Step next(v1::ListBlackBoxesResponse* out, grpc::Status* failure) override {
        if (!taken_) {
            VmFilter filter;
            *failure = parse_filter(request_.filter(), &filter);
            if (!failure->ok()) return Step::kFailed;
            for (const BoxFile& file : visible_files(api_.backend, filter, caller_))
                to_wire(*file, &files_.emplace_back());
            taken_ = true;
        }
        std::size_t bytes = 0;
        for (; next_ < files_.size() && bytes < kMessageBytes; ++next_) {
            bytes += files_[next_].ByteSizeLong();
            *out->add_files() = std::move(files_[next_]);
        }
        return bytes > 0 ? Step::kMessage : Step::kEnd;
    }

  private:
    ApiContext& api_;
    const Caller caller_;
    const v1::ListBlackBoxesRequest request_;
    bool taken_ = false;
    std::vector<v1::BlackBox> files_;
    std::size_t next_ = 0;
};

// Of one open file from the first message to the last, so that neither its eviction nor another file under its name shows.
class ExportBlackBox final : public Producer<v1::ExportBlackBoxResponse> {
  public:
    ExportBlackBox(ApiContext& api, const Caller& caller, const v1::ExportBlackBoxRequest& request)
        : api_(api), caller_(caller), request_(request) {}

    Step next(v1::ExportBlackBoxResponse* out, grpc::Status* failure) override {
        if (!file_) {
            *failure = choose();
            if (failure->ok()) *failure = open();
            if (!failure->ok()) return Step::kFailed;
            to_wire(*file_, out->mutable_file());
        } else if (sent_ == file_->file_bytes()) {
            return Step::kEnd;
        }
        const std::size_t size = std::min<std::uint64_t>(kMessageBytes, file_->file_bytes() - sent_);
        out->mutable_data()->resize(size);
        if (auto got = bytes_.read_at(sent_, out->mutable_data()->data(), size); !got.ok()) {
            *failure = to_status(got.error());
            return Step::kFailed;
        }
        sent_ += size;
        return Step::kMessage;
    }

  private:
    grpc::Status choose() {
        VmFilter filter;
        const auto component = request_.has_component() ? std::optional(request_.component()) : std::nullopt;
        if (auto bad = parse_filter(request_.vm_id(), component, request_.epoch(), &filter); !bad.ok()) return bad;
        std::set<std::string> names;
        for (BoxFile& file : visible_files(api_.backend, {}, caller_)) names.insert(file->info().vm_id);
        for (BoxFile& file : visible_files(api_.backend, filter, caller_)) {
            if (is_host_signals(file->info()) == request_.host_signals()) file_ = std::move(file);
        }
        if (file_) return grpc::Status::OK;
        v1::ErrorInfo info;
        info.set_reason(v1::ERROR_REASON_NO_SUCH_VM);
        const std::string what = request_.host_signals() ? "no host signals of VM '" : "nothing of VM '";
        return to_status(grpc::StatusCode::NOT_FOUND,
                         "the black box has " + what + request_.vm_id() + "'" + hint(request_.vm_id(), names, &info),
                         info);
    }

    grpc::Status open() {
        auto opened = File::open(FileSystem::real(), file_->path(), O_RDONLY, "black box file");
        if (!opened.ok()) return to_status(opened.error());
        bytes_ = std::move(*opened);
        auto status = bytes_.status();
        if (!status.ok()) return to_status(status.error());
        if (static_cast<std::uint64_t>(status->st_size) == file_->file_bytes()) return grpc::Status::OK;
        return to_status(error(Code::kUnavailable, "the black box has another file of VM " + request_.vm_id() +
                                                       " since a moment ago; export it again"));
    }

    ApiContext& api_;
    const Caller caller_;
    const v1::ExportBlackBoxRequest request_;
    BoxFile file_;
    File bytes_;
    std::uint64_t sent_ = 0;
};

class BlackBoxService final : public v1::BlackBoxService::CallbackService {
  public:
    explicit BlackBoxService(ApiContext& api) : api_(api) {}

  private:
    grpc::ServerWriteReactor<v1::ListBlackBoxesResponse>* ListBlackBoxes(
        grpc::CallbackServerContext* context, const v1::ListBlackBoxesRequest* request) override {
        return new StreamCall<v1::ListBlackBoxesResponse>(
            api_, "ListBlackBoxes", context, [this, request](const Caller& caller) {
                return std::make_unique<agent::ListBlackBoxes>(api_, caller, *request);
            });
    }
    grpc::ServerWriteReactor<v1::ExportBlackBoxResponse>* ExportBlackBox(
        grpc::CallbackServerContext* context, const v1::ExportBlackBoxRequest* request) override {
        return new StreamCall<v1::ExportBlackBoxResponse>(
            api_, "ExportBlackBox", context, [this, request](const Caller& caller) {
                return std::make_unique<agent::ExportBlackBox>(api_, caller, *request);
            });
    }

    ApiContext& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_black_box_service(ApiContext& api) {
    return std::make_unique<BlackBoxService>(api);
}

}  // namespace ringside::agent
