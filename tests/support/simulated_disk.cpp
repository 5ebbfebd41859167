#include "tests/support/simulated_disk.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

namespace ringside::agent {

namespace {

// "/a//b/." and "/a/b" are one name.
std::string plain(const std::string& path) {
    std::string result;
    std::size_t at = 0;
    while (at < path.size()) {
        std::size_t end = std::min(path.find('/', at), path.size());
        std::string part = path.substr(at, end - at);
        if (!part.empty() && part != ".") result += "/" + part;
        at = end + 1;
    }
    return result.empty() ? "/" : result;
}

void fill(bool folder, std::uint64_t inode, std::size_t size, struct stat* status) {
    *status = {};
    status->st_mode = folder ? S_IFDIR | 0750 : S_IFREG | 0640;
    status->st_ino = inode;
    status->st_nlink = 1;
    status->st_size = static_cast<off_t>(size);
}

}  // namespace

SimulatedDisk::SimulatedDisk() {
    auto root = std::make_shared<Node>();
    root->folder = true;
    names_["/"] = root;
    durable_ = names_;
}

void SimulatedDisk::put(const std::string& path, const std::string& bytes) {
    auto node = std::make_shared<Node>();
    node->inode = next_inode_++;
    node->bytes = node->durable = bytes;
    names_[plain(path)] = durable_[plain(path)] = node;
}

std::optional<std::string> SimulatedDisk::content(const std::string& path) const {
    NodePtr node = find(path);
    if (node == nullptr || node->folder) return std::nullopt;
    return node->bytes;
}

void SimulatedDisk::kill_process() { open_.clear(); }

void SimulatedDisk::cut_power(std::mt19937_64& random) {
    open_.clear();
    std::map<std::uint64_t, bool> kept;
    for (const Change& one : changes_) {
        auto [decision, first] = kept.try_emplace(one.group, random() % 2 == 0);
        if (!decision->second) continue;
        if (one.node == nullptr) {
            durable_.erase(one.name);
        } else {
            durable_[one.name] = one.node;
        }
    }
    // A file in a folder that never came to be is gone with it.
    std::erase_if(durable_, [this](const auto& entry) {
        return entry.first != "/" && !durable_.contains(plain(parent_directory(entry.first)));
    });
    for (auto& [name, node] : durable_) {
        if (node->bytes == node->durable) continue;
        // Each 64 bytes came down, or did not: zeros, if the length did.
        std::string bytes = node->durable;
        // What was synced stays where a file has only grown since.
        std::size_t least = node->grown ? node->durable.size() : 0;
        bytes.resize(least + random() % (node->bytes.size() - least + 1), '\0');
        for (std::size_t at = 0; at < bytes.size(); at += 64) {
            if (random() % 2 == 0) continue;
            std::size_t size = std::min<std::size_t>({64, bytes.size() - at, node->bytes.size() - at});
            bytes.replace(at, size, node->bytes.substr(at, size));
        }
        node->bytes = node->durable = bytes;
        node->grown = true;
    }
    names_ = durable_;
    changes_.clear();
}

SimulatedDisk::NodePtr SimulatedDisk::find(const std::string& path) const {
    auto found = names_.find(plain(path));
    return found == names_.end() ? nullptr : found->second;
}

void SimulatedDisk::change(const std::string& path, NodePtr node, std::uint64_t group) {
    if (node == nullptr) {
        names_.erase(path);
    } else {
        names_[path] = node;
    }
    changes_.push_back({path, std::move(node), group});
}

std::uint64_t SimulatedDisk::used() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, node] : names_) bytes += node->bytes.size();
    return bytes;
}

int SimulatedDisk::open(const std::string& path, int flags, mode_t) {
    std::string name = plain(path);
    NodePtr node = find(name);
    if (auto refused = refused_.find(name); refused != refused_.end() && refused->second != 0) return -refused->second;
    if (node != nullptr && (flags & O_EXCL) != 0) return -EEXIST;
    if (node == nullptr) {
        if ((flags & O_CREAT) == 0) return -ENOENT;
        NodePtr folder = find(parent_directory(name));
        if (folder == nullptr) return -ENOENT;
        node = std::make_shared<Node>();
        node->inode = next_inode_++;
        change(name, node, next_group_++);
    }
    if ((flags & O_DIRECTORY) != 0 && !node->folder) return -ENOTDIR;
    if ((flags & O_TRUNC) != 0) {
        node->bytes.clear();
        node->grown = node->durable.empty();
    }
    open_[next_fd_] = {node, name};
    return next_fd_++;
}

