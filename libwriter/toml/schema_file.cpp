#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "libwriter/toml/nearest.h"
#include "libwriter/toml/schema_toml.h"
#include "libwriter/toml/standard_schemas.h"

namespace ringside {
namespace {

constexpr std::size_t kLargestFileBytes = std::size_t{8} << 20;

struct CloseFile {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }  // Only ever read: nothing is lost.
};

SchemaResult unreadable(const std::string& path, int errno_value) {
    return SchemaResult::failure("cannot read schema " + path + ": " + std::strerror(errno_value));
}

}  // namespace

SchemaResult schema_from_toml_file(const std::string& path) noexcept {
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
    if (!file) return unreadable(path, errno);
    std::string text(64 << 10, '\0');
    std::size_t length = 0;
    for (;;) {
        const std::size_t got = std::fread(text.data() + length, 1, text.size() - length, file.get());
        length += got;
        if (length > kLargestFileBytes) {
            return SchemaResult::failure("cannot read schema " + path + ": it is larger than 8 MiB");
        }
        if (length < text.size()) break;
        text.resize(text.size() * 2);
    }
    if (std::ferror(file.get())) return unreadable(path, errno);
    text.resize(length);
    return schema_from_toml(text, path);
}

SchemaResult schema_by_name_or_path(const std::string& name_or_path) noexcept {
    std::vector<std::string_view> names;
    for (const schemas::Standard& standard : schemas::all()) {
        if (standard.name == name_or_path) return schema_from_toml(standard.toml, standard.name);
        names.push_back(standard.name);
    }
    if (name_or_path.find('/') != std::string::npos || name_or_path.ends_with(".toml")) {
        return schema_from_toml_file(name_or_path);
    }
    std::string error = "no standard schema is called '" + name_or_path + "'";
    if (const auto near = nearest_names(name_or_path, names, 1); !near.empty()) {
        error += ", did you mean '" + std::string(near[0]) + "'?";
    } else {
        error += "; there are " + list_names(names) + ", and any file whose name ends in .toml";
    }
    return SchemaResult::failure(error);
}

}  // namespace ringside
