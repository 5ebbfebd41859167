#include "agent/upstream/credentials.h"

#include <cstdint>
#include <string_view>

namespace ringside::agent {
namespace {

std::string base64(std::string_view bytes) {
    static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
        }
    }
    return text;
}

}  // namespace

Credentials::Credentials(const AuthOptions& auth)
    : user_(auth.user), secret_(auth.user.empty() ? auth.bearer_token_file : auth.password_file) {}

Result<std::string> Credentials::authorization() {
    if (!secret_.given()) return std::string();
    auto secret = secret_.read();
    if (!secret) return secret.error();
    if (!user_.empty()) return "Basic " + base64(user_ + ":" + *secret);
    if (good_header_value(*secret)) return "Bearer " + *secret;
    return error(Code::kInvalid,
                 secret_.path() + " must hold a token of printable ASCII; was it saved with a byte order mark?");
}

std::string Credentials::advice() const {
    if (!secret_.given()) return "no credentials are sent; set auth in the upstreams file if it wants some";
    return "put a good " + std::string(user_.empty() ? "token" : "password") + " into " + secret_.path() +
           ", it is read again when it changes; what is refused until then is lost to this upstream";
}

}  // namespace ringside::agent
