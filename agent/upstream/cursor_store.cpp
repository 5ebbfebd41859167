#include "agent/upstream/cursor_store.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {
namespace {

// The header is one record long, so that records stay aligned to their size.
constexpr std::string_view kMagic = "RINGSIDE CURSORS";
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kCursorMagic = 0x43525352;  // "RSRC" in the file
constexpr std::uint32_t kLossMagic = 0x4c525352;    // "RSRL"

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

void identity(ByteWriter& out, const Cursor& cursor) {
    out.raw({reinterpret_cast<const char*>(cursor.epoch.data()), cursor.epoch.size()});
    padded(out, cursor.vm_id, kVmIdBytes);
    padded(out, cursor.component, kComponentBytes);
}

std::string sealed(ByteWriter out) {
    out.zeros(kCursorRecordBytes - 4 - out.size());
    out.u32(crc32c(out.bytes()));
    return out.take();
}

void put(ByteWriter& out, std::uint64_t at_ns, const Tally& tally) {
    out.u64(at_ns);
    out.u64(tally.samples);
    out.u64(tally.digest);
}

std::string encode(const Cursor& cursor) {
    ByteWriter out;
    out.u32(kCursorMagic);
    out.u32((cursor.done ? kFlagDone : 0) | (cursor.superseded ? kFlagSuperseded : 0));
    identity(out, cursor);
    out.u64(cursor.created_ns);
    out.u64(cursor.acked_ns);
    out.u64(cursor.zeros_ns);
    out.u64(static_cast<std::uint64_t>(cursor.last_ms));
    out.u64(static_cast<std::uint64_t>(cursor.floor_ms));
    out.u64(cursor.accepted);
    put(out, cursor.tallied_ns, cursor.answered);
    put(out, cursor.half_ns, cursor.half);
    out.u64(cursor.shape);
    return sealed(std::move(out));
}

std::string encode(const Cursor& owner, std::size_t slot, const Loss& loss) {
    ByteWriter out;
    out.u32(kLossMagic);
    out.u32(static_cast<std::uint32_t>(slot));
    identity(out, owner);
    out.u32(loss.series);
    out.u64(loss.after_ns);
    out.u64(loss.until_ns);
    out.u64(loss.samples);
    padded(out, loss.reason, kReasonBytesMax + 1);
    return sealed(std::move(out));
}

std::string unpadded(std::string_view text) { return std::string(text.substr(0, text.find('\0'))); }

// One record: a cursor, or the identity of one and a loss of it.
struct Record {
    Cursor cursor;
    std::optional<std::size_t> slot;
    Loss loss;
};

void decode_cursor(ByteReader& in, std::uint32_t flags, Cursor& cursor) {
    cursor.done = (flags & kFlagDone) != 0;
    cursor.superseded = (flags & kFlagSuperseded) != 0;
    cursor.created_ns = in.u64();
    cursor.acked_ns = in.u64();
    cursor.zeros_ns = in.u64();
    cursor.last_ms = static_cast<std::int64_t>(in.u64());
    cursor.floor_ms = static_cast<std::int64_t>(in.u64());
    cursor.accepted = in.u64();
    for (auto [at_ns, tally] :
         {std::pair(&cursor.tallied_ns, &cursor.answered), std::pair(&cursor.half_ns, &cursor.half)}) {
        *at_ns = in.u64();
        tally->samples = in.u64();
        tally->digest = in.u64();
    }
    cursor.shape = in.u64();
}

Loss decode_loss(ByteReader& in) {
    Loss loss;
    loss.series = in.u32();
    loss.after_ns = in.u64();
    loss.until_ns = in.u64();
    loss.samples = in.u64();
    loss.reason = unpadded(in.raw(kReasonBytesMax + 1));
    return loss;
}

std::optional<Record> decode(std::string_view bytes) {
    std::string_view body = bytes.substr(0, kCursorRecordBytes - 4);
    ByteReader sum(bytes.substr(body.size()));
    if (sum.u32() != crc32c(body)) return std::nullopt;
    ByteReader in(body);
    const std::uint32_t magic = in.u32();
    const std::uint32_t flags_or_slot = in.u32();
    Record record;
    for (std::uint8_t& byte : record.cursor.epoch) byte = in.u8();
    record.cursor.vm_id = unpadded(in.raw(kVmIdBytes));
    record.cursor.component = unpadded(in.raw(kComponentBytes));
    if (magic == kCursorMagic) {
        decode_cursor(in, flags_or_slot, record.cursor);
        return record;
    }
    if (magic != kLossMagic) return std::nullopt;
    record.slot = flags_or_slot;
    record.loss = decode_loss(in);
    return record;
}

}  // namespace

std::string cursor_key(const Cursor& cursor) {
    VmInfo vm;
    vm.vm_id = cursor.vm_id;
    vm.component = cursor.component;
    vm.epoch = cursor.epoch;
    return vm_key(vm);
}

void restart_tally(Cursor& cursor) {
    cursor.tallied_ns = cursor.half_ns = cursor.acked_ns;
    cursor.answered = cursor.half = {};
}

void slide_tally(Cursor& cursor, std::uint64_t span_ns) {
    if (cursor.acked_ns > cursor.tallied_ns + span_ns) {
        cursor.tallied_ns = cursor.half_ns;
        cursor.answered.remove(cursor.half);
        cursor.half = {};
        // After a long silence the newer half, too, is of windows that a ring has let go.
        if (cursor.acked_ns > cursor.tallied_ns + span_ns) restart_tally(cursor);
    }
    if (cursor.half_ns == cursor.tallied_ns && cursor.acked_ns >= cursor.tallied_ns + span_ns / 2) {
        cursor.half_ns = cursor.acked_ns;
        cursor.half = cursor.answered;
    }
}

