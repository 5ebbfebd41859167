// One upstream: a thread that walks the VMs' closed windows and pushes their rollups to a remote
// write receiver, behind one durable cursor per VM epoch.
//
// Promises to the receiver and to the operator:
//  U1  A window is pushed once it cannot change any more (its end plus `grace` has passed, and the
//      send_offset() of this host), is
//      computed from closed windows alone, and is byte-identical when it is pushed again.
//  U2  A request holds at most one sample a series, and of each series the oldest that is not
//      acknowledged. Repeating the newest request is therefore harmless: receivers take an
//      identical newest sample again without complaint.
//  U3  A cursor moves only after the receiver acknowledged (or finally refused, counted) all that
//      is before it: every window arrives at least once, and after a crash at most the last request
//      is repeated.
//  U4  A VM's end is pushed only from the archive (VmState::kDrained): what is left of closed
//      windows, the last partial one at its true end, then stale markers, all later than any sample.
//  U5  Two lives of one VM (same vm_id and component) share their series, so the later one starts
//      after the earlier one has said its last.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/base/file.h"
#include "agent/upstream/clock.h"
#include "agent/upstream/cursor_store.h"
#include "agent/upstream/options.h"
#include "agent/upstream/sender.h"
#include "agent/upstream/source.h"
#include "agent/upstream/stats.h"

namespace ringside::agent {

// Makes the sender of an upstream from options that have been checked.
using MakeSender = std::function<Result<std::unique_ptr<Sender>>(const UpstreamOptions& options)>;
// The one that speaks to options.url.
Result<std::unique_ptr<Sender>> make_sender(const UpstreamOptions& options);

class Upstream {
  public:
    // Reads the cursors of `options.name`; unreadable ones are put aside, said in the log, and the
    // windows that are still held are pushed again (U3). kInvalid for bad options, or what the
    // state folder or `sender` answered. Nothing is sent before start(). `provider`, `clock` and
    // `files` must outlive it.
    static Result<std::unique_ptr<Upstream>> create(UpstreamOptions options, SourceProvider& provider,
                                                    UpstreamEvents events, Clock& clock = Clock::real(),
                                                    FileSystem& files = FileSystem::real(),
                                                    const MakeSender& sender = make_sender);
    ~Upstream();  // stops

    // Starts the thread. Once.
    void start();
    // Sources have changed: look at them now. Any thread, never blocks.
    void wake();
    // wake(), and where a request has failed the next try comes now: the wait before it is cut, once.
    void hurry();
    // Waits until everything that was due at the call has been acknowledged; whether it has. At most
    // `limit`, and not a moment longer once a request has failed since the call, which is a hurry(): a
    // receiver that is away does not hold up a shutdown, which is flush, then stop. Not before start(),
    // when it is false at once.
    bool flush(std::chrono::milliseconds limit);
    // Ends the request and the wait in hand, then the thread. Bounded: milliseconds, whatever the
    // receiver does. Idempotent.
    void stop();

    // Any thread.
    UpstreamStats stats() const;
    // Of any VM epoch: what is not known has nothing done.
    Progress progress(const std::string& vm_key) const;
    // What is kept of it: its cursor as of the newest acknowledgement, saved or not, and what it will never get.
    Ledger ledger(const std::string& vm_key) const;
    // As given, but for the grace, which has the send_offset() in it.
    const UpstreamOptions& options() const;

  private:
    struct Impl;
    explicit Upstream(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace ringside::agent
