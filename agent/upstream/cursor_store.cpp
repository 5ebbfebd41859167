#include "agent/upstream/cursor_store.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {
namespace {

// The header is one record long, so that records stay aligned to their size.
constexpr std::string_view kMagic = "RINGSIDE CURSORS";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kRecordMagic = 0x43525352;  // "RSRC" in the file

constexpr std::size_t kVmIdBytes = 64;
constexpr std::size_t kComponentBytes = 32;

constexpr std::uint32_t kFlagDone = 1;
constexpr std::uint32_t kFlagSuperseded = 2;

// How much history a file may hold before it is written anew.
constexpr std::size_t kSpareRecords = 1024;

std::string header() {
    ByteWriter out;
    out.raw(kMagic);
    out.u32(kVersion);
    out.zeros(kCursorRecordBytes - 4 - out.size());
    out.u32(crc32c(out.bytes()));
    return out.take();
}

void padded(ByteWriter& out, std::string_view text, std::size_t bytes) {
    text = text.substr(0, bytes);
    out.raw(text);
    out.zeros(bytes - text.size());
}

std::string encode(const Cursor& cursor) {
    ByteWriter out;
    out.u32(kRecordMagic);
    out.u32((cursor.done ? kFlagDone : 0) | (cursor.superseded ? kFlagSuperseded : 0));
    out.raw({reinterpret_cast<const char*>(cursor.epoch.data()), cursor.epoch.size()});
    out.u64(cursor.created_ns);
    out.u64(cursor.acked_ns);
    out.u64(cursor.zeros_ns);
    out.u64(static_cast<std::uint64_t>(cursor.last_ms));
    out.u64(static_cast<std::uint64_t>(cursor.floor_ms));
    padded(out, cursor.vm_id, kVmIdBytes);
    padded(out, cursor.component, kComponentBytes);
    out.zeros(kCursorRecordBytes - 4 - out.size());
    out.u32(crc32c(out.bytes()));
    return out.take();
}

std::string unpadded(std::string_view text) { return std::string(text.substr(0, text.find('\0'))); }

std::optional<Cursor> decode(std::string_view record) {
    std::string_view body = record.substr(0, kCursorRecordBytes - 4);
    ByteReader sum(record.substr(body.size()));
    if (sum.u32() != crc32c(body)) return std::nullopt;
    ByteReader in(body);
    if (in.u32() != kRecordMagic) return std::nullopt;
    Cursor cursor;
    std::uint32_t flags = in.u32();
    cursor.done = (flags & kFlagDone) != 0;
    cursor.superseded = (flags & kFlagSuperseded) != 0;
    for (std::uint8_t& byte : cursor.epoch) byte = in.u8();
    cursor.created_ns = in.u64();
    cursor.acked_ns = in.u64();
    cursor.zeros_ns = in.u64();
    cursor.last_ms = static_cast<std::int64_t>(in.u64());
    cursor.floor_ms = static_cast<std::int64_t>(in.u64());
    cursor.vm_id = unpadded(in.raw(kVmIdBytes));
    cursor.component = unpadded(in.raw(kComponentBytes));
    return cursor;
}

// Errors that come with the file and would come again, as against those of the moment.
bool is_bad_content(const Error& error) {
    return error.errno_value == 0 || error.errno_value == EIO || error.errno_value == ELOOP ||
           error.errno_value == EISDIR;
}

}  // namespace

std::string cursor_key(const Cursor& cursor) {
    VmInfo vm;
    vm.vm_id = cursor.vm_id;
    vm.component = cursor.component;
    vm.epoch = cursor.epoch;
    return vm_key(vm);
}