CursorStore::CursorStore(CursorStore&& other)
    : files_(other.files_),
      path_(std::move(other.path_)),
      max_(other.max_),
      cursors_(std::move(other.cursors_)),
      losses_(std::move(other.losses_)),
      changed_(std::move(other.changed_)),
      changed_losses_(std::move(other.changed_losses_)),
      log_(std::move(other.log_)),
      log_records_(other.log_records_),
      damaged_(other.damaged_),
      put_aside_(std::move(other.put_aside_)) {}

Result<CursorStore> CursorStore::open(FileSystem& files, std::string path, std::size_t max) {
    if (Result<void> folder = make_directories(files, parent_directory(path)); !folder) {
        return folder.error();
    }
    CursorStore store(files, std::move(path), max);
    // Twice what is kept and the spare ones is the most that a file of ours holds.
    const std::size_t bytes_max = (2 * max * (1 + kLossesMax) + kSpareRecords + 2) * kCursorRecordBytes;
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
        std::optional<Record> record = decode(bytes.substr(at, kCursorRecordBytes));
        if (!record) {
            ++bad;
        } else if (record->slot) {
            losses_[cursor_key(record->cursor)].put(*record->slot, std::move(record->loss));
        } else {
            ++good;
            put(record->cursor);
        }
    }
    std::erase_if(losses_, [this](const auto& entry) { return !cursors_.contains(entry.first); });
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
    std::map<std::string, Cursor>::iterator at;
    bool added = false;
    {
        std::lock_guard lock(mutex_);
        std::tie(at, added) = cursors_.insert_or_assign(key, cursor);
    }
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

void CursorStore::lose(const std::string& key, Loss loss) {
    std::lock_guard lock(mutex_);
    LossList& list = losses_[key];
    const std::size_t slot = list.add(std::move(loss));
    if (slot < list.all().size()) changed_losses_.emplace(key, slot);
}

void CursorStore::forget(const std::string& key) {
    std::lock_guard lock(mutex_);
    cursors_.erase(key);
    losses_.erase(key);
    changed_.erase(key);
    std::erase_if(changed_losses_, [&](const auto& change) { return change.first == key; });
    // Its records stay in the file until that is written anew; read back, it is forgotten again.
}

void CursorStore::forget_losses_without_cursor(const std::unordered_set<std::string>& keep) {
    std::lock_guard lock(mutex_);
    const auto kept = [&](const std::string& key) { return cursors_.contains(key) || keep.contains(key); };
    std::erase_if(losses_, [&](const auto& entry) { return !kept(entry.first); });
    std::erase_if(changed_losses_, [&](const auto& change) { return !kept(change.first); });
}

std::optional<Ledger> CursorStore::ledger(const std::string& key) const {
    std::lock_guard lock(mutex_);
    Ledger ledger;
    const auto cursor = cursors_.find(key);
    const auto losses = losses_.find(key);
    if (cursor == cursors_.end() && losses == losses_.end()) return std::nullopt;
    if (cursor != cursors_.end()) ledger.cursor = cursor->second;
    if (losses != losses_.end()) ledger.losses = losses->second.all();
    return ledger;
}

Result<void> CursorStore::save() {
    if (changed_.empty()) return {};
    bool mostly_history = log_records_ + changes() > 2 * kept() + kSpareRecords;
    Result<void> saved = log_.is_open() && !mostly_history ? append() : replace();
    if (saved.ok()) {
        changed_.clear();
        // Those of an epoch without cursor wait for it.
        std::erase_if(changed_losses_, [this](const auto& change) { return cursors_.contains(change.first); });
    } else {
        log_.close();  // C3
    }
    return saved;
}

Result<void> CursorStore::append() {
    std::string records;
    for (const auto& [key, slot] : changed_losses_) {
        auto owner = cursors_.find(key);
        if (owner != cursors_.end()) records += encode(owner->second, slot, losses_.at(key).all()[slot]);
    }
    for (const std::string& key : changed_) records += encode(cursors_.at(key));
    if (Result<void> wrote = log_.write_all(records.data(), records.size()); !wrote) return wrote;
    if (Result<void> synced = log_.sync(); !synced) return synced;
    log_records_ += records.size() / kCursorRecordBytes;
    return {};
}

Result<void> CursorStore::replace() {
    log_.close();
    std::string bytes = header();
    for (const auto& [key, list] : losses_) {
        auto owner = cursors_.find(key);
        if (owner == cursors_.end()) continue;
        for (std::size_t slot = 0; slot < list.all().size(); ++slot) {
            bytes += encode(owner->second, slot, list.all()[slot]);
        }
    }
    for (const auto& [key, cursor] : cursors_) bytes += encode(cursor);
    if (Result<void> wrote = write_file_durably(*files_, path_, bytes); !wrote) return wrote;
    log_records_ = bytes.size() / kCursorRecordBytes - 1;
    // The content is safe already; where the file cannot be opened the next save replaces it again.
    Result<File> log = File::open(*files_, path_, O_WRONLY | O_APPEND, "cursor file");
    if (log.ok()) log_ = std::move(*log);
    return {};
}

std::size_t CursorStore::kept() const {
    std::size_t records = cursors_.size();
    for (const auto& [key, list] : losses_) records += list.all().size();
    return records;
}

}  // namespace ringside::agent
