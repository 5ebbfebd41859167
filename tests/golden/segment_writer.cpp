// Writes the golden segments of this release, and the texts beside them, into a folder. It leaves files that exist alone:
// a released format's files are never written again.
//
//     ninja -C build tests/golden/ringside_golden_writer && build/tests/golden/ringside_golden_writer tests/golden

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/golden/segment_dump.h"
#include "tests/golden/segment_scenarios.h"

namespace {

bool write_new(const std::filesystem::path& path, const void* bytes, std::size_t size) {
    if (std::filesystem::exists(path)) {
        std::printf("%s is there already\n", path.c_str());
        return true;
    }
    std::ofstream file(path, std::ios::binary);
    file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    std::printf("%s: %zu bytes\n", path.c_str(), size);
    return static_cast<bool>(file.flush());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    for (const auto& scenario : ringside::golden::scenarios()) {
        std::string name = "v1_" + std::string(scenario.name);
        std::vector<std::uint8_t> bytes = ringside::golden::make(scenario);
        std::string text = ringside::golden::dump(bytes);
        std::filesystem::path folder = argv[1];
        if (bytes.empty() || !write_new(folder / (name + ".seg"), bytes.data(), bytes.size()) ||
            !write_new(folder / (name + ".txt"), text.data(), text.size())) {
            std::fprintf(stderr, "cannot write %s\n", name.c_str());
            return 1;
        }
    }
    return 0;
}
