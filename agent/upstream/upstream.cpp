#include "agent/upstream/upstream.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "agent/upstream/cursor_store.h"
#include "agent/upstream/delivery.h"
#include "agent/upstream/otlp_sender.h"
#include "agent/upstream/pusher.h"
#include "agent/upstream/remote_write_sender.h"
#include "agent/upstream/vm_tracker.h"

namespace ringside::agent {

struct Upstream::Impl {
    Impl(UpstreamOptions checked_options, SourceProvider& provider, UpstreamEvents owner_events,
         CursorStore cursor_store, std::unique_ptr<Sender> good_sender, Clock& clock)
        : options(std::move(checked_options)),
          events(std::move(owner_events)),
          store(std::move(cursor_store)),
          sender(std::move(good_sender)),
          pacer(clock),
          tracker(options, provider, store, stats, events),
          delivery(
              options, *sender, pacer, stats, [this](bool warning, const std::string& text) { log(warning, text); },
              [this] { note_failure(); }, std::hash<std::string>{}(options.instance + options.name)),
          pusher(options, tracker, store, delivery, pacer, stats, events) {}

    void log(bool warning, const std::string& text) const {
        if (events.log) events.log(warning, text);
    }
    void run();
    void note_round(bool pending);
    void note_failure();

    const UpstreamOptions options;
    const UpstreamEvents events;
    CursorStore store;
    std::unique_ptr<Sender> sender;
    StatsBoard stats;
    Pacer pacer;
    VmTracker tracker;
    Delivery delivery;
    Pusher pusher;

    std::mutex mutex;
    std::condition_variable got_on;
    // Under mutex. A pass is a chain of rounds; it ended when nothing was left due.
    std::uint64_t passes_begun = 0, passes_ended = 0;
    std::uint64_t failures = 0;  // requests that failed and are repeated
    std::thread thread;
};

void Upstream::Impl::run() {
    bool more = false;
    while (!pacer.stopped()) {
        if (!more) {
            std::lock_guard lock(mutex);
            ++passes_begun;
        }
        Pusher::Round round = pusher.round();
        more = round.more;
        note_round(round.pending);
        if (more) continue;
        const std::uint64_t now_ns = pacer.now_ns();
        const std::uint64_t until_ns = round.next_due_ns > now_ns ? round.next_due_ns - now_ns : 0;
        const auto poll_ns = static_cast<std::uint64_t>(options.poll.count()) * 1'000'000u;
        pacer.idle(std::min(until_ns, poll_ns));
    }
}

void Upstream::Impl::note_round(bool pending) {
    if (pending || pacer.stopped()) return;
    {
        std::lock_guard lock(mutex);
        passes_ended = passes_begun;
    }
    got_on.notify_all();
}

// A request failed and will be repeated after a wait.
void Upstream::Impl::note_failure() {
    tracker.update_backlog(pacer.now_ns());
    {
        std::lock_guard lock(mutex);
        ++failures;
    }
    got_on.notify_all();
}

Result<std::unique_ptr<Sender>> make_sender(const UpstreamOptions& options) {
    return options.protocol == Protocol::kOtlpGrpc ? OtlpSender::create(options) : RemoteWriteSender::create(options);
}

Upstream::Upstream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Upstream::~Upstream() { stop(); }

Result<std::unique_ptr<Upstream>> Upstream::create(UpstreamOptions options, SourceProvider& provider,
                                                   UpstreamEvents events, Clock& clock, FileSystem& files,
                                                   const MakeSender& make) {
    Result<UpstreamOptions> good = checked(std::move(options));
    if (!good.ok()) return good.error();
    good->grace += send_offset(*good);
    Result<CursorStore> store =
        CursorStore::open(files, good->state_directory + "/" + good->name + ".cursors", good->cursors_max);
    if (!store.ok()) return store.error();
    Result<std::unique_ptr<Sender>> sender = make(*good);
    if (!sender.ok()) return sender.error();
    auto impl = std::make_unique<Impl>(std::move(*good), provider, std::move(events), std::move(*store),
                                       std::move(*sender), clock);
    const CursorStore& kept = impl->store;
    impl->stats.update([&](UpstreamStats& s) { s.cursor_records_damaged = kept.damaged(); });
    if (!kept.put_aside().empty()) {
        impl->log(true, "upstream '" + impl->options.name + "' starts without cursors, its file was " + "put aside (" +
                            kept.put_aside() + "): windows that are still held are pushed again");
    } else if (kept.damaged() > 0) {
        impl->log(true, "upstream '" + impl->options.name + "': " + std::to_string(kept.damaged()) +
                            " damaged cursor records; some windows may be pushed again");
    }
    return std::unique_ptr<Upstream>(new Upstream(std::move(impl)));
}

void Upstream::start() {
    impl_->thread = std::thread([this] { impl_->run(); });
    ::pthread_setname_np(impl_->thread.native_handle(), "upstream");
}

void Upstream::wake() { impl_->pacer.wake(); }

void Upstream::hurry() { impl_->pacer.hurry(); }

bool Upstream::flush(std::chrono::milliseconds limit) {
    if (!impl_->thread.joinable()) return false;
    std::unique_lock lock(impl_->mutex);
    // The pass in hand may have looked at the sources before the call: the next one counts.
    const std::uint64_t wanted = impl_->passes_begun + 1;
    const std::uint64_t failed_before = impl_->failures;
    impl_->pacer.hurry();
    impl_->got_on.wait_for(lock, limit, [&] {
        if (impl_->passes_ended < wanted && impl_->passes_ended == impl_->passes_begun) {
            impl_->pacer.wake();
        }
        return impl_->passes_ended >= wanted || impl_->failures > failed_before;
    });
    return impl_->passes_ended >= wanted;
}

void Upstream::stop() {
    impl_->pacer.stop();
    impl_->sender->abort();
    if (impl_->thread.joinable()) impl_->thread.join();
}

UpstreamStats Upstream::stats() const { return impl_->stats.snapshot(); }

Progress Upstream::progress(const std::string& vm_key) const { return impl_->tracker.progress(vm_key); }

Ledger Upstream::ledger(const std::string& vm_key) const { return impl_->store.ledger(vm_key).value_or(Ledger{}); }

const UpstreamOptions& Upstream::options() const { return impl_->options; }

}  // namespace ringside::agent
