#include "tests/simulation/host_disk.h"

#include <fcntl.h>

#include <cerrno>

namespace ringside::simulation {

HostDisk::HostDisk(std::uint64_t seed) : random_(seed) {
    disk_.mkdir("/state", 0750);
    const int root = disk_.open("/", O_RDONLY, 0);
    disk_.fsync(root);
    disk_.close(root);
}

void HostDisk::start_anew(bool lose_unsynced) {
    if (lose_unsynced) {
        disk_.cut_power(random_);
    } else {
        disk_.kill_process();
    }
    paths_.clear();
    dead_ = false;
    die_in_ = 0;
}

void HostDisk::fail_with(int errno_value, double share) {
    errno_ = errno_value;
    share_ = share;
}

template <typename Effect>
auto HostDisk::run(Call kind, Effect effect) -> decltype(effect()) {
    using Answer = decltype(effect());
    if (dead_) return static_cast<Answer>(-EIO);
    ++calls_;
    if (die_in_ != 0 && kind != Call::kInDestructors && --die_in_ == 0) {
        ++deaths_in_calls_;
        if (random_() % 2 == 0) static_cast<void>(effect());
        dead_ = true;
        if (std::this_thread::get_id() == owner_) throw AgentDied{};
        return static_cast<Answer>(-EIO);
    }
    if (errno_ != 0 && kind == Call::kWrites) {
        const double draw = static_cast<double>(random_() >> 11) * 0x1p-53;
        if (draw < share_) {
            ++failed_calls_;
            return static_cast<Answer>(-errno_);
        }
    }
    return effect();
}

int HostDisk::open(const std::string& path, int flags, mode_t mode) {
    const bool writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
    return run(writes ? Call::kWrites : Call::kReads, [&] {
        const int fd = disk_.open(path, flags, mode);
        if (fd >= 0) paths_[fd] = path;
        return fd;
    });
}

int HostDisk::close(int fd) {
    return run(Call::kInDestructors, [&] {
        paths_.erase(fd);
        return disk_.close(fd);
    });
}

ssize_t HostDisk::write(int fd, const void* bytes, std::size_t size) {
    // Now and then a part alone: the caller goes on with the rest.
    if (size > 1 && random_() % 16 == 0) size = 1 + random_() % (size - 1);
    return run(Call::kWrites, [&] { return disk_.write(fd, bytes, size); });
}

ssize_t HostDisk::pread(int fd, void* bytes, std::size_t size, std::uint64_t offset) {
    return run(Call::kReads, [&] { return disk_.pread(fd, bytes, size, offset); });
}

int HostDisk::fsync(int fd) {
    return run(Call::kWrites, [&] {
        auto path = paths_.find(fd);
        if (fsync_lies && path != paths_.end() && fsync_lies(path->second)) return 0;
        return disk_.fsync(fd);
    });
}

int HostDisk::fstat(int fd, struct stat* status) {
    return run(Call::kReads, [&] { return disk_.fstat(fd, status); });
}
int HostDisk::lstat(const std::string& path, struct stat* status) {
    return run(Call::kReads, [&] { return disk_.lstat(path, status); });
}
int HostDisk::mkdir(const std::string& path, mode_t mode) {
    return run(Call::kWrites, [&] { return disk_.mkdir(path, mode); });
}
int HostDisk::rename(const std::string& from, const std::string& to) {
    return run(Call::kWrites, [&] { return disk_.rename(from, to); });
}
int HostDisk::unlink(const std::string& path) {
    return run(Call::kInDestructors, [&] { return disk_.unlink(path); });
}
int HostDisk::list(const std::string& path, std::vector<std::string>* names) {
    return run(Call::kReads, [&] { return disk_.list(path, names); });
}

}  // namespace ringside::simulation