int SimulatedDisk::close(int fd) { return open_.erase(fd) == 1 ? 0 : -EBADF; }

ssize_t SimulatedDisk::write(int fd, const void* bytes, std::size_t size) {
    auto file = open_.find(fd);
    if (file == open_.end()) return -EBADF;
    if (capacity_ != UINT64_MAX) {
        std::uint64_t now = used();
        if (now >= capacity_) return -ENOSPC;
        size = static_cast<std::size_t>(std::min<std::uint64_t>(size, capacity_ - now));
    }
    file->second.node->bytes.append(static_cast<const char*>(bytes), size);
    return static_cast<ssize_t>(size);
}

ssize_t SimulatedDisk::pread(int fd, void* bytes, std::size_t size, std::uint64_t offset) {
    auto file = open_.find(fd);
    if (file == open_.end()) return -EBADF;
    if (file->second.node->folder) return -EISDIR;
    const std::string& all = file->second.node->bytes;
    if (offset >= all.size()) return 0;
    size = std::min<std::size_t>(size, all.size() - offset);
    std::memcpy(bytes, all.data() + offset, size);
    return static_cast<ssize_t>(size);
}

int SimulatedDisk::fsync(int fd) {
    auto file = open_.find(fd);
    if (file == open_.end()) return -EBADF;
    Node& node = *file->second.node;
    if (!node.folder) {
        if (!node.grown) node.durable.clear();
        node.durable.append(node.bytes, node.durable.size());
        node.grown = true;
        return 0;
    }
    // Changes of other folders keep their order among themselves.
    std::set<std::uint64_t> groups;
    for (const Change& one : changes_) {
        if (plain(parent_directory(one.name)) == file->second.path) groups.insert(one.group);
    }
    std::vector<Change> rest;
    for (Change& one : changes_) {
        if (!groups.contains(one.group)) {
            rest.push_back(std::move(one));
        } else if (one.node == nullptr) {
            durable_.erase(one.name);
        } else {
            durable_[one.name] = one.node;
        }
    }
    changes_ = std::move(rest);
    return 0;
}

int SimulatedDisk::fstat(int fd, struct stat* status) {
    auto file = open_.find(fd);
    if (file == open_.end()) return -EBADF;
    fill(file->second.node->folder, file->second.node->inode, file->second.node->bytes.size(), status);
    return 0;
}

int SimulatedDisk::lstat(const std::string& path, struct stat* status) {
    NodePtr node = find(path);
    if (node == nullptr) return -ENOENT;
    if (!node->folder && (path.ends_with("/.") || path.ends_with("/"))) return -ENOTDIR;
    fill(node->folder, node->inode, node->bytes.size(), status);
    return 0;
}

int SimulatedDisk::mkdir(const std::string& path, mode_t) {
    std::string name = plain(path);
    if (find(name) != nullptr) return -EEXIST;
    if (find(parent_directory(name)) == nullptr) return -ENOENT;
    auto node = std::make_shared<Node>();
    node->folder = true;
    node->inode = next_inode_++;
    change(name, node, next_group_++);
    return 0;
}

int SimulatedDisk::rename(const std::string& from, const std::string& to) {
    NodePtr node = find(from);
    if (node == nullptr || find(parent_directory(plain(to))) == nullptr) return -ENOENT;
    std::uint64_t group = next_group_++;
    change(plain(to), node, group);
    change(plain(from), nullptr, group);
    return 0;
}

int SimulatedDisk::unlink(const std::string& path) {
    NodePtr node = find(path);
    if (node == nullptr) return -ENOENT;
    if (node->folder) return -EISDIR;
    change(plain(path), nullptr, next_group_++);
    return 0;
}

int SimulatedDisk::list(const std::string& path, std::vector<std::string>* names) {
    NodePtr folder = find(path);
    if (folder == nullptr) return -ENOENT;
    if (!folder->folder) return -ENOTDIR;
    names->clear();
    for (const auto& [name, node] : names_) {
        if (name != "/" && plain(parent_directory(name)) == plain(path))
            names->push_back(name.substr(name.rfind('/') + 1));
    }
    return 0;
}

}  // namespace ringside::agent
