#include "tests/conformance/operations.h"

#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace ringside::conformance {

void refuse(const std::string& place, const std::string& why) {
    (void)std::fprintf(stderr, "%s: %s\n", place.c_str(), why.c_str());
    std::exit(2);
}

namespace {

template <typename Number>
Number number(const Operation& operation, const std::string& word) {
    Number value = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size()) {
        refuse(operation.place, operation.name + ": '" + word + "' is not a whole number that fits");
    }
    return value;
}

}  // namespace

const std::string& Operation::word(std::size_t i) const {
    if (i >= words.size()) refuse(place, name + ": a word is missing");
    return words[i];
}

std::uint64_t Operation::whole(std::size_t i) const { return number<std::uint64_t>(*this, word(i)); }
std::int32_t Operation::code(std::size_t i) const { return number<std::int32_t>(*this, word(i)); }

double Operation::real(std::size_t i) const {
    const std::string& text = word(i);
    char* end = nullptr;
    double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') refuse(place, name + ": '" + text + "' is not a number");
    return value;
}

std::string Operation::text(std::size_t begin) const {
    std::string out;
    for (std::size_t i = begin; i < words.size(); ++i) out += (i == begin ? "" : " ") + words[i];
    return out;
}

void Operation::expect_words(std::size_t low, std::size_t high) const {
    if (words.size() < low || words.size() > high) {
        refuse(place, name + ": takes another number of words, see tests/conformance/README.md");
    }
}

std::vector<Operation> read_operations(const std::string& path) {
    std::ifstream file(path);
    if (!file) refuse(path, "cannot be read");
    std::vector<Operation> operations;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        std::istringstream words(line.substr(0, line.find('#')));
        Operation operation;
        operation.place = path + ":" + std::to_string(number);
        if (!(words >> operation.name)) continue;
        for (std::string word; words >> word;) operation.words.push_back(word);
        operations.push_back(operation);
    }
    if (operations.empty() || operations.back().name != "close") refuse(path, "does not end with a close");
    for (std::size_t i = 0; i + 1 < operations.size(); ++i) {
        if (operations[i].name == "close") refuse(operations[i + 1].place, "stands behind the close");
    }
    return operations;
}

}  // namespace ringside::conformance
