#include "agent/upstream/pattern.h"

#include <re2/re2.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace ringside::agent {
namespace {

constexpr std::size_t kPatternBytesMax = 1024;
constexpr std::int64_t kPatternMemoryMax = 1 << 20;
constexpr int kGroupsMax = 9;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// A piece of a replacement: text, or a group where `group` is not -1.
struct Piece {
    std::string text;
    int group = -1;
};

Result<std::vector<Piece>> pieces_of(const std::string& replacement) {
    std::vector<Piece> pieces;
    for (std::size_t at = 0; at < replacement.size();) {
        if (replacement[at] != '$') {
            const std::size_t end = std::min(replacement.find('$', at), replacement.size());
            pieces.push_back({replacement.substr(at, end - at)});
            at = end;
            continue;
        }
        const std::string rest = replacement.substr(at + 1, 3);
        if (rest.starts_with('$')) {
            pieces.push_back({"$"});
            at += 2;
        } else if (!rest.empty() && is_digit(rest[0])) {
            pieces.push_back({"", rest[0] - '0'});
            at += 2;
        } else if (rest.size() == 3 && rest[0] == '{' && is_digit(rest[1]) && rest[2] == '}') {
            pieces.push_back({"", rest[1] - '0'});
            at += 4;
        } else {
            return error(Code::kInvalid, "the replacement '" + replacement +
                                             "' has a $ that is followed by no digit; write $1, ${1} or $$");
        }
    }
    return pieces;
}

}  // namespace

Result<Pattern> Pattern::parse(const std::string& text) {
    if (text.size() > kPatternBytesMax) {
        return error(Code::kInvalid, "a pattern has " + std::to_string(text.size()) + " bytes; at most " +
                                         std::to_string(kPatternBytesMax) + " are allowed");
    }
    re2::RE2::Options options;
    options.set_dot_nl(true);
    options.set_log_errors(false);
    options.set_max_mem(kPatternMemoryMax);
    auto regex = std::make_shared<const re2::RE2>(text, options);
    if (!regex->ok()) return error(Code::kInvalid, "the pattern '" + text + "' is not valid: " + regex->error());
    return Pattern(std::move(regex));
}

bool Pattern::matches(std::string_view text) const { return re2::RE2::FullMatch({text.data(), text.size()}, *regex_); }

std::optional<std::string> Pattern::replace(std::string_view text, const std::string& replacement) const {
    re2::StringPiece groups[kGroupsMax + 1];
    const int count = std::min(regex_->NumberOfCapturingGroups(), kGroupsMax) + 1;
    const re2::StringPiece whole(text.data(), text.size());
    if (!regex_->Match(whole, 0, whole.size(), re2::RE2::ANCHOR_BOTH, groups, count)) return std::nullopt;
    Result<std::vector<Piece>> pieces = pieces_of(replacement);
    if (!pieces.ok()) return std::nullopt;
    std::string result;
    for (const Piece& piece : *pieces) {
        result += piece.text;
        if (piece.group >= 0 && piece.group < count) result += std::string(groups[piece.group]);
    }
    return result;
}

Result<void> Pattern::check_replacement(const std::string& replacement) const {
    Result<std::vector<Piece>> pieces = pieces_of(replacement);
    if (!pieces.ok()) return pieces.error();
    for (const Piece& piece : *pieces) {
        if (piece.group <= regex_->NumberOfCapturingGroups()) continue;
        return error(Code::kInvalid, "the replacement '" + replacement + "' names group " +
                                         std::to_string(piece.group) + ", and the pattern '" + text() + "' has " +
                                         std::to_string(regex_->NumberOfCapturingGroups()));
    }
    return {};
}

const std::string& Pattern::text() const { return regex_->pattern(); }

}  // namespace ringside::agent
