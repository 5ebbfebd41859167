// promql_suite DIR [--json FILE]: runs every .test file of a folder and says which cases pass.
//
// Beside the scripts may stand CASES.tsv, which gives each case tags to count by, and KNOWN_FAILURES, whose lines say
// `file:line reason`. The program succeeds if exactly the cases of that list fail.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/promql/run_case.h"
#include "tests/promql/script.h"
#include "tests/promql/storage.h"

namespace ringside::agent::promql::script {
namespace {

namespace fs = std::filesystem;

struct CaseResult {
    std::string file;
    std::size_t line = 0;
    std::string query;
    std::string failure;  // empty: passed

    std::string id() const { return file + ":" + std::to_string(line); }
};

struct Tally {
    std::size_t passed = 0;
    std::size_t failed = 0;

    void add(const CaseResult& result) { ++(result.failure.empty() ? passed : failed); }
};

std::string read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

// The cases of one script. What cannot be loaded fails every case up to the next `clear`: none is left out.
std::vector<CaseResult> run_file(const fs::path& path) {
    std::vector<CaseResult> results;
    Storage storage;
    std::string unloaded;
    const std::string file = path.filename().string();
    for (const Command& command : read_script(read_file(path))) {
        if (const auto* load = std::get_if<Load>(&command.what)) {
            if (unloaded.empty()) unloaded = command.fault;
            if (!unloaded.empty()) continue;
            if (auto done = storage.load(*load); !done) {
                unloaded = "line " + std::to_string(command.line) + ": " + done.error().context;
            }
        } else if (std::holds_alternative<Clear>(command.what)) {
            storage.clear();
            unloaded.clear();
        } else {
            const Eval& eval = std::get<Eval>(command.what);
            CaseResult result{file, command.line, eval.query, command.fault};
            if (result.failure.empty() && !unloaded.empty()) result.failure = "data not loaded: " + unloaded;
            if (result.failure.empty()) result.failure = run_case(eval, storage.source()).value_or("");
            results.push_back(std::move(result));
        }
    }
    return results;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

// Tags by case: file, line, the line in the original, kind, tags.
std::map<std::string, std::vector<std::string>> read_tags(const fs::path& folder) {
    std::map<std::string, std::vector<std::string>> tags;
    std::ifstream file(folder / "CASES.tsv");
    for (std::string line; std::getline(file, line);) {
        const auto columns = split(line, '\t');
        if (columns.size() < 5 || columns[0] == "file") continue;
        auto& own = tags[columns[0] + ":" + columns[1]];
        bool experimental = false;
        for (const std::string& tag : split(columns[4], ',')) {
            const std::string family = tag.substr(0, tag.find('='));
            if (family == "-") continue;
            static const std::set<std::string> kExperimental = {"exp_func", "exp_agg",   "ext_range",   "fill",
                                                                "start_ts", "type_unit", "delayed_name"};
            experimental = experimental || kExperimental.contains(family);
            own.push_back(family);
        }
        own.push_back(experimental ? "experimental" : "stable");
    }
    return tags;
}

std::set<std::string> read_known_failures(const fs::path& folder) {
    std::set<std::string> known;
    std::ifstream file(folder / "KNOWN_FAILURES");
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        known.insert(line.substr(0, line.find(' ')));
    }
    return known;
}

void print_table(const char* title, const std::map<std::string, Tally>& tallies) {
    std::cout << "\n" << title << "\n";
    for (const auto& [name, tally] : tallies) {
        std::cout << "  " << name << std::string(name.size() < 28 ? 28 - name.size() : 1, ' ') << tally.passed
                  << " passed, " << tally.failed << " failed\n";
    }
}

nlohmann::json tallies_json(const std::map<std::string, Tally>& tallies) {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& [name, tally] : tallies) json[name] = {{"passed", tally.passed}, {"failed", tally.failed}};
    return json;
}

int run(const fs::path& folder, const std::string& json_file) {
    std::vector<fs::path> scripts;
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".test") scripts.push_back(entry.path());
    }
    std::sort(scripts.begin(), scripts.end());
    if (scripts.empty()) {
        std::cerr << "promql_suite: no .test file in " << folder << "\n";
        return 2;
    }
    const auto tags = read_tags(folder);
    const auto known = read_known_failures(folder);
    std::map<std::string, Tally> by_file;
    std::map<std::string, Tally> by_tag;
    Tally total;
    std::size_t unexpected = 0;
    nlohmann::json failures = nlohmann::json::array();
    for (const fs::path& script : scripts) {
        for (const CaseResult& result : run_file(script)) {
            total.add(result);
            by_file[result.file].add(result);
            if (const auto own = tags.find(result.id()); own != tags.end()) {
                for (const std::string& tag : std::set<std::string>(own->second.begin(), own->second.end())) {
                    by_tag[tag].add(result);
                }
            }
            const bool expected = known.contains(result.id());
            if (expected == !result.failure.empty() && !expected) continue;
            if (result.failure.empty()) {
                std::cout << "PASSES NOW " << result.id() << ": take it off KNOWN_FAILURES\n";
                ++unexpected;
                continue;
            }
            if (!expected) ++unexpected;
            std::cout << (expected ? "known  " : "FAILED ") << result.id() << " " << result.query << "\n       "
                      << result.failure << "\n";
            failures.push_back({{"file", result.file},
                                {"line", result.line},
                                {"query", result.query},
                                {"reason", result.failure},
                                {"known", expected}});
        }
    }
    print_table("by file", by_file);
    if (!by_tag.empty()) print_table("by tag", by_tag);
    std::cout << "\n" << total.passed << " passed, " << total.failed << " failed\n";
    if (!json_file.empty()) {
        const nlohmann::json json = {{"passed", total.passed},
                                     {"failed", total.failed},
                                     {"files", tallies_json(by_file)},
                                     {"tags", tallies_json(by_tag)},
                                     {"failures", std::move(failures)}};
        std::ofstream(json_file) << json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    }
    return unexpected == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ringside::agent::promql::script

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const bool with_json = arguments.size() == 3 && arguments[1] == "--json";
    if (arguments.size() != 1 && !with_json) {
        std::cerr << "usage: promql_suite DIR [--json FILE]\n";
        return 2;
    }
    return ringside::agent::promql::script::run(arguments[0], with_json ? arguments[2] : "");
}
