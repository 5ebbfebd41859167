#include "agent/archive/archived_vm.h"

#include <fcntl.h>

#include <optional>
#include <utility>

#include "agent/archive/run_reader.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

Result<std::shared_ptr<const SchemaInfo>> SchemaPool::get(const std::string& bytes) {
    std::lock_guard lock(mutex_);
    auto found = schemas_.find(bytes);
    if (found != schemas_.end()) {
        if (auto schema = found->second.lock()) return schema;
    }
    Result<SchemaInfo> decoded = decode_schema(bytes);
    if (!decoded.ok()) return decoded.error();
    auto schema = std::make_shared<const SchemaInfo>(std::move(*decoded));
    // New schemas are rare: the time to drop those that nobody has any more.
    std::erase_if(schemas_, [](const auto& entry) { return entry.second.expired(); });
    schemas_[bytes] = schema;
    return schema;
}

Error ArchivedVm::with_path(const Error& error) const {
    Error named = error;
    named.context = "archive file " + path_ + ": " + error.context;
    return named;
}

Result<File> ArchivedVm::open_file() const {
    Result<File> file = File::open(*fs_, path_, O_RDONLY, "archive file");
    if (!file.ok() && file.error().code == Code::kNotFound) {
        return error(Code::kNotFound, "archive file " + path_ + " is gone: it was evicted");
    }
    return file;
}

Result<ArchiveFooter> ArchivedVm::read_footer(const File& file, std::uint64_t size) const {
    std::string bytes(kArchiveFooterBytes, '\0');
    auto got = file.read_at(size - kArchiveFooterBytes, bytes.data(), bytes.size());
    if (!got.ok()) return got.error();
    Result<ArchiveFooter> footer = decode_footer(bytes, size);
    if (!footer.ok()) return with_path(footer.error());
    return footer;
}

// What is corrupt may be sound and of another file: the VM was archived again, under the same name.
Error ArchivedVm::unless_replaced(const File& file, const Error& failure) const {
    if (failure.code != Code::kCorrupt && failure.code != Code::kInvalid) return failure;
    Result<struct stat> status = file.status();
    if (!status.ok() || static_cast<std::uint64_t>(status->st_size) < kArchiveFooterBytes) return failure;
    Result<ArchiveFooter> footer = read_footer(file, static_cast<std::uint64_t>(status->st_size));
    if (!footer.ok() || *footer == footer_) return failure;
    return with_path(error(Code::kUnavailable, "the VM was archived again meanwhile: ask once more"));
}

Result<std::string> ArchivedVm::section(const File& file, const ArchiveFooter::Section& section,
                                        const char* what) const {
    std::string bytes(section.bytes, '\0');
    Result<void> got = file.read_at(section.offset, bytes.data(), bytes.size());
    if (!got.ok()) return got.error();
    if (crc32c(bytes) != section.crc) {
        return with_path(error(Code::kCorrupt, std::string("the checksum of the ") + what + " is wrong"));
    }
    return bytes;
}

