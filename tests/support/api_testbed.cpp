// The agent's API as a program, over VMs in memory: for clients in other languages and of other users.
//
//   api_testbed --socket PATH [--mode OCTAL] [--own-uid UID] [--tenants any|none] [--alpha-uid UID] [--bravo-uid UID]
//
// Prints one line, {"http_port": N}, when it serves. Then it obeys lines on its standard input, and answers each with
// "done": `exit VM` (killed), `push VM WINDOW_END_NS`, `add VM UID`, `ready 0|1`. It ends with its input.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <string>

#include "agent/api/grpc_server.h"
#include "agent/http/pages.h"
#include "agent/http/server.h"
#include "agent/query/catalog_queries.h"
#include "tests/support/api_backend.h"

namespace ringside::agent {
namespace {

struct Settings {
    std::string socket;
    unsigned mode = 0660;
    std::uint32_t own_uid = geteuid();
    std::string tenants = "any";
    std::uint32_t alpha_uid = 2001;
    std::uint32_t bravo_uid = 2002;
};

class Testbed {
  public:
    explicit Testbed(const Settings& settings) {
        add({.vm_id = "alpha", .uid = settings.alpha_uid, .epoch = 1, .seed = 100, .counters = 4});
        add({.vm_id = "bravo", .uid = settings.bravo_uid, .epoch = 2, .seed = 200});
        add({.vm_id = "bravo-old", .uid = settings.bravo_uid, .epoch = 3, .state = VmState::kDrained, .seed = 300});
        add({.vm_id = "big", .uid = settings.bravo_uid, .epoch = 4, .seed = 9, .windows = 20'000, .buckets = 160});
        backend_.quarantine("bravo-bad.seg", settings.bravo_uid);
    }

    int serve(const Settings& settings) {
        ApiOptions options;
        options.socket.path = settings.socket;
        options.socket.mode = settings.mode;
        options.policy.own_uid = settings.own_uid;
        options.policy.any_tenant = settings.tenants == "any";
        options.host = {"host-1", "ringside"};
        options.now_ns = [] { return kTestNowNs; };
        auto api = ApiServer::start(std::move(options), backend_, query_host_, metrics_);
        if (!api) return fail(api.error());
        HttpServer http(
            {}, {.quick = http_pages(metrics_, [this] { return backend_.ready(); }), .slow = {}, .busy = {}}, metrics_);
        if (auto started = http.start(); !started) return fail(started.error());
        std::printf("{\"http_port\": %u}\n", http.port());
        std::fflush(stdout);
        for (std::string line; std::getline(std::cin, line);) {
            obey(line);
            std::printf("done\n");
            std::fflush(stdout);
        }
        backend_.bus.close();
        return 0;
    }

  private:
    static int fail(const Error& error) {
        std::fprintf(stderr, "api_testbed: %s\n", error.message().c_str());
        return 1;
    }
    void add(const TestVm& vm) { keys_[vm.vm_id] = backend_.add(vm); }
    void obey(const std::string& line) {
        std::istringstream words(line);
        std::string verb;
        std::string vm_id;
        std::uint64_t number = 0;
        words >> verb >> vm_id >> number;
        if (verb == "exit") backend_.exit(keys_.at(vm_id), ExitCause::kKilled);
        if (verb == "push") backend_.push(keys_.at(vm_id), number);
        if (verb == "add") add({.vm_id = vm_id, .uid = static_cast<std::uint32_t>(number), .epoch = 9});
        if (verb == "ready") backend_.is_ready = vm_id == "1";
    }

    TestBackend backend_;
    CatalogQueries queries_{backend_.catalog, {"host-1", "ringside"}, [] { return kTestNowNs; }};
    QueryHost query_host_{queries_, {}, {}};
    Metrics metrics_;
    std::map<std::string, std::string> keys_;
};

}  // namespace
}  // namespace ringside::agent

int main(int argc, char** argv) {
    ringside::agent::Settings settings;
    std::string mode = "660";
    CLI::App app("The API over VMs in memory");
    app.add_option("--socket", settings.socket)->required();
    app.add_option("--mode", mode);
    app.add_option("--own-uid", settings.own_uid);
    app.add_option("--tenants", settings.tenants);
    app.add_option("--alpha-uid", settings.alpha_uid);
    app.add_option("--bravo-uid", settings.bravo_uid);
    CLI11_PARSE(app, argc, argv);
    settings.mode = static_cast<unsigned>(std::stoul(mode, nullptr, 8));
    return ringside::agent::Testbed(settings).serve(settings);
}
