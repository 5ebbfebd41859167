// Watch.
#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <utility>

#include "agent/api/errors.h"
#include "agent/api/services.h"
#include "agent/api/vm_filter.h"
#include "agent/api/wire.h"
#include "ringside/v1/event.grpc.pb.h"

namespace ringside::agent {
namespace {

// Events looked at in one go. Only the first that fits is kept.
constexpr std::size_t kLookAt = 16;
constexpr int kLooksAStep = 16;

struct Wanted {
    VmFilter vms;
    std::set<EventKind> kinds;  // empty: all
    bool follow = false;

    bool fits(const Event& event) const {
        if (!kinds.empty() && !kinds.contains(event.kind)) return false;
        VmInfo vm;
        vm.vm_id = event.vm_id;
        vm.component = event.component;
        vm.epoch = event.epoch;
        return vms.fits(vm);
    }
};

grpc::Status parse(const v1::WatchRequest& request, Wanted* wanted) {
    if (auto bad = parse_filter(request.vms(), &wanted->vms); !bad.ok()) return bad;
    if (!wanted->vms.states.empty()) return invalid("vms.states: events are not chosen by state; leave it empty");
    for (int number : request.kinds()) {
        const auto kind = from_wire(static_cast<v1::EventKind>(number));
        if (!kind) return invalid("kind " + std::to_string(number) + " is none of EventKind's");
        wanted->kinds.insert(*kind);
    }
    if (request.new_only() && !request.follow())
        return invalid("new_only without follow: there would be nothing to send");
    wanted->follow = request.follow();
    return grpc::Status::OK;
}

// One watcher. Deletes itself. At each moment exactly one of these holds: a step of it is in the pool or running, a write is
// with gRPC, or it waits in the fan. So nothing of it but `cancelled_` is shared, and the step is the one place that ends it.
class Watcher final : public grpc::ServerWriteReactor<v1::Event>, public Waiter {
  public:
    Watcher(ApiContext& api, EventFan& fan, grpc::CallbackServerContext* context, const v1::WatchRequest& request)
        : call_(api, "Watch"), fan_(fan), context_(context) {
        grpc::Status refused = call_.enter(*context, CallKind::kWatch);
        if (refused.ok()) refused = parse(request, &wanted_);
        if (refused.ok()) {
            choose_begin(request);
            wake();
        } else {
            end(refused);
        }
    }

    void wake() override {
        call_.api().pool.submit([this] { step(); });
    }

    bool is_cancelled() const override { return cancelled_.load(std::memory_order_relaxed); }

  private:
    void OnWriteDone(bool ok) override {
        if (!ok) return end({grpc::StatusCode::CANCELLED, "the caller is gone"});
        wake();
    }
    void OnCancel() override {
        // Relaxed: the fan's lock, taken next, orders it with is_cancelled().
        cancelled_.store(true, std::memory_order_relaxed);
        // Where a step or a write is under way, that one notices.
        if (fan_.cancel(*this)) wake();
    }
    void OnDone() override { delete this; }

    void step() {
        if (context_->IsCancelled() || is_cancelled()) return end({grpc::StatusCode::CANCELLED, "the caller is gone"});
        for (int i = 0; i < kLooksAStep; ++i) {
            if (!wanted_.follow && next_ >= until_) return end(grpc::Status::OK);
            const bool ended = fan_.ended();
            const EventBatch batch = fan_.bus().wait(next_, kLookAt, std::chrono::milliseconds(0));
            if (batch.events.empty()) {
                if (!ended) return fan_.wait(*this, next_);
                return end(
                    to_status(grpc::StatusCode::UNAVAILABLE, "the agent is stopping", v1::ERROR_REASON_STOPPING));
            }
            if (find(batch)) return StartWrite(&message_);
        }
        wake();  // Others have their turn first.
    }

    void choose_begin(const v1::WatchRequest& request) {
        until_ = fan_.bus().next_sequence();
        next_ = request.new_only() ? until_ : fan_.first();
        if (request.after_sequence() == 0) return;
        // A number from before a restart, or from an agent whose clock was ahead, means all or nothing of what is kept.
        next_ = std::clamp(request.after_sequence(), fan_.first() - 1, until_ - 1) + 1;
        is_exact_ = true;
    }

    // Puts the first event that fits into message_.
    bool find(const EventBatch& batch) {
        // Whoever asked for everything that is kept has missed nothing that is not.
        if (is_exact_) dropped_ += batch.missed;
        is_exact_ = true;
        for (const Event& event : batch.events) {
            next_ = event.sequence + 1;
            if (!wanted_.follow && event.sequence >= until_) return false;
            if (!call_.caller().may_see(event.uid) || !wanted_.fits(event)) continue;
            message_.Clear();
            to_wire(event, &message_);
            message_.set_dropped(std::exchange(dropped_, 0));
            return true;
        }
        return false;
    }

    void end(const grpc::Status& status) {
        call_.leave(status);
        Finish(status);
    }

    Call call_;
    EventFan& fan_;
    grpc::CallbackServerContext* const context_;
    Wanted wanted_;
    std::uint64_t next_ = 0;   // the event wanted next
    std::uint64_t until_ = 0;  // without follow: where to end
    bool is_exact_ = false;    // whether `next_` was meant exactly: the caller, or this stream, had the one before
    std::uint64_t dropped_ = 0;
    std::atomic<bool> cancelled_{false};  // by gRPC's thread
    v1::Event message_;
};

class EventService final : public v1::EventService::CallbackService {
  public:
    EventService(ApiContext& api, EventFan& fan) : api_(api), fan_(fan) {}

  private:
    grpc::ServerWriteReactor<v1::Event>* Watch(grpc::CallbackServerContext* context,
                                               const v1::WatchRequest* request) override {
        return new Watcher(api_, fan_, context, *request);
    }

    ApiContext& api_;
    EventFan& fan_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_event_service(ApiContext& api, EventFan& fan) {
    return std::make_unique<EventService>(api, fan);
}

}  // namespace ringside::agent