Result<CursorStore> CursorStore::open(FileSystem& files, std::string path, std::size_t max) {
    if (Result<void> folder = make_directories(files, parent_directory(path)); !folder) {
        return folder.error();
    }
    CursorStore store(files, std::move(path), max);
    // Twice the live cursors and the spare ones is the most that a file of ours holds.
    const std::size_t bytes_max = (2 * max + kSpareRecords + 2) * kCursorRecordBytes;
    Result<std::string> bytes = read_file(files, store.path_, bytes_max);
    if (bytes.ok()) {
        store.read(*bytes);
    } else if (is_bad_content(bytes.error())) {
        store.put_aside_ = bytes.error().message();
    } else if (bytes.error().code != Code::kNotFound) {
        return bytes.error();  // No permission, no descriptors: a good file must stay where it is.
    }
    if (!store.put_aside_.empty()) {
        int moved = files.rename(store.path_, store.path_ + ".damaged");
        if (moved < 0) {
            return errno_error(
                -moved, "cannot use the cursor file " + store.path_ + " (" + store.put_aside_ + ") nor move it aside");
        }
    }
    return store;
}

void CursorStore::read(std::string_view bytes) {
    // A damaged header costs nothing: every record speaks for itself.
    bool known = bytes.substr(0, kCursorRecordBytes) == header();
    std::size_t good = 0, bad = 0, at = std::min(bytes.size(), kCursorRecordBytes);
    for (; at + kCursorRecordBytes <= bytes.size(); at += kCursorRecordBytes) {
        std::optional<Cursor> cursor = decode(bytes.substr(at, kCursorRecordBytes));
        if (cursor) {
            ++good;
            put(*cursor);
        } else {
            ++bad;
        }
    }
    changed_.clear();
    damaged_ = bad + (known ? 0 : 1) + (at < bytes.size() ? 1 : 0);
    if (good == 0 && damaged_ > 0) put_aside_ = "not one cursor in it can be read";
}

const Cursor* CursorStore::find(const std::string& key) const {
    auto at = cursors_.find(key);
    return at == cursors_.end() ? nullptr : &at->second;
}

void CursorStore::put(const Cursor& cursor) {
    std::string key = cursor_key(cursor);
    auto [at, added] = cursors_.insert_or_assign(key, cursor);
    changed_.insert(std::move(key));
    if (!added || cursors_.size() <= max_) return;
    auto older = [](const auto& a, const auto& b) {
        return std::pair(!a.second.done, a.second.created_ns) < std::pair(!b.second.done, b.second.created_ns);
    };
    auto oldest = cursors_.end();
    for (auto i = cursors_.begin(); i != cursors_.end(); ++i) {
        if (i != at && (oldest == cursors_.end() || older(*i, *oldest))) oldest = i;
    }
    if (oldest != cursors_.end()) forget(std::string(oldest->first));
}

void CursorStore::forget(const std::string& key) {
    cursors_.erase(key);
    changed_.erase(key);
    // Its records stay in the file until that is written anew; read back, it is forgotten again.
}

Result<void> CursorStore::save() {
    if (changed_.empty()) return {};
    bool mostly_history = log_records_ + changed_.size() > 2 * cursors_.size() + kSpareRecords;
    Result<void> saved = log_.is_open() && !mostly_history ? append() : replace();
    if (saved.ok()) {
        changed_.clear();
    } else {
        log_.close();  // C3
    }
    return saved;
}

Result<void> CursorStore::append() {
    std::string records;
    for (const std::string& key : changed_) records += encode(cursors_.at(key));
    if (Result<void> wrote = log_.write_all(records.data(), records.size()); !wrote) return wrote;
    if (Result<void> synced = log_.sync(); !synced) return synced;
    log_records_ += changed_.size();
    return {};
}

Result<void> CursorStore::replace() {
    log_.close();
    std::string bytes = header();
    for (const auto& [key, cursor] : cursors_) bytes += encode(cursor);
    if (Result<void> wrote = write_file_durably(*files_, path_, bytes); !wrote) return wrote;
    log_records_ = cursors_.size();
    // The content is safe already; where the file cannot be opened the next save replaces it again.
    Result<File> log = File::open(*files_, path_, O_WRONLY | O_APPEND, "cursor file");
    if (log.ok()) log_ = std::move(*log);
    return {};
}

}  // namespace ringside::agent
