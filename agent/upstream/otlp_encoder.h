// Samples to the request of OTLP's MetricsService.Export. Pure: the same input gives the same bytes. The one file that
// knows the protobuf of the metrics.
#pragma once

#include <span>
#include <string>

#include "agent/upstream/wire_sample.h"

namespace ringside::agent {

// Names are the final ones of Prometheus and units are left out, so that a receiver that translates both adds nothing.
// The labels job and instance become the resource (service.name, service.instance.id), all others attributes of the
// point. Counters are cumulative monotonic sums, native histograms exponential ones; a stale marker is a point without a
// value. A series of a classic histogram, which a plan for OTLP does not have, is sent as the gauge that keeps its name.
// `version`: of the agent, that of the scope.
std::string encode_otlp_request(std::span<const WireSample> samples, const std::string& version);

}  // namespace ringside::agent
