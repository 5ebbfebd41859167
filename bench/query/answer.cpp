#include "bench/query/answer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using nlohmann::json;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double relative(double a, double b) {
    if (a == b) return 0;
    return std::abs(a - b) / std::max(std::abs(a), std::abs(b));
}

}  // namespace

Answer parse_answer(const std::string& body) {
    Answer answer;
    try {
        const json data = json::parse(body).at("data");
        for (const json& series : data.at("result")) {
            auto& points = answer[series.at("metric").dump()];
            const json values = series.contains("values") ? series["values"] : json::array({series.at("value")});
            for (const json& point : values) {
                points.emplace_back(point.at(0).get<double>(), std::stod(point.at(1).get<std::string>()));
            }
        }
    } catch (const std::exception& error) {
        fail(std::string("no answer to a query (") + error.what() + "): " + body.substr(0, 1000));
    }
    return answer;
}

double difference(const Answer& a, const Answer& b) {
    if (a.size() != b.size() || a.empty()) return kInfinity;
    double largest = 0;
    for (const auto& [labels, points] : a) {
        const auto other = b.find(labels);
        if (other == b.end() || other->second.size() != points.size()) return kInfinity;
        for (std::size_t i = 0; i < points.size(); ++i) {
            if (points[i].first != other->second[i].first) return kInfinity;
            const double apart = relative(points[i].second, other->second[i].second);
            if (!(apart <= largest)) largest = std::isnan(apart) ? kInfinity : apart;
        }
    }
    return largest;
}

}  // namespace ringside::bench