Result<std::shared_ptr<const ArchivedVm>> ArchivedVm::open(FileSystem& fs, const std::string& path, SchemaPool& pool) {
    std::shared_ptr<ArchivedVm> vm(new ArchivedVm(fs, path));
    Result<File> file = vm->open_file();
    if (!file.ok()) return file.error();
    Result<struct stat> status = file->status();
    if (!status.ok()) return status.error();
    if (!S_ISREG(status->st_mode)) {
        return vm->with_path(error(Code::kCorrupt, "it is not a regular file"));
    }
    auto size = static_cast<std::uint64_t>(status->st_size);
    if (size < kArchiveHeaderBytes + kArchiveFooterBytes) {
        return vm->with_path(error(Code::kCorrupt, "it is too short"));
    }
    std::string bytes(kArchiveHeaderBytes, '\0');
    if (auto got = file->read_at(0, bytes.data(), bytes.size()); !got.ok()) return got.error();
    Result<Epoch> epoch = decode_header(bytes);
    if (!epoch.ok()) return vm->with_path(epoch.error());

    Result<ArchiveFooter> footer = vm->read_footer(*file, size);
    if (!footer.ok()) return footer.error();
    vm->footer_ = *footer;

    Result<std::string> vm_bytes = vm->section(*file, footer->vm, "VM section");
    if (!vm_bytes.ok()) return vm_bytes.error();
    Result<DecodedVm> decoded = decode_vm(*vm_bytes);
    if (!decoded.ok()) return vm->with_path(decoded.error());
    vm->vm_ = std::move(decoded->vm);
    vm->archived_ns_ = decoded->archived_ns;

    Result<std::string> schema_bytes = vm->section(*file, footer->schema, "schema");
    if (!schema_bytes.ok()) return schema_bytes.error();
    auto schema = pool.get(*schema_bytes);
    if (!schema.ok()) return vm->with_path(schema.error());
    vm->schema_ = *schema;

    if (vm->vm_.epoch != *epoch || vm->schema_->tiers.size() != footer->tier_count) {
        return vm->with_path(error(Code::kCorrupt, "its parts are of different VMs"));
    }
    return std::shared_ptr<const ArchivedVm>(std::move(vm));
}

Result<std::vector<SeriesInfo>> ArchivedVm::series() const {
    Result<File> file = open_file();
    if (!file.ok()) return file.error();
    Result<std::vector<SeriesInfo>> series = read_series(*file);
    if (!series.ok()) return unless_replaced(*file, series.error());
    return series;
}

Result<std::vector<SeriesInfo>> ArchivedVm::read_series(const File& file) const {
    Result<std::string> bytes = section(file, footer_.series, "list of series");
    if (!bytes.ok()) return bytes.error();
    Result<std::vector<SeriesInfo>> series = decode_series(*bytes, *schema_);
    if (!series.ok()) return with_path(series.error());
    return series;
}

Result<PageEntry> ArchivedVm::page_at(const File& file, std::uint32_t position) const {
    std::string bytes(kPageEntryBytes, '\0');
    std::uint64_t at = footer_.index_offset + std::uint64_t{position} * kPageEntryBytes;
    if (auto got = file.read_at(at, bytes.data(), bytes.size()); !got.ok()) return got.error();
    Result<PageEntry> page = decode_page_entry(bytes);
    if (!page.ok()) return page;
    if (page->offset < footer_.directory_offset || page->offset > footer_.index_offset ||
        page->bytes > footer_.index_offset - page->offset) {
        return error(Code::kCorrupt, "a page lies outside the directory");
    }
    return page;
}

Result<std::vector<SeriesEntry>> ArchivedVm::read_page(const File& file, const PageEntry& page) const {
    std::string bytes(page.bytes, '\0');
    if (auto got = file.read_at(page.offset, bytes.data(), bytes.size()); !got.ok()) return got.error();
    return decode_page(page, bytes, footer_.tier_count, footer_.vm.offset);
}

Result<SeriesEntry> ArchivedVm::find_entry(const File& file, std::uint32_t series_index) const {
    // The last page that begins at the series or before it.
    std::uint32_t begin = 0;
    std::uint32_t end = footer_.page_count;
    std::optional<PageEntry> last;
    while (begin < end) {
        std::uint32_t middle = begin + (end - begin) / 2;
        Result<PageEntry> page = page_at(file, middle);
        if (!page.ok()) return with_path(page.error());
        if (page->first_series <= series_index) {
            last = *page;
            begin = middle + 1;
        } else {
            end = middle;
        }
    }
    if (last) {
        Result<std::vector<SeriesEntry>> entries = read_page(file, *last);
        if (!entries.ok()) return with_path(entries.error());
        for (SeriesEntry& entry : *entries) {
            if (entry.series_index == series_index) return std::move(entry);
        }
    }
    return with_path(error(Code::kInvalid, "it has no series " + std::to_string(series_index)));
}

