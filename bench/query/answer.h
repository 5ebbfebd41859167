// An answer of Prometheus' HTTP API, and how far two are apart.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ringside::bench {

// Points (time, value) by the labels of their series.
using Answer = std::map<std::string, std::vector<std::pair<double, double>>>;

// Ends the program when it is none, or an error.
Answer parse_answer(const std::string& body);

// The largest relative difference between values of the same series and time; infinite when one answer has a series or a time
// that the other lacks, or when both are empty.
double difference(const Answer& a, const Answer& b);

}  // namespace ringside::bench
