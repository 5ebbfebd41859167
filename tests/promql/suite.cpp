// promql_suite DIR [--json FILE]: runs every .test file of a folder and says which cases pass.
//
// Beside the scripts may stand CASES.tsv, which gives each case tags to count by, and KNOWN_FAILURES, whose lines say
// `file:line reason`. The program succeeds if exactly the cases of that list fail.
#include <algorithm>
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
    bool known = false;   // KNOWN_FAILURES has it

    std::string id() const { return file + ":" + std::to_string(line); }
    bool passed() const { return failure.empty(); }
    bool as_listed() const { return passed() != known; }
};

struct Tally {
    std::size_t passed = 0;
    std::size_t failed = 0;

    void add(const CaseResult& result) { ++(result.passed() ? passed : failed); }
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
            CaseResult result{file, command.line, eval.query, command.fault, false};
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

std::string xml_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<': out += "&lt;"; break;
            case '&': out += "&amp;"; break;
            case '"': out += "&quot;"; break;
            default: out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        }
    }
    return out;
}

// The report by which the whole suite's sum counts each case, at the place that the environment names.
void write_junit(const std::vector<CaseResult>& results) {
    const char* place = std::getenv("RINGSIDE_TEST_REPORT");
    if (!place) return;
    fs::create_directories(fs::path(place).parent_path());
    std::ofstream report(place);
    report << "<testsuites><testsuite name=\"promql_scripts\">\n";
    for (const CaseResult& result : results) {
        report << "<testcase name=\"" << xml_text(result.id() + " " + result.query) << "\">";
        if (!result.as_listed()) {
            report << "<failure message=\"" << xml_text(result.passed() ? "passes now" : result.failure) << "\"/>";
        }
        report << "</testcase>\n";
    }
    report << "</testsuite></testsuites>\n";
}

void print_deviation(const CaseResult& result) {
    if (result.passed()) {
        if (result.known) std::cout << "PASSES NOW " << result.id() << ": take it off KNOWN_FAILURES\n";
        return;
    }
    std::cout << (result.known ? "known  " : "FAILED ") << result.id() << " " << result.query << "\n       "
              << result.failure << "\n";
}

// What passed and failed, in all, by file and by tag.
struct Summary {
    Tally total;
    std::map<std::string, Tally> by_file, by_tag;

    Summary(const std::vector<CaseResult>& results, const std::map<std::string, std::vector<std::string>>& tags) {
        for (const CaseResult& result : results) {
            total.add(result);
            by_file[result.file].add(result);
            const auto own = tags.find(result.id());
            if (own == tags.end()) continue;
            for (const std::string& tag : std::set<std::string>(own->second.begin(), own->second.end())) {
                by_tag[tag].add(result);
            }
        }
    }

    void print() const {
        print_table("by file", by_file);
        if (!by_tag.empty()) print_table("by tag", by_tag);
        std::cout << "\n" << total.passed << " passed, " << total.failed << " failed\n";
    }
};

void write_json(const std::string& place, const Summary& summary, const std::vector<CaseResult>& results) {
    nlohmann::json failures = nlohmann::json::array();
    for (const CaseResult& result : results) {
        if (result.passed()) continue;
        failures.push_back({{"file", result.file},
                            {"line", result.line},
                            {"query", result.query},
                            {"reason", result.failure},
                            {"known", result.known}});
    }
    const nlohmann::json json = {{"passed", summary.total.passed},
                                 {"failed", summary.total.failed},
                                 {"files", tallies_json(summary.by_file)},
                                 {"tags", tallies_json(summary.by_tag)},
                                 {"failures", std::move(failures)}};
    std::ofstream(place) << json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

int run(const fs::path& folder, const std::string& json_file) {
    std::error_code fault;
    std::vector<fs::path> scripts;
    for (const auto& entry : fs::directory_iterator(folder, fault)) {
        if (entry.path().extension() == ".test") scripts.push_back(entry.path());
    }
    std::ranges::sort(scripts);
    if (scripts.empty()) {
        std::cerr << "promql_suite: no .test file in " << folder << "\n";
        return 2;
    }
    std::vector<CaseResult> results;
    for (const fs::path& script : scripts) std::ranges::move(run_file(script), std::back_inserter(results));
    const auto known = read_known_failures(folder);
    for (CaseResult& result : results) result.known = known.contains(result.id());

    std::ranges::for_each(results, print_deviation);
    const Summary summary(results, read_tags(folder));
    summary.print();
    write_junit(results);
    if (!json_file.empty()) write_json(json_file, summary, results);
    return std::ranges::all_of(results, &CaseResult::as_listed) ? 0 : 1;
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
