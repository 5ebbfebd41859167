// A remote write receiver of 1.0 and 2.0 in this process, stricter than any real one: it keeps what it accepts as
// Prometheus does and writes down every breach of the protocol. For one bad sample 1.0 gets 400 to the whole request;
// of 2.0 the others are kept, and the 400 says how many.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "prometheus/remote_write.pb.h"
#include "prometheus/remote_write_2.pb.h"

namespace ringside::agent {

class MockReceiver {
  public:
    struct Request {
        std::multimap<std::string, std::string> headers;
        std::string body;                  // as sent
        int version = 0;                   // 1 or 2
        prometheus::WriteRequest message;  // one of 2.0 in the form of 1.0, without metadata
        io::prometheus::write::v2::Request v2;
        int status = 0;  // that it was answered with
    };
    struct Answer {
        int status = 204;  // 0: judge it as Prometheus would
        std::string body;
        std::multimap<std::string, std::string> headers;
        bool hang = false;  // no answer before release() or the end
        bool bare = false;  // of 2.0: without a word on what was written
    };
    struct Sample {
        std::int64_t timestamp_ms;
        std::uint64_t value_bits;  // of a native histogram a hash of all of it, its stale marker as of any series
        bool operator==(const Sample&) const = default;
    };

    MockReceiver();
    ~MockReceiver();

    std::string url() const;
    int port() const;

    // Decides each request by its number, from 0. Without one, or when it says 0, Prometheus' rules decide. A request
    // that is answered otherwise than by 2xx is not kept.
    void decide(std::function<Answer(std::size_t number, const prometheus::WriteRequest& message)> decide);
    // From now on 2.0 is not known, and a request of it gets `status` without a word on what was written: 204 or 400, as
    // receivers of 1.0 that do not look at the content type, or 415. Nothing of it is kept.
    void know_only_1(int status);
    // Ends all hanging answers, and hangs no more.
    void release();

    std::vector<Request> requests() const;
    // Blocks until so many have come. False after 30 s.
    bool wait_for_requests(std::size_t count) const;
    // By label text as Prometheus writes it (name{a="b"}), in the order of arrival.
    std::map<std::string, std::vector<Sample>> stored() const;
    // Samples that were sent again bit by bit and accepted silently.
    std::size_t repeated() const;
    // Breaches of the protocol, in words. Empty is what a test wants.
    std::vector<std::string> breaches() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Finds and keeps a port on which nothing listens: connections are refused.
class ClosedPort {
  public:
    ClosedPort();
    ~ClosedPort();
    std::string url() const;
    int port() const { return port_; }

  private:
    int fd_;
    int port_;
};

}  // namespace ringside::agent
