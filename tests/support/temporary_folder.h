// A folder of the test's own, removed with all that is in it at the end.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace ringside::agent {

class TemporaryFolder {
  public:
    // `base`: an existing folder, such as "/dev/shm" for segments; by default the system's own for
    // temporary files.
    explicit TemporaryFolder(const std::string& base = std::filesystem::temp_directory_path()) {
        path_ = base + "/ringside-test-XXXXXX";
        if (mkdtemp(path_.data()) == nullptr) {
            std::perror(path_.c_str());
            std::abort();
        }
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

}  // namespace ringside::agent
