#include "tools/ringsidectl/unreachable.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;

// 0, or the errno with which nobody could be reached.
int try_connect(const std::string& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
    std::memcpy(address.sun_path, socket.data(), socket.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    const int result = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    const int cause = result == 0 ? 0 : errno;
    ::close(fd);
    return cause;
}

std::string group_of(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return {};
    group entry{};
    group* found = nullptr;
    std::array<char, 4096> buffer{};
    if (getgrgid_r(status.st_gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->gr_name;
    return std::to_string(status.st_gid);
}

const char* const kOtherSocket = "; if it listens elsewhere, give --socket PATH or set RINGSIDE_SOCKET";

}  // namespace

agent::Error explain_unreachable(const std::string& socket, const std::string& agent_text) {
    const int cause = try_connect(socket);
    switch (cause) {
        case 0:
        case EAGAIN: return error(Code::kUnavailable, "the agent at " + socket + " cannot answer now: " + agent_text);
        case ENOENT:
        case ENOTDIR:
            return error(Code::kUnavailable, "the agent is not running: there is no socket " + socket +
                                                 "; start it with `systemctl start ringside-agent`, or `ringside-agent "
                                                 "--socket " +
                                                 socket + "`" + kOtherSocket);
        case ECONNREFUSED:
            return error(Code::kUnavailable, "the agent is not running: nobody listens on " + socket +
                                                 "; start it with `systemctl start ringside-agent`, or see why it "
                                                 "stopped with `journalctl -u ringside-agent`" +
                                                 kOtherSocket);
        case EACCES:
        case EPERM: {
            std::string group = group_of(socket);
            if (group.empty()) group = group_of(socket.substr(0, socket.find_last_of('/')));
            std::string text = "no permission for the agent's socket " + socket;
            if (group == "root") {  // nobody should join that one
                text += ", which is for root alone; run as root, or start the agent with --socket-group GROUP";
            } else if (!group.empty()) {
                text += ", which is for members of the group " + group + "; `usermod -aG " + group +
                        " USER` and log in again, or run as root";
            } else {
                text += "; run as root, or as a member of the agent's group";
            }
            return error(Code::kDenied, text);
        }
        case ENAMETOOLONG:
            return error(Code::kInvalid,
                         "the path of a socket has at most 107 bytes, and this one is longer: " + socket);
        default: return agent::Error{Code::kUnavailable, cause, "cannot reach the agent at " + socket};
    }
}

}  // namespace ringside::ctl
