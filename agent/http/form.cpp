#include "agent/http/form.h"

#include <algorithm>

#include "agent/base/text.h"

namespace ringside::agent {
namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// In forms a blank is a plus.
std::string form_decoded(std::string_view text) {
    std::string plain(text);
    std::ranges::replace(plain, '+', ' ');
    return percent_decoded(plain);
}

}  // namespace

std::string percent_decoded(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '%' && i + 2 < text.size();
        const int high = escape ? hex_digit(text[i + 1]) : -1;
        const int low = escape ? hex_digit(text[i + 2]) : -1;
        if (high < 0 || low < 0) {
            plain += text[i];
            continue;
        }
        plain += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return plain;
}

HttpForm::HttpForm(const HttpRequest& request) {
    const std::string type = lower_ascii(request.content_type);
    if (request.method == "POST" && type.starts_with("application/x-www-form-urlencoded")) add(request.body);
    add(request.query);
}

void HttpForm::add(std::string_view encoded) {
    while (!encoded.empty()) {
        const std::size_t end = std::min(encoded.find('&'), encoded.size());
        const std::string_view pair = encoded.substr(0, end);
        encoded.remove_prefix(std::min(end + 1, encoded.size()));
        if (pair.empty()) continue;
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const std::string_view value = equals < pair.size() ? pair.substr(equals + 1) : std::string_view();
        values_[form_decoded(pair.substr(0, equals))].push_back(form_decoded(value));
    }
}

const std::string& HttpForm::get(const std::string& name) const {
    static const std::string none;
    const auto& values = all(name);
    return values.empty() ? none : values.front();
}

const std::vector<std::string>& HttpForm::all(const std::string& name) const {
    static const std::vector<std::string> none;
    const auto found = values_.find(name);
    return found == values_.end() ? none : found->second;
}

}  // namespace ringside::agent
