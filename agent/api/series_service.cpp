// ListSeries, ReadSeries, Latest.
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/api/errors.h"
#include "agent/api/series_reader.h"
#include "agent/api/series_walk.h"
#include "agent/api/services.h"
#include "agent/api/wire.h"
#include "agent/query/tier_choice.h"
#include "ringside/v1/series.grpc.pb.h"

namespace ringside::agent {
namespace {

// Reads in one step, whether or not they give points.
constexpr int kReadsAStep = 4096;

const MetricInfo& metric_of(const SeriesWalk::Place& place, Row row) {
    return place.layout->schema().metrics[place.layout->metric(row)];
}

// What the three methods have in common: begin once, then fill messages from the walk.
template <typename Request, typename Response>
class SeriesProducer : public Producer<Response> {
  public:
    SeriesProducer(ApiContext& api, const Caller& caller, const Request& request)
        : api_(api), request_(request), walk_(api, caller) {}

    Step next(Response* out, grpc::Status* failure) final {
        if (!begun_) {
            *failure = walk_.begin(request_.vms(), request_.matchers());
            if (failure->ok()) *failure = begin();
            if (!failure->ok()) return Step::kFailed;
            begun_ = true;
        }
        bool more = true;
        std::size_t bytes = 0;
        for (int reads = 0; more && bytes < kMessageBytes && reads < kReadsAStep; ++reads) {
            if (SeriesWalk::Place* place = walk_.current()) {
                bytes += add(*place, out);
                more = !stop_;
            } else {
                // VMs that had to be looked at are work too, even where nothing of them was selected.
                more = walk_.load();
                reads += kReadsAStep / 8;
            }
        }
        walk_.rest();
        for (std::string& warning : walk_.take_warnings()) {
            bytes += warning.size();
            *out->add_warnings() = std::move(warning);
        }
        if (!more && !finished_) {
            finished_ = true;
            bytes += finish(out);
        }
        if (bytes > 0) return Step::kMessage;
        return more ? Step::kAgain : Step::kEnd;
    }

  protected:
    // Once, after the VMs are known.
    virtual grpc::Status begin() { return grpc::Status::OK; }
    // Adds the row at hand or a piece of it, moves on, and returns about how many bytes that was.
    virtual std::size_t add(SeriesWalk::Place& place, Response* out) = 0;
    // Has the last word in the last message.
    virtual std::size_t finish(Response*) { return 0; }

    // Nothing more is wanted.
    void stop() { stop_ = true; }
    void warn_unread(const SeriesWalk::Place& place, Row row, const Error& error) {
        walk_.warn("VM " + place.key + ": series " + std::to_string(place.layout->series_index(row)) + " of " +
                   metric_of(place, row).name + " was left out: " + error.message());
    }

    ApiContext& api_;
    const Request request_;
    SeriesWalk walk_;

  private:
    bool begun_ = false;
    bool stop_ = false;
    bool finished_ = false;
};

class ListSeries final : public SeriesProducer<v1::ListSeriesRequest, v1::ListSeriesResponse> {
  public:
    using SeriesProducer::SeriesProducer;

  private:
    std::size_t add(SeriesWalk::Place& place, v1::ListSeriesResponse* out) override {
        if (request_.limit() != 0 && listed_ == request_.limit()) {
            truncated_ = true;
            stop();
            return 0;
        }
        const bool same_vm = out->vms_size() != 0 && last_key_ == place.key;
        v1::VmSeries* vm = same_vm ? out->mutable_vms(out->vms_size() - 1) : out->add_vms();
        if (!same_vm) to_wire(place.vm->known(), vm->mutable_vm());
        last_key_ = place.key;
        ++listed_;
        v1::Series* series = vm->add_series();
        const Row row = (*place.rows)[place.next_row++];
        to_wire(*place.layout, row, walk_.created_ns(place, row), series);
        return series->ByteSizeLong() + (same_vm ? 4 : vm->vm().ByteSizeLong() + 8);
    }
    std::size_t finish(v1::ListSeriesResponse* out) override {
        out->set_truncated(truncated_);
        return truncated_ ? 2 : 0;
    }

    std::string last_key_;
    std::uint64_t listed_ = 0;
    bool truncated_ = false;
};

class ReadSeries final : public SeriesProducer<v1::ReadSeriesRequest, v1::ReadSeriesResponse> {
  public:
    using SeriesProducer::SeriesProducer;

  private:
    grpc::Status begin() override {
        now_ns_ = api_.now_ns();
        end_ns_ = request_.end_ns() == 0 ? UINT64_MAX : request_.end_ns();
        if (end_ns_ <= request_.begin_ns()) {
            return invalid("the range is empty: end_ns " + std::to_string(end_ns_) + " is not after begin_ns " +
                           std::to_string(request_.begin_ns()));
        }
        columns_ = request_.columns().empty() ? kColumnsAll : 0;
        for (int number : request_.columns()) {
            const auto bit = from_wire(static_cast<v1::Column>(number));
            if (!bit) return invalid("column " + std::to_string(number) + " is none of Column's");
            columns_ |= *bit;
        }
        return check_resolution();
    }

    // The whole answer must not be empty because of a typing error.
    grpc::Status check_resolution() {
        if (request_.resolution_s() == 0) return grpc::Status::OK;
        std::set<std::uint32_t> there;
        for (const std::string& key : walk_.keys()) {
            const CatalogVmPtr vm = api_.backend.find(key);
            if (!vm) continue;
            const auto schema = vm->source()->schema();
            for (const TierInfo& tier : schema->tiers) {
                if (tier.resolution_s == request_.resolution_s()) return grpc::Status::OK;
                there.insert(tier.resolution_s);
            }
        }
        if (there.empty()) return grpc::Status::OK;
        std::string text =
            "no VM that was chosen has a tier of " + std::to_string(request_.resolution_s()) + " s; there are";
        const char* between = " ";
        for (std::uint32_t resolution_s : there) {
            text += between + std::to_string(resolution_s) + " s";
            between = ", ";
        }
        return to_status(grpc::StatusCode::INVALID_ARGUMENT, text, v1::ERROR_REASON_NO_SUCH_TIER);
    }

