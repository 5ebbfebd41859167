// The operation files, as the C++ driver and the oracle read them. README.md describes the format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringside::conformance {

struct Operation {
    std::string place;  // FILE:LINE, for messages
    std::string name;
    std::vector<std::string> words;  // what follows the name

    const std::string& word(std::size_t i) const;
    std::uint64_t whole(std::size_t i) const;
    std::int32_t code(std::size_t i) const;
    double real(std::size_t i) const;
    // All words from `begin` on, with one blank between two.
    std::string text(std::size_t begin) const;
    // Ends the program unless there are `low` to `high` words.
    void expect_words(std::size_t low, std::size_t high) const;
};

// Every operation of the file. Whatever is wrong with it, here or in a word that is asked for later, ends the program with
// status 2 and one line on stderr.
std::vector<Operation> read_operations(const std::string& path);

[[noreturn]] void refuse(const std::string& place, const std::string& why);

}  // namespace ringside::conformance
