#include "agent/upstream/options.h"

#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string_view>

namespace ringside::agent {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

bool good_name(std::string_view name) {
    if (name.empty() || name.size() > 32) return false;
    for (char c : name) {
        if (!is_lower(c) && !is_digit(c) && c != '_' && c != '-') return false;
    }
    return is_lower(name[0]) || is_digit(name[0]);
}

Error bad(const UpstreamOptions& options, const std::string& what) {
    return error(Code::kInvalid, "upstream '" + options.name + "': " + what);
}

Result<void> check_labels(const UpstreamOptions& options) {
    const Label* before = nullptr;
    for (const Label& label : options.labels) {
        std::string shown = "the label '" + label.name + "' ";
        if (!is_label_name(label.name) || label.name.starts_with("__")) {
            return bad(options, shown +
                                    "needs a name of letters, digits and _, not starting with a "
                                    "digit or with __");
        }
        if (label.value.empty()) return bad(options, shown + "has no value; leave it out instead");
        for (const char* own : {"component", "instance", "job", "le", "vm_id"}) {
            if (label.name == own) return bad(options, shown + "is set by the agent; use another name");
        }
        if (before != nullptr && before->name >= label.name) {
            return bad(options, shown + "is given twice or out of order; labels are sorted by name");
        }
        before = &label;
    }
    return {};
}

template <typename Duration>
Result<void> check_range(const UpstreamOptions& options, const char* what, Duration value, Duration least,
                         Duration most) {
    if (value >= least && value <= most) return {};
    auto text = [](Duration d) {
        return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
    };
    return bad(options, std::string(what) + " is " + text(value) + " ms; use " + text(least) + " to " + text(most));
}

Result<void> check_times(const UpstreamOptions& options) {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    const milliseconds hour(3'600'000);
    struct Range {
        const char* what;
        milliseconds value, least, most;
    };
    for (const Range& range : {
             Range{"timeout", options.timeout, milliseconds(10), hour},
             Range{"grace", options.grace, kGraceMin, hour},
             Range{"poll", options.poll, milliseconds(10), hour},
             Range{"retry-min", options.retry_min, milliseconds(1), hour},
             Range{"retry-max", options.retry_max, options.retry_min, hour},
             Range{"retry-after-max", options.retry_after_max, milliseconds(0), 24 * hour},
         }) {
        Result<void> checked = check_range(options, range.what, range.value, range.least, range.most);
        if (!checked) return checked.error();
    }
    return check_range(options, "backlog-max", options.backlog_max, seconds(60), seconds(365 * 24 * 3600));
}

Result<std::string> host_name() {
    char name[256] = {};
    if (gethostname(name, sizeof name - 1) != 0) {
        return errno_error(errno, "cannot find this host's name; set `instance`");
    }
    return std::string(name);
}

}  // namespace

Result<UpstreamOptions> checked(UpstreamOptions options) {
    if (!good_name(options.name)) {
        return error(Code::kInvalid, "the upstream name '" + options.name +
                                         "' needs 1 to 32 lower-case letters, digits, - and _, "
                                         "starting with a letter or digit");
    }
    if (Result<void> reached = check_connection(options); !reached) return bad(options, reached.error().context);
    if (Result<void> labels = check_labels(options); !labels) return labels.error();
    if (Result<void> times = check_times(options); !times) return times.error();
    if (options.job.empty()) return bad(options, "no job; leave the option out for 'ringside'");
    if (options.state_directory.empty()) return bad(options, "no folder for its cursors is given");
    if (options.batch_samples_max == 0 || options.batch_bytes_max < 64 * 1024) {
        return bad(options,
                   "a batch holds at least 1 sample and 65536 bytes: give larger batch-samples and batch-bytes");
    }
    // What is said of the request itself takes some bytes too.
    if (options.protocol == Protocol::kOtlpGrpc && options.batch_bytes_max > kOtlpRequestBytesMax - 4096) {
        return bad(options, "batch-bytes is too large: receivers of otlp-grpc take less than 4MiB");
    }
    if (options.cursors_max == 0) return bad(options, "cursors_max is 0; at least one VM is needed");
    if (Result<void> rules = check_rules(options.rules); !rules) return bad(options, rules.error().context);
    for (const Rule& rule : options.rules) {
        for (const Label& label : options.labels) {
            if (std::find(rule.by.begin(), rule.by.end(), label.name) == rule.by.end()) continue;
            return bad(options, "the rule '" + rule.name + "' is by '" + label.name +
                                    "', which this upstream sets on everything: leave one of them out");
        }
    }
    const bool otlp = options.protocol == Protocol::kOtlpGrpc;
    if (otlp && options.choice.histograms == HistogramForm::kClassic) {
        return bad(options, "otlp-grpc has native histograms alone; leave `histograms` out");
    }
    if (!options.choice.histograms) {
        const bool native = otlp || options.protocol == Protocol::kRemoteWrite2;
        options.choice.histograms = native ? HistogramForm::kNative : HistogramForm::kClassic;
    }
    if (options.instance.empty()) {
        Result<std::string> host = host_name();
        if (!host) return host.error();
        options.instance = *host;
    }
    return options;
}

std::chrono::milliseconds send_offset(const UpstreamOptions& options) {
    const std::size_t hash = std::hash<std::string>{}(options.instance + '\0' + options.name);
    return std::chrono::milliseconds(hash % (static_cast<std::size_t>(options.grace.count()) + 1));
}

}  // namespace ringside::agent