    std::size_t add(SeriesWalk::Place& place, v1::ReadSeriesResponse* out) override {
        const Row row = (*place.rows)[place.next_row];
        const MetricInfo& metric = metric_of(place, row);
        if (!tier_ || tier_key_ != place.key) {
            // Fixed for the VM: a read that takes its time must not change over to another tier.
            const VmInfo vm = place.vm->vm();
            tier_key_ = place.key;
            tier_ = pick_tier(place.layout->schema(), vm, request_.resolution_s(), request_.begin_ns(), now_ns_);
            if (!tier_) {
                walk_.warn("VM " + place.key + " was left out: it has no tier of " +
                           std::to_string(request_.resolution_s()) + " s");
                place.next_row = place.rows->size();
                return 0;
            }
        }
        if (metric.kind == Kind::kInfo) {
            ++place.next_row;
            return 0;
        }
        if (!read_) read_.emplace(place.layout->schema(), metric, place.vm->known(), request(), now_ns_);
        auto data = read_->next(*place.vm->source(), place.layout->series_index(row));
        if (!data) warn_unread(place, row, data.error());
        if (!data || read_->done()) {
            read_.reset();
            ++place.next_row;
        }
        return data && data->size() != 0 ? put(place, row, *data, out) : 0;
    }

    ReadRequest request() const {
        return {.tier = *tier_,
                .begin_ns = request_.begin_ns(),
                .end_ns = end_ns_,
                .columns = columns_,
                .open_window = !request_.closed_only()};
    }

    std::size_t put(SeriesWalk::Place& place, Row row, const SeriesData& data, v1::ReadSeriesResponse* out) {
        v1::SeriesPoints* points = out->add_series();
        to_wire(place.vm->known(), points->mutable_vm());
        to_wire(*place.layout, row, walk_.created_ns(place, row), points->mutable_series());
        points->set_resolution_s(place.layout->schema().tiers[*tier_].resolution_s);
        to_wire(data, metric_of(place, row).kind, points);
        return points->ByteSizeLong();
    }

    std::uint64_t now_ns_ = 0;
    std::uint64_t end_ns_ = 0;
    std::uint32_t columns_ = 0;
    std::optional<std::uint32_t> tier_;  // of the VM at hand
    std::string tier_key_;
    std::optional<PiecewiseRead> read_;  // of the series at hand
};

class Latest final : public SeriesProducer<v1::LatestRequest, v1::LatestResponse> {
  public:
    using SeriesProducer::SeriesProducer;

  private:
    std::size_t add(SeriesWalk::Place& place, v1::LatestResponse* out) override {
        const Row row = (*place.rows)[place.next_row++];
        const MetricInfo& metric = metric_of(place, row);
        if (metric.kind == Kind::kInfo) return 0;
        const std::uint64_t now_ns = api_.now_ns();
        if (vm_key_ != place.key) {
            vm_ = place.vm->vm();
            vm_key_ = place.key;
        }
        auto latest = read_latest(*place.vm->source(), place.layout->schema(), metric, vm_,
                                  place.layout->series_index(row), now_ns);
        if (!latest) warn_unread(place, row, latest.error());
        if (!latest || !*latest) return 0;

        v1::LatestValue* value = out->add_values();
        to_wire(vm_, value->mutable_vm());
        to_wire(*place.layout, row, walk_.created_ns(place, row), value->mutable_series());
        value->set_resolution_s((*latest)->resolution_s);
        to_wire((*latest)->data, (*latest)->point, metric.kind, value);
        value->set_age_ns(now_ns > value->end_ns() ? now_ns - value->end_ns() : 0);
        return value->ByteSizeLong();
    }

    std::string vm_key_;
    VmInfo vm_;  // as it was when the walk came to it
};

class SeriesService final : public v1::SeriesService::CallbackService {
  public:
    explicit SeriesService(ApiContext& api) : api_(api) {}

  private:
    grpc::ServerWriteReactor<v1::ListSeriesResponse>* ListSeries(grpc::CallbackServerContext* context,
                                                                 const v1::ListSeriesRequest* request) override {
        return stream<v1::ListSeriesResponse, agent::ListSeries>("ListSeries", context, request);
    }
    grpc::ServerWriteReactor<v1::ReadSeriesResponse>* ReadSeries(grpc::CallbackServerContext* context,
                                                                 const v1::ReadSeriesRequest* request) override {
        return stream<v1::ReadSeriesResponse, agent::ReadSeries>("ReadSeries", context, request);
    }
    grpc::ServerWriteReactor<v1::LatestResponse>* Latest(grpc::CallbackServerContext* context,
                                                         const v1::LatestRequest* request) override {
        return stream<v1::LatestResponse, agent::Latest>("Latest", context, request);
    }

    template <typename Response, typename Answer, typename Request>
    grpc::ServerWriteReactor<Response>* stream(const char* method, grpc::CallbackServerContext* context,
                                               const Request* request) {
        return new StreamCall<Response>(api_, method, context, [this, request](const Caller& caller) {
            return std::make_unique<Answer>(api_, caller, *request);
        });
    }

    ApiContext& api_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_series_service(ApiContext& api) { return std::make_unique<SeriesService>(api); }

}  // namespace ringside::agent