BlockPlace ArchivedVm::place_of(std::uint32_t series_index, std::uint32_t tier) const {
    return {series_index, tier, schema_->tiers[tier].resolution_s * std::uint64_t{1'000'000'000}};
}

Result<SeriesData> ArchivedVm::read(std::uint32_t series_index, const ReadRequest& request) const {
    if (request.tier >= footer_.tier_count) {
        return with_path(error(Code::kInvalid, "it has " + std::to_string(footer_.tier_count) +
                                                   " tiers, none with index " + std::to_string(request.tier)));
    }
    Result<File> file = open_file();
    if (!file.ok()) return file.error();
    Result<SeriesData> data = read_windows(*file, series_index, request);
    if (!data.ok()) return unless_replaced(*file, data.error());
    return data;
}

Result<SeriesData> ArchivedVm::read_windows(const File& file, std::uint32_t series_index,
                                            const ReadRequest& request) const {
    Result<SeriesEntry> entry = find_entry(file, series_index);
    if (!entry.ok()) return entry.error();
    const RunEntry& run = entry->tiers[request.tier];
    switch (run.state) {
        case RunState::kStored: break;
        case RunState::kAbsent: return SeriesData{};
        case RunState::kUnreadable:
            return with_path(error(
                Code::kCorrupt, "series " + std::to_string(series_index) + " was unreadable in the segment already"));
    }
    Result<SeriesData> data = read_run(file, place_of(series_index, request.tier), run, request);
    if (!data.ok()) return with_path(data.error());
    return data;
}

Result<void> ArchivedVm::verify() const {
    Result<File> file = open_file();
    if (!file.ok()) return file.error();
    SchemaPool pool;
    Result<std::shared_ptr<const ArchivedVm>> again = open(*fs_, path_, pool);
    if (!again.ok()) return again.error();
    if ((*again)->footer_ != footer_) {
        return with_path(error(Code::kCorrupt, "it is another file than the one opened first"));
    }
    Result<std::vector<SeriesInfo>> listed = series();
    if (!listed.ok()) return listed.error();
    if (listed->size() != footer_.series_count) {
        return with_path(error(Code::kCorrupt, "list and directory differ in length"));
    }
    Result<void> sound = verify_runs(*file, *listed);
    return sound.ok() ? sound : with_path(sound.error());
}

// Pages, entries and blocks follow each other without a gap, and name the series of the list.
Result<void> ArchivedVm::verify_runs(const File& file, const std::vector<SeriesInfo>& listed) const {
    auto corrupt = [](const char* what) { return error(Code::kCorrupt, what); };
    std::uint64_t page_at_offset = footer_.directory_offset, block_offset = kArchiveHeaderBytes;
    auto next = listed.begin();
    for (std::uint32_t i = 0; i < footer_.page_count; ++i) {
        Result<PageEntry> page = page_at(file, i);
        if (!page.ok()) return page.error();
        if (page->offset != page_at_offset) return corrupt("there are bytes between two pages of the directory");
        page_at_offset += page->bytes;
        Result<std::vector<SeriesEntry>> entries = read_page(file, *page);
        if (!entries.ok()) return entries.error();
        for (const SeriesEntry& entry : *entries) {
            if (next == listed.end() || entry.series_index != next->index) {
                return corrupt("list and directory name different series");
            }
            ++next;
            for (std::uint32_t tier = 0; tier < footer_.tier_count; ++tier) {
                for (const BlockEntry& block : entry.tiers[tier].blocks) {
                    if (block.offset != block_offset) return corrupt("there are bytes between two blocks");
                    block_offset += block.bytes;
                }
                auto sound = verify_run(file, place_of(entry.series_index, tier), entry.tiers[tier]);
                if (!sound.ok()) return sound;
            }
        }
    }
    if (next != listed.end() || page_at_offset != footer_.index_offset) {
        return corrupt("list and directory differ in length");
    }
    if (block_offset != footer_.vm.offset) return corrupt("there are bytes behind the blocks");
    return {};
}

}  // namespace ringside::agent
