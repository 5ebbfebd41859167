// Fuzz entry for the parser and the printer of PromQL. The suite drives it with seeded mutations
// (promql_parser_fuzz_test.cpp); for a guided run, from the root of the project:
//
//     clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. -o promql_parser_fuzz
//         tests/fuzz/promql_parser_fuzz.cpp tests/support/promql_tree.cpp agent/promql/syntax/*.cpp agent/base/*.cpp -lre2
//     ./promql_parser_fuzz -max_len=4096 corpus/
//
// Input: the text of a query.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "agent/promql/syntax/parser.h"
#include "agent/promql/syntax/printer.h"
#include "tests/support/promql_tree.h"

namespace {

using namespace ringside::agent::promql;

[[noreturn]] void broken(const char* what, const std::string& query, const std::string& detail) {
    std::fprintf(stderr, "does not hold: %s\nquery: %s\n%s\n", what, query.c_str(), detail.c_str());
    std::abort();
}

void expect_same(const Expr& expr, const std::string& printed, const std::string& query) {
    auto again = parse_query(printed, ParseOptions::all());
    if (!again) broken("what is printed can be parsed", query, printed + "\n" + again.error().context);
    if (tree_text(**again) != tree_text(expr)) {
        broken("what is printed means the same", query, printed + "\n" + tree_text(expr) + "\n" + tree_text(**again));
    }
}

// An error says where and what.
void expect_located(const std::string& message, const std::string& query) {
    if (message.find(": parse error: ") == std::string::npos && message.find(" bytes; at most ") == std::string::npos) {
        broken("an error has a position", query, message);
    }
}

}  // namespace

// Whether the input is a query. Ends the process when something does not hold.
bool promql_parser_fuzz_one(const std::string& query);

bool promql_parser_fuzz_one(const std::string& query) {
    auto expr = parse_query(query, ParseOptions::all());
    if (!expr) {
        expect_located(expr.error().context, query);
        return false;
    }
    // A printed query may be longer than its source; the limit on its length is none of the printer's.
    const std::string line = text(**expr);
    if (line.size() <= ParseLimits{}.bytes_max) expect_same(**expr, line, query);
    const std::string split = format_query(**expr);
    if (split.size() <= ParseLimits{}.bytes_max) expect_same(**expr, split, query);
    const ExprPtr copy = clone(**expr);
    if (tree_text(*copy) != tree_text(**expr)) broken("a copy is the same", query, tree_text(*copy));
    (void)resolve_durations(*copy, {15'000, 3'600'000});
    return true;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    promql_parser_fuzz_one(std::string(reinterpret_cast<const char*>(data), size));
    return 0;
}
