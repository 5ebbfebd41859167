// ringsidectl provision: lays out the segment of a VM that will attach to it later.
#include <grp.h>
#include <pwd.h>
#include <ringside/ringside.h>

#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/report.h"
#include "tools/ringsidectl/schema_cost.h"

namespace ringside::ctl {
namespace {

constexpr std::size_t kPathSlack = 140;  // what rside_segment_provision adds to the directory at most
constexpr mode_t kModeMax = 0777;
constexpr std::size_t kAccountBytes = 16384;

struct Options {
    std::string vm_id;
    std::string schema = "vmm";
    std::string component;
    std::string directory = RSIDE_DEFAULT_DIRECTORY;
    uid_t owner = static_cast<uid_t>(-1);
    gid_t group = static_cast<gid_t>(-1);
    mode_t mode = 0640;
};

std::optional<std::uint32_t> whole_number(const std::string& text, int base) {
    std::uint32_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// A name of the account databases, or a number.
Result<uid_t> parse_owner(const std::string& text) {
    if (const auto uid = whole_number(text, 10)) return uid_t{*uid};
    std::array<char, kAccountBytes> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->pw_uid;
    return agent::error(agent::Code::kInvalid,
                        "there is no user `" + text + "`; give a name of `getent passwd`, or a uid");
}

Result<gid_t> parse_group(const std::string& text) {
    if (const auto gid = whole_number(text, 10)) return gid_t{*gid};
    std::array<char, kAccountBytes> buffer{};
    group entry{};
    group* found = nullptr;
    if (getgrnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) return found->gr_gid;
    return agent::error(agent::Code::kInvalid,
                        "there is no group `" + text + "`; give a name of `getent group`, or a gid");
}

Result<mode_t> parse_mode(const std::string& text) {
    const auto mode = whole_number(text, 8);
    if (mode && *mode <= kModeMax && *mode != 0) return mode_t{*mode};
    return agent::error(agent::Code::kInvalid,
                        "`" + text + "` is not a mode: write it in octal, 0600 to 0777, such as 0640");
}

// Puts what `parse` made of an option's text into `to`.
template <typename T>
std::function<Result<void>(const std::string&)> storing(T& to, Result<T> (*parse)(const std::string&)) {
    return [&to, parse](const std::string& text) -> Result<void> {
        const Result<T> value = parse(text);
        if (!value) return value.error();
        to = *value;
        return {};
    };
}

ExitCode exit_code_of_errno(int code) {
    switch (-code) {
        case EINVAL:
        case E2BIG:
        case ENAMETOOLONG: return kExitUsage;
        case ENOENT:
        case ENOTDIR: return kExitNotFound;
        case EACCES:
        case EPERM:
        case EROFS: return kExitDenied;
        case EEXIST:
        case ENOSPC:
        case EDQUOT:
        case ENOMEM: return kExitRefused;
        default: return kExitError;
    }
}

// What the library's sentence cannot know: how this host is set up.
std::string next_step(int code, const Options& options) {
    switch (-code) {
        case ENOENT: return "; `systemd-tmpfiles --create ringside.conf` makes it, or give --directory";
        case EACCES: return "; run as a user that may write there, or as root";
        case EPERM: return "; only root gives files to other users: run as root, or leave out --owner and --group";
        case ENOSPC:
        case EDQUOT: return "; `df " + options.directory + "` shows the room, `ringsidectl schema size` the need";
        default: return {};
    }
}

int run(const Session& session, const Options& options) {
    const auto schema = load_schema(options.schema);
    if (!schema) return fail(schema.error());
    rside_options library{};
    rside_options_init(&library);
    library.vm_id = options.vm_id.c_str();
    library.component = options.component.c_str();
    library.directory = options.directory.c_str();
    library.schema = schema->get();
    library.owner = options.owner;
    library.group = options.group;
    library.mode = options.mode;
    std::vector<char> path(options.directory.size() + kPathSlack);
    rside_error error{};
    const int result = rside_segment_provision(&library, path.data(), path.size(), &error);
    if (result < 0) return fail(exit_code_of_errno(result), error.text + next_step(result, options));

    Output output = session.output();
    if (session.format == Format::kTable) {
        // The path alone: a launcher takes it as it is.
        std::printf("%s\n", path.data());
        return finish(output);
    }
    const SchemaCost cost = cost_of(**schema);
    output.print({.kind = "provisioned",
                  .sections = {{.name = "segment",
                                .columns = {{"path"}, {"vm_id"}, {"component"}, {"schema"}, {"segment_bytes"}},
                                .rows = {{std::string(path.data()), options.vm_id, options.component, cost.name,
                                          cost.segment_bytes}},
                                .single = true}}});
    return finish(output);
}

}  // namespace

void add_provision(Command& root, const Session& session) {
    Command command =
        root.add("provision", "Lay out the segment of a VM that will attach to it later, and print its path");
    auto options = std::make_shared<Options>();
    command.text("--vm-id", options->vm_id, "1 to 63 of A-Z a-z 0-9 . _ : -, the first a letter or digit")
        .required()
        .type("ID");
    command.text("--schema", options->schema, "A standard schema or a TOML file")
        .type("NAME|FILE")
        .shows(options->schema)
        .hint({Hint::kFile});
    command.text("--component", options->component, "For a component of the VM; left out: the VMM itself").type("NAME");
    command.text("--directory", options->directory, "Where the agent looks for segments; on a tmpfs")
        .type("DIR")
        .shows(options->directory)
        .hint({Hint::kDirectory});
    command
        .parsed("--owner", "User that the VMM will run as; left out: the caller", storing(options->owner, parse_owner))
        .type("USER|UID");
    command
        .parsed("--group", "Group of the file; left out: what the directory gives",
                storing(options->group, parse_group))
        .type("GROUP|GID");
    command.parsed("--mode", "Permissions of the file, in octal", storing(options->mode, parse_mode))
        .type("MODE")
        .shows("0640");
    command.footer(
        "Run it inside the VM's own cgroup: the segment's memory is charged for good to the cgroup of whoever creates\n"
        "it. Without room in memory nothing is left behind, and the exit code is 8.");
    command.run([&session, options] { return run(session, *options); });
}

}  // namespace ringside::ctl
