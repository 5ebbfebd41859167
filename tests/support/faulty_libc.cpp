#include "faulty_libc.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <set>

namespace ringside::faulty_libc {
namespace {

bool armed = false;
int fail_at = 0;
int fail_with = 0;
std::vector<std::string> calls;
std::set<int> descriptors;
std::set<void*> mappings;

// The error of this call, or 0 when it is to be made.
int turn_of(const std::string& name) {
    if (!armed) return 0;
    calls.push_back(name);
    return static_cast<int>(calls.size()) == fail_at ? fail_with : 0;
}

// The same for calls that say -1 and set errno.
bool fails(const std::string& name) {
    int error = turn_of(name);
    if (error > 0) errno = error;
    return error != 0;
}

}  // namespace

void arm(int at, int error) {
    armed = true;
    fail_at = at;
    fail_with = error;
    calls.clear();
}

std::vector<std::string> disarm() {
    armed = false;
    return calls;
}

int open_descriptors() { return static_cast<int>(descriptors.size()); }
int live_mappings() { return static_cast<int>(mappings.size()); }

}  // namespace ringside::faulty_libc

using namespace ringside::faulty_libc;

extern "C" {

int __real_open(const char* path, int flags, ...);
int __wrap_open(const char* path, int flags, ...);
int __wrap_open(const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (fails("open " + std::string(path))) return -1;
    int fd = __real_open(path, flags, mode);
    if (fd >= 0) descriptors.insert(fd);
    return fd;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    descriptors.erase(fd);
    int error = turn_of("close");
    int result = __real_close(fd);
    if (error == 0) return result;
    errno = error;
    return -1;
}

ssize_t __real_read(int fd, void* to, size_t size);
ssize_t __wrap_read(int fd, void* to, size_t size);
ssize_t __wrap_read(int fd, void* to, size_t size) {
    int error = turn_of("read");
    if (error == kShort) return __real_read(fd, to, size - 1);
    if (error == 0) return __real_read(fd, to, size);
    errno = error;
    return -1;
}

ssize_t __real_getrandom(void* to, size_t size, unsigned int flags);
ssize_t __wrap_getrandom(void* to, size_t size, unsigned int flags);
ssize_t __wrap_getrandom(void* to, size_t size, unsigned int flags) {
    int error = turn_of("getrandom");
    if (error == kShort) return __real_getrandom(to, size - 1, flags);
    if (error == 0) return __real_getrandom(to, size, flags);
    errno = error;
    return -1;
}

void* __real_mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset);
void* __wrap_mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset);
void* __wrap_mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
    if (fails((flags & MAP_ANONYMOUS) != 0 ? "mmap memory" : "mmap file")) return MAP_FAILED;
    void* made = __real_mmap(at, size, protection, flags, fd, offset);
    if (made != MAP_FAILED) mappings.insert(made);
    return made;
}

int __real_munmap(void* at, size_t size);
int __wrap_munmap(void* at, size_t size);
int __wrap_munmap(void* at, size_t size) {
    if (fails("munmap")) return -1;
    mappings.erase(at);
    return __real_munmap(at, size);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
    va_list more;
    va_start(more, command);
    void* argument = va_arg(more, void*);
    va_end(more);
    return fails("fcntl") ? -1 : __real_fcntl(fd, command, argument);
}

int __real_fstat(int fd, struct stat* out);
int __wrap_fstat(int fd, struct stat* out);
int __wrap_fstat(int fd, struct stat* out) { return fails("fstat") ? -1 : __real_fstat(fd, out); }

int __real_fstatfs(int fd, struct statfs* out);
int __wrap_fstatfs(int fd, struct statfs* out);
int __wrap_fstatfs(int fd, struct statfs* out) { return fails("fstatfs") ? -1 : __real_fstatfs(fd, out); }

int __real_getrlimit(int which, struct rlimit* out);
int __wrap_getrlimit(int which, struct rlimit* out);
int __wrap_getrlimit(int which, struct rlimit* out) { return fails("getrlimit") ? -1 : __real_getrlimit(which, out); }

// These two hand back the error.
int __real_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size);
int __wrap_posix_fallocate(int fd, off_t offset, off_t size) {
    int error = turn_of("posix_fallocate");
    return error != 0 ? error : __real_posix_fallocate(fd, offset, size);
}

int __real_pthread_atfork(void (*before)(), void (*parent)(), void (*child)());
int __wrap_pthread_atfork(void (*before)(), void (*parent)(), void (*child)());
int __wrap_pthread_atfork(void (*before)(), void (*parent)(), void (*child)()) {
    int error = turn_of("pthread_atfork");
    return error != 0 ? error : __real_pthread_atfork(before, parent, child);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode) { return fails("fchmod") ? -1 : __real_fchmod(fd, mode); }

int __real_fchown(int fd, uid_t owner, gid_t group);
int __wrap_fchown(int fd, uid_t owner, gid_t group);
int __wrap_fchown(int fd, uid_t owner, gid_t group) { return fails("fchown") ? -1 : __real_fchown(fd, owner, group); }

int __real_madvise(void* at, size_t size, int advice);
int __wrap_madvise(void* at, size_t size, int advice);
int __wrap_madvise(void* at, size_t size, int advice) {
    return fails("madvise") ? -1 : __real_madvise(at, size, advice);
}

int __real_unlink(const char* path);
int __wrap_unlink(const char* path);
int __wrap_unlink(const char* path) { return fails("unlink") ? -1 : __real_unlink(path); }

// renameat2 is the only one.
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...) {
    va_list more;
    va_start(more, number);
    long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long);
    long d = va_arg(more, long), e = va_arg(more, long);
    va_end(more);
    return fails("renameat2") ? -1 : __real_syscall(number, a, b, c, d, e);
}
}
