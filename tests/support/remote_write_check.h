// The rules of remote write 1.0 and 2.0 for a request, read strictly: every breach in words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "prometheus/remote_write.pb.h"
#include "prometheus/remote_write_2.pb.h"

namespace ringside::agent {

using RequestHeaders = std::multimap<std::string, std::string>;

struct CheckedRequest {
    int version = 0;  // 1 or 2; 0: neither by its content type
    // The request; one of 2.0 in the form of 1.0, so that whoever keeps samples has one form. Without metadata then, and
    // start times are in `v2` alone.
    prometheus::WriteRequest message;
    io::prometheus::write::v2::Request v2;
    std::vector<std::string> breaches;
};

CheckedRequest check_remote_write(const RequestHeaders& headers, const std::string& body);

// As Prometheus writes a series: name{a="b"}.
std::string key_of(const prometheus::TimeSeries& series);

}  // namespace ringside::agent
