#include "agent/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace ringside::agent {
namespace {

// The priority that journald reads at the front of a line.
class JournalPriority : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
        const char* priority = "<6>";
        switch (message.level) {
            case spdlog::level::trace:
            case spdlog::level::debug: priority = "<7>"; break;
            case spdlog::level::warn: priority = "<4>"; break;
            case spdlog::level::err: priority = "<3>"; break;
            case spdlog::level::critical: priority = "<2>"; break;
            default: break;
        }
        out.append(priority, priority + 3);
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JournalPriority>(); }
};

// systemd names device and inode of the stream that it gave us; a shell may have redirected standard error since.
bool stderr_is_the_journal() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status {};
    if (!stream || ::fstat(STDERR_FILENO, &status) < 0) return false;
    return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == stream;
}

spdlog::logger& logger() {
    static const std::shared_ptr<spdlog::logger> instance = [] {
        auto made = std::make_shared<spdlog::logger>("ringside", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
        return made;
    }();
    return *instance;
}

void write(spdlog::level::level_enum level, const std::string& text) {
    if (!logger().should_log(level)) return;
    std::string line = text;
    for (char& c : line) {
        if (c == '\n' || c == '\r') c = ' ';
    }
    logger().log(level, spdlog::string_view_t(line));
}

}  // namespace

void start_log(LogFormat format, const std::string& level) {
    if (format == LogFormat::kJournal || (format == LogFormat::kAuto && stderr_is_the_journal())) {
        auto formatter = std::make_unique<spdlog::pattern_formatter>();
        formatter->add_flag<JournalPriority>('P').set_pattern("%P%v");
        logger().set_formatter(std::move(formatter));
    }
    set_log_level(level);
}

void set_log_level(const std::string& level) { logger().set_level(spdlog::level::from_str(level)); }

void log_debug(const std::string& text) { write(spdlog::level::debug, text); }
void log_info(const std::string& text) { write(spdlog::level::info, text); }
void log_warning(const std::string& text) { write(spdlog::level::warn, text); }
void log_error(const std::string& text) { write(spdlog::level::err, text); }

}  // namespace ringside::agent
