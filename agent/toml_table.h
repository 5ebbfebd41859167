// One table of a TOML file, taken key by key. The one door to toml++ for files with sections.
//
// A reader names each key that it knows and what is to be done with its value. The first mistake is kept, with file,
// line and key, and everything after it is passed over, so that a reader is a plain list of keys with one look at the
// result in the end. A key that no reader has named is a mistake too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace ringside::agent {

class TomlTable {
  public:
    // Reads the file and hands its top table to `read`. The first mistake, or what reading the file answered.
    static Result<void> read_file(const std::string& path, const std::function<void(TomlTable&)>& read);

    // Each hands the value of `key` to `take`, when the key is there, and answers whether it is. What `take` finds
    // wrong with a value is told with its place.
    bool text(const char* key, const std::function<Result<void>(const std::string&)>& take);
    bool flag(const char* key, bool* to);
    // A whole number, not below 0.
    bool number(const char* key, const std::function<Result<void>(std::uint64_t)>& take);
    // A list of texts; one text alone is a list of one.
    bool texts(const char* key, const std::function<Result<void>(const std::vector<std::string>&)>& take);
    // { name = "value", ... }, sorted by name.
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    bool pairs(const char* key, const std::function<Result<void>(const Pairs&)>& take);

    // [key]
    bool table(const char* key, const std::function<void(TomlTable&)>& read);
    // [key.NAME], each, sorted by name.
    bool named_tables(const char* key, const std::function<void(const std::string& name, TomlTable&)>& read);
    // [[key]], each, in the order of the file.
    bool tables(const char* key, const std::function<void(TomlTable&)>& read);

    // The table as a whole is wrong, such as two keys that do not go together. Told only when nothing is wrong with a
    // single key, a misspelt one above all: that may be the reason.
    void wrong(const std::string& what);

    struct Impl;
    explicit TomlTable(Impl& impl) : impl_(impl) {}

  private:
    Impl& impl_;
};

}  // namespace ringside::agent
