#include "agent/base/metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace ringside::agent {
namespace {

TEST(Metrics, WritesFamiliesByNameWithHelpAndType) {
    Metrics metrics;
    metrics.gauge("ringside_vms", "VMs in each state.", {{"state", "running"}}).set(3);
    metrics.counter("ringside_scans_total", "Scans of the directory.").add(2);
    metrics.gauge("ringside_vms", "VMs in each state.", {{"state", "drained"}}).set(0.5);
    EXPECT_EQ(metrics.text(),
              "# HELP ringside_scans_total Scans of the directory.\n"
              "# TYPE ringside_scans_total counter\n"
              "ringside_scans_total 2\n"
              "# HELP ringside_vms VMs in each state.\n"
              "# TYPE ringside_vms gauge\n"
              "ringside_vms{state=\"drained\"} 0.5\n"
              "ringside_vms{state=\"running\"} 3\n");
}

TEST(Metrics, EscapesHelpAndLabelValues) {
    Metrics metrics;
    metrics.counter("ringside_errors_total", "A \\ and\na \"line\".", {{"text", "a\\b\"c\nd"}}).add();
    EXPECT_EQ(metrics.text(),
              "# HELP ringside_errors_total A \\\\ and\\na \"line\".\n"
              "# TYPE ringside_errors_total counter\n"
              "ringside_errors_total{text=\"a\\\\b\\\"c\\nd\"} 1\n");
}

TEST(Metrics, GivesTheSameMetricForTheSameLabels) {
    Metrics metrics;
    MetricCounter& one = metrics.counter("ringside_pushes_total", "Pushes.", {{"upstream", "a"}});
    MetricCounter& other = metrics.counter("ringside_pushes_total", "Pushes.", {{"upstream", "b"}});
    EXPECT_EQ(&one, &metrics.counter("ringside_pushes_total", "Pushes.", {{"upstream", "a"}}));
    EXPECT_NE(&one, &other);
}

TEST(Metrics, AsksCallbacksAtEachScrape) {
    Metrics metrics;
    double value = 1;
    metrics.collect(MetricType::kGauge, "ringside_lag_seconds", "Lag.", [&] {
        // The same labels twice: the later value stands, once.
        return std::vector<MetricSample>{{{{"upstream", "u"}}, -1}, {{{"upstream", "u"}}, value}};
    });
    EXPECT_NE(metrics.text().find("\nringside_lag_seconds{upstream=\"u\"} 1\n"), std::string::npos);
    value = 1.0 / 0.0;
    EXPECT_NE(metrics.text().find("\nringside_lag_seconds{upstream=\"u\"} +Inf\n"), std::string::npos);
    EXPECT_EQ(metrics.text().find("-1"), std::string::npos);
}

TEST(Metrics, CountsFromSeveralThreads) {
    Metrics metrics;
    auto work = [&] {
        MetricCounter& counter = metrics.counter("ringside_work_total", "Work.");
        for (int i = 0; i < 10000; ++i) counter.add();
    };
    std::thread one(work);
    std::thread other(work);
    one.join();
    other.join();
    EXPECT_EQ(metrics.counter("ringside_work_total", "Work.").value(), 20000u);
}

TEST(MetricsDeathTest, EndsTheProcessOnMistakesOfTheProgrammer) {
    Metrics metrics;
    metrics.counter("ringside_a_total", "A.");
    EXPECT_DEATH(metrics.counter("ringside_a", "A."), "end in _total");
    EXPECT_DEATH(metrics.gauge("ringside_b_total", "B."), "end in _total");
    EXPECT_DEATH(metrics.counter("ringside_a_total", "B."), "another help text");
    EXPECT_DEATH(metrics.gauge("ringside-b", "B."), "bad name");
    EXPECT_DEATH(metrics.gauge("ringside_b", ""), "no help text");
    EXPECT_DEATH(metrics.gauge("ringside_b", "B.", {{"__x", ""}}), "bad label name");
    EXPECT_DEATH(metrics.collect(MetricType::kCounter, "ringside_a_total", "A.", nullptr), "is there");
}

}  // namespace
}  // namespace ringside::agent
