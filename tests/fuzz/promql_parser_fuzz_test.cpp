// Seeded mutations of the queries in Prometheus' test scripts. RINGSIDE_SEED=n repeats a run; RINGSIDE_SOAK=1 makes it
// long.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "agent/promql/syntax/lexer.h"
#include "tests/promql/script.h"
#include "tests/support/run_length.h"

bool promql_parser_fuzz_one(const std::string& query);

namespace ringside::agent::promql {
namespace {

std::vector<std::string> queries() {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(PROMQL_TESTDATA)) {
        if (entry.path().extension() != ".test") continue;
        std::ostringstream text;
        text << std::ifstream(entry.path()).rdbuf();
        for (const script::Command& command : script::read_script(text.str())) {
            if (const auto* eval = std::get_if<script::Eval>(&command.what)) found.push_back(eval->query);
        }
    }
    return found;
}

std::vector<std::string> tokens_of(const std::string& query) {
    std::vector<std::string> tokens;
    Lexer lexer(query);
    for (Token token = lexer.next(); token.kind != TokenKind::kEnd && token.kind != TokenKind::kError;
         token = lexer.next()) {
        tokens.emplace_back(token.text);
    }
    return tokens;
}

class Mutator {
  public:
    Mutator(std::uint64_t seed, const std::vector<std::string>& seeds) : random_(seed), seeds_(seeds) {}

    std::string mutate() {
        std::vector<std::string> tokens = tokens_of(any(seeds_));
        const std::uint64_t changes = 1 + random_() % 4;
        for (std::uint64_t i = 0; i < changes && !tokens.empty(); ++i) change(tokens);
        std::string query;
        for (const std::string& token : tokens) query += (random_() % 8 == 0 ? "" : " ") + token;
        if (random_() % 4 == 0) spoil(query);
        return query;
    }

  private:
    template <typename T>
    const T& any(const std::vector<T>& values) {
        return values[random_() % values.size()];
    }

    // Other words at one place: some of them make another query, most make none.
    void change(std::vector<std::string>& tokens) {
        static const std::vector<std::string> kWords = {
            "(",        ")",       "{",          "}",       "[",         "]",       ",",      ":",           "+",
            "-",        "*",       "^",          "==",      "bool",      "and",     "offset", "@",           "5m",
            "1.5",      "inf",     "NaN",        "0x1F",    "step()",    "start()", "on(a)",  "by(\"b c\")", "sum",
            "topk",     "rate",    "info",       "'q'",     "\"\\xff\"", "`r`",     "</",     ">/",          "anchored",
            "smoothed", "fill(1)", "group_left", "min_of(", "range()",   "#\n",     "atan2"};
        const auto at = tokens.begin() + static_cast<std::ptrdiff_t>(random_() % tokens.size());
        switch (random_() % 5) {
            case 0: tokens.erase(at); break;
            case 1: *at = any(kWords); break;
            case 2: tokens.insert(at, any(kWords)); break;
            case 3: tokens.insert(at, *at); break;
            default: {
                const std::vector<std::string> other = tokens_of(any(seeds_));
                tokens.insert(at, other.begin(), other.end());
            }
        }
    }

    void spoil(std::string& query) {
        if (!query.empty()) query[random_() % query.size()] = static_cast<char>(random_() % 256);
    }

    std::mt19937_64 random_;
    const std::vector<std::string>& seeds_;
};

TEST(PromqlParserFuzz, TakesTheQueriesOfTheScripts) {
    const auto seeds = queries();
    ASSERT_GT(seeds.size(), 1000u);
    for (const std::string& query : seeds) EXPECT_TRUE(promql_parser_fuzz_one(query)) << query;
}

TEST(PromqlParserFuzz, NeitherCrashesNorChangesWhatAQuerySays) {
    const auto seeds = queries();
    const std::uint64_t seed = chosen_seed();
    RecordProperty("seed", std::to_string(seed));
    SCOPED_TRACE("RINGSIDE_SEED=" + std::to_string(seed));
    Mutator mutator(seed, seeds);
    const std::uint64_t rounds = longer_in_soak(30'000);
    std::uint64_t taken = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) taken += promql_parser_fuzz_one(mutator.mutate());
    // Both sides must have been tried.
    EXPECT_GT(taken, rounds / 50);
    EXPECT_LT(taken, rounds * 9 / 10);
}

}  // namespace
}  // namespace ringside::agent::promql
