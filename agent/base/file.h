// Files that must survive: the system calls they need behind one class, so that tests can fail any
// of them, and on top of it the one way to write a whole file so that a crash leaves the old
// content or the new one, never a mixture.
//
// Invariants:
//  D1  A file under its final name is complete: its bytes were synced before the rename.
//  D2  A name that ends in kTemporarySuffix belongs to a write that did not finish. Nobody reads
//  it, and whoever owns
//      the folder may remove it at start.
//  D3  After a failed fsync the file is given up, never synced again: the kernel reports a lost
//  page once.
#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace ringside::agent {

inline constexpr char kTemporarySuffix[] = ".tmp";

// One method per system call: the result of the call, or a negative errno; never EINTR. The class
// itself is the real thing; tests override methods to fail, to stop or to simulate a disk. Safe to
// use from several threads at once.
class FileSystem {
  public:
    virtual ~FileSystem() = default;

    virtual int open(const std::string& path, int flags, mode_t mode);
    virtual int close(int fd);
    virtual ssize_t write(int fd, const void* bytes, std::size_t size);  // may write less
    virtual ssize_t pread(int fd, void* bytes, std::size_t size, std::uint64_t offset);
    virtual int fsync(int fd);
    // fsync() of each, the results in the same order. One after the other here; real() has several under way at a time,
    // for a file system makes durable together what waits together.
    virtual std::vector<int> fsync_all(const std::vector<int>& fds);
    virtual int fstat(int fd, struct stat* status);
    virtual int lstat(const std::string& path, struct stat* status);
    virtual int mkdir(const std::string& path, mode_t mode);
    virtual int rename(const std::string& from, const std::string& to);
    virtual int unlink(const std::string& path);
    // Names in a folder without "." and "..", in no order. 0 or a negative errno.
    virtual int list(const std::string& path, std::vector<std::string>* names);

    static FileSystem& real();
};

// An open file; closes itself. Movable, not copyable. Only one thread at a time, but for read_at.
class File {
  public:
    File() = default;
    File(FileSystem& fs, int fd, std::string path) : fs_(&fs), fd_(fd), path_(std::move(path)) {}
    File(File&& other) noexcept { *this = std::move(other); }
    File& operator=(File&& other) noexcept;
    ~File() { close(); }

    // O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK are added; `what` names the file's role in errors ("archive
    // file").
    static Result<File> open(FileSystem& fs, const std::string& path, int flags, const std::string& what);

    bool is_open() const { return fd_ >= 0; }
    const std::string& path() const { return path_; }
    void close();

    Result<struct stat> status() const;
    // Exactly `size` bytes at `offset`; a file that ends before is kCorrupt.
    Result<void> read_at(std::uint64_t offset, void* bytes, std::size_t size) const;
    Result<void> write_all(const void* bytes, std::size_t size);
    Result<void> sync();
    int descriptor() const { return fd_; }

  private:
    FileSystem* fs_ = nullptr;
    int fd_ = -1;
    std::string path_;
};

// Writes `path` anew: bytes go to a temporary name beside it until commit(), which syncs them,
// renames and syncs the folder. Without commit(), or when it fails before the rename, the temporary
// file is removed and `path` is as before. Two writers of one path at once are the caller's
// mistake. When commit() fails after the rename the new content stands under its name, but may not
// outlive a power cut: write again, or make it durable with sync_directory().
class DurableFile {
  public:
    static Result<DurableFile> create(FileSystem& fs, const std::string& path, mode_t mode = 0640);

    DurableFile(DurableFile&& other) noexcept;
    DurableFile& operator=(DurableFile&&) = delete;
    ~DurableFile();

    Result<void> append(const void* bytes, std::size_t size);
    Result<void> append(std::string_view bytes) { return append(bytes.data(), bytes.size()); }
    std::uint64_t size() const { return size_; }
    // Writes what append() holds back, and lets go of its memory.
    Result<void> flush();
    Result<void> commit();

    // Syncs files of one file system together and gives each its name: all of commit() but the sync of the folder, up to
    // which a name may not outlive a power cut. What fails costs no other. The results are in the order of the files.
    static std::vector<Result<void>> name_all(FileSystem& fs, const std::vector<DurableFile*>& files);

  private:
    DurableFile(FileSystem& fs, File file, std::string path);
    Result<void> take_name();

    FileSystem* fs_;
    File file_;
    std::string path_;
    std::string temporary_;  // empty once renamed
    std::string buffer_;
    std::uint64_t size_ = 0;
};

// The whole file in one go, by DurableFile: after success it survives a power cut, after failure
// the old content does.
Result<void> write_file_durably(FileSystem& fs, const std::string& path, std::string_view bytes, mode_t mode = 0640);

// The whole content. kExhausted when it is longer than `max_bytes`; kInvalid when it is no regular
// file.
Result<std::string> read_file(FileSystem& fs, const std::string& path, std::size_t max_bytes);

// Whether an error of read_file() came with the file and would come again, as against one of the moment (no permission, no
// descriptors). Not for kNotFound.
bool is_bad_content(const Error& error);

// Makes renames and unlinks in this folder durable.
Result<void> sync_directory(FileSystem& fs, const std::string& path);

// The folder and its parents, as far as they are missing, each made durable. kInvalid when
// something else is there.
Result<void> make_directories(FileSystem& fs, const std::string& path, mode_t mode = 0750);

// Sorted names of a folder.
Result<std::vector<std::string>> list_directory(FileSystem& fs, const std::string& path);

// Removes what unfinished writes left in a folder (D2). For the folder's one owner, before it
// writes. The number removed.
Result<std::size_t> remove_temporaries(FileSystem& fs, const std::string& path);

// Removes a name; gone already is success.
Result<void> remove_file(FileSystem& fs, const std::string& path);

// The folder that holds `path`: "." for a bare name.
std::string parent_directory(const std::string& path);

}  // namespace ringside::agent
