#include "tools/bridge/host/network.h"

#include "tools/bridge/text.h"

namespace ringside::bridge {
namespace {

constexpr std::array<const char*, kNetworkFields> kMetrics = {
    "node_network_receive_bytes_total",      "node_network_receive_packets_total",
    "node_network_receive_errs_total",       "node_network_receive_drop_total",
    "node_network_receive_fifo_total",       "node_network_receive_frame_total",
    "node_network_receive_compressed_total", "node_network_receive_multicast_total",
    "node_network_transmit_bytes_total",     "node_network_transmit_packets_total",
    "node_network_transmit_errs_total",      "node_network_transmit_drop_total",
    "node_network_transmit_fifo_total",      "node_network_transmit_colls_total",
    "node_network_transmit_carrier_total",   "node_network_transmit_compressed_total",
};

constexpr int kHeadLines = 2;
constexpr double kBytesPerMegabit = 125'000.0;

bool parse_interface(std::string_view line, NetworkStats& out) {
    // The last colon: the name may have one in it, and the first number may follow without a blank.
    const auto colon = line.rfind(':');
    if (colon == std::string_view::npos) return false;
    std::string_view name = line.substr(0, colon);
    std::string_view rest;
    if (!next_word(name, out.interface) || next_word(name, rest)) return false;
    // The name becomes a folder of /sys.
    if (out.interface.find('/') != std::string_view::npos || out.interface.starts_with('.')) return false;
    line.remove_prefix(colon + 1);
    for (std::uint64_t& field : out.fields) {
        if (!next_number(line, field)) return false;
    }
    return true;
}

// Registers on first sight and records what is known.
void set_if_known(std::optional<Reading>& series, const std::optional<double>& value, const char* metric,
                  std::string_view interface, Recorder& recorder) {
    if (!value) return;
    if (!series) series = recorder.reading(metric, {interface});
    series->set(*value);
}

}  // namespace

std::size_t parse_net_dev(std::string_view text, std::vector<NetworkStats>& out) {
    out.clear();
    std::size_t bad_lines = 0;
    std::string_view line;
    for (int i = 0; i < kHeadLines; ++i) next_line(text, line);
    while (next_line(text, line)) {
        NetworkStats stats{};
        if (parse_interface(line, stats)) {
            out.push_back(stats);
        } else {
            ++bad_lines;
        }
    }
    return bad_lines;
}

std::optional<std::int64_t> NetworkSource::read_link_number(const std::string& folder, const char* file) {
    std::int64_t value = 0;
    if (link_file_.read(folder + file) != FileStatus::kRead) return {};
    std::string_view text = link_file_.text();
    std::string_view line;
    if (!next_line(text, line) || !parse_number(line, value)) return {};
    return value;
}

NetworkSource::Link NetworkSource::read_link(std::string_view interface) {
    const std::string folder = sys_ + std::string(interface);
    Link link;
    if (link_file_.read(folder + "/operstate") == FileStatus::kRead) {
        std::string_view text = link_file_.text();
        std::string_view state;
        if (next_line(text, state)) link.up = state == "up" ? 1.0 : 0.0;
    }
    if (const auto mtu = read_link_number(folder, "/mtu")) link.mtu_bytes = static_cast<double>(*mtu);
    // -1, and an error for some drivers, is a link that does not know its speed.
    const auto speed = read_link_number(folder, "/speed");
    if (speed && *speed >= 0) link.speed_bytes = static_cast<double>(*speed) * kBytesPerMegabit;
    return link;
}

ReadResult NetworkSource::read() {
    if (ReadResult result = read_file(file_, path_); result.status != ReadResult::Status::kGood) return result;
    const std::size_t bad_lines = parse_net_dev(file_.text(), stats_);
    std::erase_if(stats_, [this](const NetworkStats& stats) { return filter_.ignores(stats.interface); });
    links_.clear();
    for (const NetworkStats& stats : stats_) links_.push_back(read_link(stats.interface));
    return read_result(path_, bad_lines);
}

void NetworkSource::record(Recorder& recorder) {
    interfaces_.begin(recorder.room(kMetrics[0], 1));
    for (std::size_t i = 0; i < stats_.size(); ++i) {
        const NetworkStats& stats = stats_[i];
        Interface* interface = interfaces_.find_or_add(stats.interface, [&] {
            Interface made;
            for (std::size_t f = 0; f < kNetworkFields; ++f) {
                made.totals[f] = recorder.total(kMetrics[f], {stats.interface});
            }
            return made;
        });
        if (!interface) continue;
        for (std::size_t f = 0; f < kNetworkFields; ++f) interface->totals[f].feed(stats.fields[f]);
        set_if_known(interface->up, links_[i].up, "node_network_up", stats.interface, recorder);
        set_if_known(interface->mtu_bytes, links_[i].mtu_bytes, "node_network_mtu_bytes", stats.interface, recorder);
        set_if_known(interface->speed_bytes, links_[i].speed_bytes, "node_network_speed_bytes", stats.interface,
                     recorder);
    }
    recorder.left_out(name(), interfaces_.left_out());
}

}  // namespace ringside::bridge
