// A tmpfs of the calling process alone, which ends with it. For children: there is no way back.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

namespace ringside {

inline bool write_text(const char* path, const std::string& text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(fd);
    return written;
}

// "", or what this user may not do: it takes root, or namespaces for users.
inline std::string mount_private_tmpfs(const std::string& at, const std::string& options, unsigned long flags = 0) {
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWNS) != 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return "cannot unshare mounts";
        // A user without a name in the namespace may not make files in it.
        write_text("/proc/self/setgroups", "deny");
        if (!write_text("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1")) return "cannot map the user";
        if (!write_text("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1")) return "cannot map the group";
    }
    // Else the mount would show in the namespace that this one was copied from.
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "cannot make mounts private";
    if (mount("tmpfs", at.c_str(), "tmpfs", flags, options.c_str()) != 0) return "cannot mount a tmpfs";
    return "";
}

}  // namespace ringside
