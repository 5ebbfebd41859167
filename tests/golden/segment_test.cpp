// Golden segments: files of every released format are read for ever, and today's writer still writes the same bytes.
//
// tests/golden/v<format>_<scenario>.seg was written once, by ringside_golden_writer of that release, and is never
// written again; the .txt beside it says what a reader must find.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/golden/segment_dump.h"
#include "tests/golden/segment_scenarios.h"
#include "tests/support/plain_segment.h"

namespace ringside::golden {
namespace {

std::filesystem::path golden_folder() {
    return std::filesystem::path(std::getenv("RINGSIDE_SOURCE_DIR")) / "tests/golden";
}

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// The first line in which two texts differ, for a message that a person can read.
std::string difference(const std::string& wanted, const std::string& found) {
    std::istringstream left(wanted), right(found);
    std::string a, b;
    for (int line = 1;; ++line) {
        bool more_a = static_cast<bool>(std::getline(left, a)), more_b = static_cast<bool>(std::getline(right, b));
        if (!more_a && !more_b) return "";
        if (more_a != more_b || a != b) {
            return "line " + std::to_string(line) + "\n  wanted: " + (more_a ? a : "the end") +
                   "\n  found:  " + (more_b ? b : "the end");
        }
    }
}

std::vector<std::filesystem::path> golden_files() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) {
        if (entry.path().extension() == ".seg") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

TEST(GoldenSegments, AreReadAsTheyAlwaysWere) {
    ASSERT_GE(golden_files().size(), scenarios().size());
    for (const auto& path : golden_files()) {
        std::filesystem::path text = path;
        text.replace_extension(".txt");
        ASSERT_TRUE(std::filesystem::exists(text)) << text;
        EXPECT_EQ(difference(text_of(text), dump(plain::read_bytes(path))), "") << path;
    }
}

TEST(GoldenSegments, AreStillWrittenToTheByte) {
    for (const Scenario& scenario : scenarios()) {
        std::vector<std::uint8_t> golden =
            plain::read_bytes(golden_folder() / ("v1_" + std::string(scenario.name) + ".seg"));
        std::vector<std::uint8_t> today = make(scenario);
        ASSERT_EQ(today.size(), golden.size()) << scenario.name;
        std::size_t at = 0;
        while (at < golden.size() && golden[at] == today[at]) ++at;
        EXPECT_EQ(at, golden.size()) << scenario.name << ": first difference at offset " << at;
    }
}

// A scenario that a machine or a day could change would be no golden file.
TEST(GoldenSegments, RepeatWithoutADifference) {
    for (const Scenario& scenario : scenarios()) EXPECT_TRUE(make(scenario) == make(scenario)) << scenario.name;
}

bool says(const std::string& text, const char* word) { return text.find(word) != std::string::npos; }

TEST(GoldenSegments, HoldWhatTheyAreFor) {
    std::string killed = dump(make(scenarios().back()));
    for (const char* word : {" half done ", " turning ", " stale "}) EXPECT_TRUE(says(killed, word)) << word;
    std::string rebased = dump(make(scenarios()[2]));
    for (const char* word : {"steps_back 0", "rebases 0"}) EXPECT_FALSE(says(rebased, word)) << word;
    std::string lean = dump(make(scenarios()[1]));
    for (const char* word : {"rejected 2 refused 1", " carried"}) EXPECT_TRUE(says(lean, word)) << word;
}

}  // namespace
}  // namespace ringside::golden
