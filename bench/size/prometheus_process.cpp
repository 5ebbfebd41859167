#include "bench/size/prometheus_process.h"

#include <httplib.h>

#include <cstdlib>
#include <fstream>

#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

std::vector<std::string> command(const std::string& folder, const std::string& configuration, int port) {
    std::ofstream(folder + "/prometheus.yml") << configuration;
    return {"prometheus",
            "--config.file=" + folder + "/prometheus.yml",
            "--storage.tsdb.path=" + folder + "/data",
            "--web.listen-address=127.0.0.1:" + std::to_string(port),
            "--log.level=error",
            "--web.enable-remote-write-receiver"};
}

}  // namespace

PrometheusProcess::PrometheusProcess(const std::string& folder, const std::string& configuration)
    : PrometheusProcess(folder, configuration, free_port()) {}

PrometheusProcess::PrometheusProcess(const std::string& folder, const std::string& configuration, int port)
    : ServerProcess(command(folder, configuration, port), port, "/-/ready") {}

double PrometheusProcess::metric(const std::string& name) const {
    const std::string wanted = "\n" + name + " ";
    const httplib::Result answer = httplib::Client("127.0.0.1", port()).Get("/metrics");
    const std::size_t at = answer ? answer->body.find(wanted) : std::string::npos;
    if (at == std::string::npos) fail("prometheus does not tell " + name);
    return std::strtod(answer->body.c_str() + at + wanted.size(), nullptr);
}

}  // namespace ringside::bench
