#include "agent/config_values.h"

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/units.h"

namespace ringside::agent {
namespace {

Error wrong(const std::string& text, const std::string& form) {
    return error(Code::kInvalid, "\"" + text + "\" is not " + form);
}

constexpr std::array kLogLevels = {"trace", "debug", "info", "warning", "error", "critical", "off"};

bool is_number(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

Result<std::uint32_t> parse_id(const std::string& text, const char* what) {
    auto number = parse_number(text);
    // 2^32 - 1 means "leave it" to chown.
    if (!number || *number >= UINT32_MAX) return wrong(text, std::string("the number of a ") + what);
    return static_cast<std::uint32_t>(*number);
}

// The buffer that getpwnam_r and its kin fill; the entries of this host's users fit many times.
using NameBuffer = std::array<char, 16384>;

}  // namespace

Result<std::string> parse_path(const std::string& text) {
    if (!text.starts_with('/')) return wrong(text, "an absolute path, such as /var/lib/ringside");
    std::string path = text;
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

Result<mode_t> parse_mode(const std::string& text) {
    unsigned mode = 0;
    auto [at, failed] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (failed != std::errc() || at != text.data() + text.size() || mode > 0777) {
        return wrong(text, "a mode in octal, such as 0660");
    }
    return static_cast<mode_t>(mode);
}

std::string mode_text(mode_t mode) {
    std::string text = "0000";
    for (std::size_t i = text.size(); i-- > 1; mode >>= 3) text[i] = static_cast<char>('0' + (mode & 7));
    return text;
}

Result<bool> parse_bool(const std::string& text) {
    if (text == "true" || text == "yes" || text == "on" || text == "1") return true;
    if (text == "false" || text == "no" || text == "off" || text == "0") return false;
    return wrong(text, "true or false");
}

Result<std::uint32_t> parse_percent(const std::string& text) {
    auto number = parse_number(text);
    if (!number || *number > 100) return wrong(text, "a percentage, 0 to 100");
    return static_cast<std::uint32_t>(*number);
}

Result<std::uint32_t> parse_user(const std::string& text) {
    if (is_number(text)) return parse_id(text, "user");
    passwd entry{};
    passwd* found = nullptr;
    NameBuffer buffer;
    if (::getpwnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
        return wrong(text, "a user that this host knows, nor the number of one");
    }
    return static_cast<std::uint32_t>(found->pw_uid);
}

Result<std::uint32_t> parse_group(const std::string& text) {
    if (is_number(text)) return parse_id(text, "group");
    group entry{};
    group* found = nullptr;
    NameBuffer buffer;
    if (::getgrnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
        return wrong(text, "a group that this host knows, nor the number of one");
    }
    return static_cast<std::uint32_t>(found->gr_gid);
}

Result<std::pair<std::string, std::uint16_t>> parse_listen(const std::string& text) {
    if (text == "off") return std::pair<std::string, std::uint16_t>{};
    const char* form = "an address and a port, such as 127.0.0.1:9465 or [::1]:9465, or off";
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) return wrong(text, form);
    std::string address = text.substr(0, colon);
    const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
    if (bracketed) address = address.substr(1, address.size() - 2);
    std::array<unsigned char, sizeof(in6_addr)> binary;
    if (::inet_pton(bracketed ? AF_INET6 : AF_INET, address.c_str(), binary.data()) != 1) return wrong(text, form);
    auto port = parse_number(text.substr(colon + 1));
    if (!port || *port > UINT16_MAX) return wrong(text, form);
    return std::pair{address, static_cast<std::uint16_t>(*port)};
}

std::string listen_text(const std::string& address, std::uint16_t port) {
    if (address.empty()) return "off";
    const bool bracketed = address.find(':') != std::string::npos;
    return (bracketed ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Result<UpstreamConfig> parse_upstream(const std::string& text) {
    const std::size_t equals = text.find('=');
    // A URL may hold a =, a name may not: without a name the first = comes after the scheme.
    if (equals == std::string::npos || equals == 0 || text.find("://") < equals) {
        return wrong(text, "NAME=URL, such as central=http://prometheus:9090/api/v1/write");
    }
    return UpstreamConfig{text.substr(0, equals), text.substr(equals + 1)};
}

Result<Label> parse_label(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
        return wrong(text, "NAME=VALUE, such as datacenter=fra1");
    }
    return Label{text.substr(0, equals), text.substr(equals + 1)};
}

Result<std::string> parse_log_level(const std::string& text) {
    if (std::find(kLogLevels.begin(), kLogLevels.end(), text) != kLogLevels.end()) return text;
    return wrong(text, "a log level: trace, debug, info, warning, error, critical or off");
}

Result<LogFormat> parse_log_format(const std::string& text) {
    if (text == "auto") return LogFormat::kAuto;
    if (text == "text") return LogFormat::kText;
    if (text == "journal") return LogFormat::kJournal;
    return wrong(text, "a log format: auto, text or journal");
}

const char* log_format_name(LogFormat format) {
    switch (format) {
        case LogFormat::kText: return "text";
        case LogFormat::kJournal: return "journal";
        case LogFormat::kAuto: return "auto";
    }
    return "auto";
}

}  // namespace ringside::agent
