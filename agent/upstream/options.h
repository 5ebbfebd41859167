// What an operator says of one upstream, and the check of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "agent/base/labels.h"
#include "agent/base/result.h"
#include "agent/upstream/choice.h"
#include "agent/upstream/connection.h"
#include "agent/upstream/rule.h"

namespace ringside::agent {

// Below this a source may still take a window for open, and leave it out, when it is asked for.
inline constexpr std::chrono::milliseconds kGraceMin{500};

// What receivers of OTLP take of one request by default; batches stay below it.
inline constexpr std::size_t kOtlpRequestBytesMax = 4u << 20;

struct UpstreamOptions {
    // Names the cursor file and the metrics of this upstream; [a-z0-9][a-z0-9_-]*, at most 32 bytes.
    // Cursors belong to the name, not to the URL: a receiver that moves keeps them, and one that is
    // to get everything that is still held again gets a new name.
    std::string name = "default";
    Protocol protocol = Protocol::kRemoteWrite;
    // http or https with a host: where to POST, such as http://prometheus:9090/api/v1/write, or for OTLP the server,
    // such as http://collector:4317.
    std::string url;
    TlsOptions tls;  // for an https URL
    AuthOptions auth;
    HeaderFields headers;  // on every request, such as a tenant
    std::string proxy;     // URL of an HTTP or SOCKS proxy; "": none, whatever the environment says
    bool gzip = false;     // OTLP; remote write is always snappy
    std::string job = "ringside";
    std::string instance;  // this host's name
    LabelSet labels;       // on every series; the agent's own, so they win over a segment's
    RollupChoice choice;
    std::vector<Rule> rules;    // aggregates that leave beside the VMs' own series
    std::string version = "0";  // of the agent, for the User-Agent header

    std::string state_directory;  // holds <name>.cursors; made when missing

    std::chrono::milliseconds timeout{10'000};  // of one request, from connect to the last byte
    // How long after a window's end it is taken for complete, at least kGraceMin. Covers a writer whose
    // clock word is late.
    std::chrono::milliseconds grace{15'000};
    // Longest time without looking at the sources; changes are seen at once by Upstream::wake().
    std::chrono::milliseconds poll{1'000};
    // Windows older than this are dropped (and counted): receivers refuse old samples. Two days: a
    // VM that ended at the start of a one-day outage still leaves with the day before.
    std::chrono::seconds backlog_max{48 * 3600};

    std::chrono::milliseconds retry_min{30};
    std::chrono::milliseconds retry_max{5'000};
    std::chrono::milliseconds retry_after_max{300'000};  // what Retry-After may ask for at most

    std::size_t batch_samples_max = 2'000;
    std::size_t batch_bytes_max = 2u << 20;  // before compression
    std::size_t cursors_max = 100'000;       // VM epochs remembered; done ones go first
};

// The options, with the name of the host filled in where `instance` is empty and the form of histograms where none is
// chosen: native where the protocol is sure to have them (remote-write-2, otlp-grpc), classic else; or kInvalid with the
// offending option and what it should look like.
Result<UpstreamOptions> checked(UpstreamOptions options);

// How much later than `grace` this host sends, so that the windows of a fleet, which all end at once, do not arrive at
// once: spread evenly over hosts and upstreams, at most another `grace`, and the same at every window and start.
std::chrono::milliseconds send_offset(const UpstreamOptions& options);

}  // namespace ringside::agent
