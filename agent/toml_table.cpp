#include "agent/toml_table.h"

#include <algorithm>
#include <optional>
#include <string_view>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "agent/base/file.h"
#include "libwriter/toml/nearest.h"

namespace ringside::agent {
namespace {

constexpr std::size_t kFileMaxBytes = 1 << 20;

// What all tables of one file share.
struct Reading {
    std::string path;
    std::optional<Error> first;

    void wrong(const toml::source_region& at, const std::string& what) {
        if (!first) first = error(Code::kInvalid, path + ", line " + std::to_string(at.begin.line) + ": " + what);
    }
};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

}  // namespace

struct TomlTable::Impl {
    Reading& reading;
    const toml::table& table;
    std::string name;  // "upstream.central"; "" for the top
    std::vector<std::string_view> known{};
    std::string whole_wrong{};

    std::string full(std::string_view key) const { return (name.empty() ? "" : name + ".") + std::string(key); }
    const toml::node* find(const char* key) {
        known.push_back(key);
        return reading.first ? nullptr : table.get(key);
    }
    void wrong(std::string_view key, const toml::node& at, const std::string& what) {
        reading.wrong(at.source(), full(key) + ": " + what);
    }
    void taken(const char* key, const toml::node& at, const Result<void>& result) {
        if (!result) wrong(key, at, result.error().context);
    }
    // Reads a table below this one.
    template <typename Read>
    void descend(const std::string& below, const toml::table& inner, Read read) {
        if (reading.first) return;
        Impl impl{reading, inner, below};
        TomlTable face(impl);
        read(face);
        impl.finish();
    }
    void finish();
};

// Unknown keys first: a misspelt key also leaves one missing.
void TomlTable::Impl::finish() {
    for (const auto& [key, node] : table) {
        const std::string_view text = key.str();
        if (std::find(known.begin(), known.end(), text) != known.end()) continue;
        std::string where = name.empty() ? "this file" : "[" + name + "]";
        reading.wrong(key.source(),
                      "there is no key " + quoted(text) + " in " + where + did_you_mean(nearest_names(text, known)));
    }
    if (!whole_wrong.empty()) reading.wrong(table.source(), whole_wrong);
}

Result<void> TomlTable::read_file(const std::string& path, const std::function<void(TomlTable&)>& read) {
    auto bytes = agent::read_file(FileSystem::real(), path, kFileMaxBytes);
    if (!bytes) return bytes.error();
    toml::parse_result parsed = toml::parse(*bytes, path);
    Reading reading{path, std::nullopt};
    if (!parsed) {
        reading.wrong(parsed.error().source(), std::string(parsed.error().description()));
        return *reading.first;
    }
    Impl impl{reading, parsed.table(), ""};
    TomlTable top(impl);
    read(top);
    impl.finish();
    if (reading.first) return *reading.first;
    return {};
}

bool TomlTable::text(const char* key, const std::function<Result<void>(const std::string&)>& take) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    const auto* value = node->as_string();
    if (!value) return impl_.wrong(key, *node, "needs a text in quotes"), true;
    impl_.taken(key, *node, take(value->get()));
    return true;
}

bool TomlTable::flag(const char* key, bool* to) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    const auto* value = node->as_boolean();
    if (!value) return impl_.wrong(key, *node, "needs true or false, without quotes"), true;
    *to = value->get();
    return true;
}

bool TomlTable::number(const char* key, const std::function<Result<void>(std::uint64_t)>& take) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    const auto* value = node->as_integer();
    if (!value || value->get() < 0) return impl_.wrong(key, *node, "needs a whole number, without quotes"), true;
    impl_.taken(key, *node, take(static_cast<std::uint64_t>(value->get())));
    return true;
}

bool TomlTable::texts(const char* key, const std::function<Result<void>(const std::vector<std::string>&)>& take) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    std::vector<std::string> values;
    if (const auto* one = node->as_string()) values.push_back(one->get());
    if (const toml::array* array = node->as_array()) {
        for (const toml::node& element : *array) {
            const auto* text = element.as_string();
            if (!text) return impl_.wrong(key, element, "needs a list of texts in quotes"), true;
            values.push_back(text->get());
        }
    } else if (values.empty()) {
        return impl_.wrong(key, *node, "needs a list of texts in quotes"), true;
    }
    impl_.taken(key, *node, take(values));
    return true;
}

bool TomlTable::pairs(const char* key, const std::function<Result<void>(const Pairs&)>& take) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    const toml::table* inner = node->as_table();
    if (!inner) return impl_.wrong(key, *node, "needs { name = \"value\", ... }"), true;
    Pairs values;
    for (const auto& [name, value] : *inner) {
        const auto* text = value.as_string();
        if (!text) return impl_.wrong(key, value, quoted(name.str()) + " needs a text in quotes"), true;
        values.emplace_back(name.str(), text->get());
    }
    impl_.taken(key, *node, take(values));
    return true;
}

bool TomlTable::table(const char* key, const std::function<void(TomlTable&)>& read) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    const toml::table* inner = node->as_table();
    if (!inner) return impl_.wrong(key, *node, "is a section: [" + impl_.full(key) + "]"), true;
    impl_.descend(impl_.full(key), *inner, read);
    return true;
}

bool TomlTable::named_tables(const char* key, const std::function<void(const std::string&, TomlTable&)>& read) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    const toml::table* outer = node->as_table();
    const std::string form = "needs sections with a name each: [" + impl_.full(key) + ".NAME]";
    if (!outer) return impl_.wrong(key, *node, form), true;
    for (const auto& [name, value] : *outer) {
        const toml::table* inner = value.as_table();
        if (!inner) return impl_.wrong(key, value, form), true;
        const std::string text(name.str());
        impl_.descend(impl_.full(key) + "." + text, *inner, [&](TomlTable& table) { read(text, table); });
    }
    return true;
}

bool TomlTable::tables(const char* key, const std::function<void(TomlTable&)>& read) {
    const toml::node* node = impl_.find(key);
    if (!node) return false;
    const std::string form = "needs sections in double brackets: [[" + impl_.full(key) + "]]";
    const toml::array* array = node->as_array();
    if (!array) return impl_.wrong(key, *node, form), true;
    for (const toml::node& element : *array) {
        const toml::table* inner = element.as_table();
        if (!inner) return impl_.wrong(key, element, form), true;
        impl_.descend(impl_.full(key), *inner, read);
    }
    return true;
}

void TomlTable::wrong(const std::string& what) {
    if (impl_.whole_wrong.empty()) impl_.whole_wrong = what;
}

}  // namespace ringside::agent
