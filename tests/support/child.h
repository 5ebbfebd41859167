// Runs part of a test in a child process: what cannot be taken back (identity, namespaces, limits) or may end the process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <string>

namespace ringside {

// Runs `part` in a forked child and hands back what it returned: "" when all was well. A child that was killed, say
// by SIGBUS, hands back the name of the signal.
inline std::string in_child(const std::function<std::string()>& part) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    pid_t child = fork();
    if (child < 0) return "no fork";
    if (child == 0) {
        close(ends[0]);
        std::string said = part();
        std::size_t sent = 0;
        while (sent < said.size()) {
            ssize_t more = write(ends[1], said.data() + sent, said.size() - sent);
            if (more <= 0) break;
            sent += static_cast<std::size_t>(more);
        }
        _exit(0);  // no destructors: folders and segments belong to the parent
    }
    close(ends[1]);
    std::string heard;
    char buffer[512];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
        heard.append(buffer, static_cast<std::size_t>(got));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return heard + "killed by " + strsignal(WTERMSIG(status));
    return heard;
}

}  // namespace ringside
