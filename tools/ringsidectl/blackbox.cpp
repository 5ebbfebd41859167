// ringsidectl blackbox list, show, export: the last minutes of VMs that ended badly.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

#include "agent/base/file.h"
#include "tools/ringsidectl/blackbox_files.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/dump.h"
#include "tools/ringsidectl/names.h"
#include "tools/ringsidectl/points.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/selector.h"

namespace ringside::ctl {
namespace {

using agent::Code;

// Without one, the agent answers.
void add_directory(Command& command, std::string& directory) {
    command.text("--directory", directory, "Read this folder of black box files instead of asking the agent")
        .type("PATH")
        .hint({Hint::kDirectory});
}

// --- list -------------------------------------------------------------------------------------------------------------

struct ListOptions {
    std::vector<std::string> vm_ids;
    std::string directory;
};

Section files_section(const std::vector<v1::BlackBox>& files, Format format) {
    Section section{.name = "files",
                    .columns = {{"vm_id"},
                                {"component"},
                                {"epoch"},
                                {"host_signals"},
                                {"exit_cause"},
                                {.name = "close_code", .unit = Unit::kNumber, .spare = 3},
                                {.name = "close_text", .spare = 4},
                                {"ended_ns", Unit::kTimeMs},
                                {.name = "kept_ns", .unit = Unit::kTimeMs, .spare = 5},
                                {"bytes", Unit::kBytes},
                                {.name = "series_count", .unit = Unit::kNumber, .heading = "SERIES", .spare = 2},
                                {.name = "uid", .unit = Unit::kNumber, .spare = 1}}};
    for (const v1::BlackBox& file : files) {
        std::string epoch = file.ref().epoch();
        if (format == Format::kTable) epoch.resize(std::min<std::size_t>(8, epoch.size()));
        const std::string cause = exit_cause_name(file.exit_cause());
        section.rows.push_back({file.ref().vm_id(), file.ref().component(), epoch, file.host_signals(),
                                cause.empty() ? Value() : Value(cause), close_code_of(file),
                                file.close_text().empty() ? Value() : Value(file.close_text()),
                                RSIDE_OPTIONAL(file, ended_ns), std::uint64_t{file.kept_ns()},
                                std::uint64_t{file.bytes()}, std::uint64_t{file.series_count()},
                                std::uint64_t{file.uid()}});
    }
    return section;
}

int run_list(const Session& session, const ListOptions& options) {
    std::vector<std::string> warnings;
    const auto files = open_black_box(session, options.directory)->list(options.vm_ids, warnings);
    if (!files) return fail(files.error());
    Output output = session.output();
    output.print({.kind = "black_box_list", .sections = {files_section(*files, session.format)}});
    for (const std::string& warning : warnings) note(warning);
    return finish(output, warnings.empty() ? kExitOk : kExitPartial);
}

// --- show -------------------------------------------------------------------------------------------------------------

struct ShowOptions {
    VmChoice choice;
    std::string directory;
    bool host_signals = false;
    DumpOptions dump;
};

// A file that is gone when this is.
class TemporaryFile {
  public:
    static agent::Result<std::unique_ptr<TemporaryFile>> write(const std::string& bytes) {
        const char* folder = std::getenv("TMPDIR");
        std::string path = std::string(folder != nullptr ? folder : "/tmp") + "/ringsidectl.XXXXXX";
        const int fd = ::mkstemp(path.data());
        if (fd < 0) return agent::errno_error(errno, "cannot make a temporary file " + path);
        auto file = std::make_unique<TemporaryFile>(path);
        auto written = agent::File(agent::FileSystem::real(), fd, path).write_all(bytes.data(), bytes.size());
        if (!written) return written.error();
        return file;
    }
    explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
    ~TemporaryFile() { ::unlink(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

  private:
    const std::string path_;
};

int run_show(const Session& session, ShowOptions options) {
    const auto file = open_black_box(session, options.directory)->fetch(options.choice, options.host_signals);
    if (!file) return fail(file.error());
    const auto temporary = TemporaryFile::write(file->second);
    if (!temporary) return fail(temporary.error());
    options.dump.path = (*temporary)->path();
    return run_dump(session, options.dump);
}

// --- export -----------------------------------------------------------------------------------------------------------

struct ExportOptions {
    VmChoice choice;
    std::string directory;
    std::string to = ".";
};

// Never over a file that is there.
agent::Result<void> save(const std::string& path, const std::string& bytes) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) {
        return agent::error(Code::kExists, path + " exists already: remove it, or export --to another folder");
    }
    return agent::write_file_durably(agent::FileSystem::real(), path, bytes);
}

int run_export(const Session& session, const ExportOptions& options) {
    const auto files = open_black_box(session, options.directory);
    Section section{.name = "files", .columns = {{"path"}, {"host_signals"}, {"bytes", Unit::kBytes}}};
    VmChoice choice = options.choice;
    for (const bool host_signals : {false, true}) {
        const auto file = files->fetch(choice, host_signals);
        // There need not be signals of the host, and not everybody may see them.
        if (!file && host_signals && file.error().code == Code::kNotFound) break;
        if (!file) return fail(file.error());
        const std::string path = options.to + "/" + black_box_file_name(file->first);
        if (const auto saved = save(path, file->second); !saved) return fail(saved.error());
        section.rows.push_back({path, host_signals, std::uint64_t{file->second.size()}});
        // The host's signals of this life, not of another one.
        choice.epoch = file->first.ref().epoch();
    }
    Output output = session.output();
    output.print({.kind = "black_box_export", .sections = {std::move(section)}});
    return finish(output);
}

void add_show_file(Command& blackbox, const Session& session) {
    Command show = blackbox.add("show", "Print how a VM ended, its series, and their windows on request");
    auto options = std::make_shared<ShowOptions>();
    add_vm_choice(show, options->choice);
    show.flag("--host-signals", options->host_signals, "What the host recorded in the same minutes instead");
    show.parsed("--series", "Also the windows of these series; '{}' is all of them",
                [options](const std::string& text) {
                    options->dump.series = text;
                    return check_selector(text);
                })
        .type("SELECTOR");
    show.words("--columns", options->dump.columns, column_words(), "Only these columns");
    add_section_choice(show, options->dump.section, {"header", "schema", "tiers", "metrics", "series"});
    add_directory(show, options->directory);
    show.footer("Of several lives of a VM the one that ended last; --epoch chooses another.");
    show.run([&session, options] { return run_show(session, *options); });
}

void add_export_files(Command& blackbox, const Session& session) {
    Command command = blackbox.add("export", "Copy the files of a VM, to be read on any machine");
    auto options = std::make_shared<ExportOptions>();
    add_vm_choice(command, options->choice);
    command.text("--to", options->to, "The folder to write them to").type("PATH").shows(".").hint({Hint::kDirectory});
    add_directory(command, options->directory);
    command.footer("`ringsidectl segment dump FILE` reads them without an agent. No file is overwritten.");
    command.run([&session, options] { return run_export(session, *options); });
}

}  // namespace

void add_blackbox(Command& root, const Session& session) {
    Command blackbox = root.add("blackbox", "The last minutes of VMs that ended badly, and of the host beside them");
    blackbox.needs_command();

    Command list = blackbox.add("list", "List what is kept, the oldest end first");
    auto options = std::make_shared<ListOptions>();
    list.texts("VM", options->vm_ids, "Only these VMs");
    add_directory(list, options->directory);
    list.run([&session, options] { return run_list(session, *options); });

    add_show_file(blackbox, session);
    add_export_files(blackbox, session);
}

}  // namespace ringside::ctl
