// One archived VM, read from its file: the same answers that the finalised segment gave.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "agent/archive/block.h"
#include "agent/archive/codec.h"
#include "agent/archive/directory.h"
#include "agent/base/file.h"
#include "agent/base/model.h"

namespace ringside::agent {

// Equal schemas are one object, however many archived VMs have them. Safe for use by any thread.
class SchemaPool {
  public:
    // The schema that these bytes encode (encode_schema).
    Result<std::shared_ptr<const SchemaInfo>> get(const std::string& bytes);

  private:
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<const SchemaInfo>> schemas_;  // guarded by mutex_
};

// Keeps what the file says of the VM, and of the samples nothing: each read opens the file, checks what it reads and
// closes it again, so that ten thousand archived VMs cost no descriptor and little memory. All methods are safe for
// concurrent use. A file that was evicted since gives kNotFound, one that was archived again since kUnavailable; bytes
// that contradict themselves give kCorrupt; a read of more than 64 MiB (kReadBytesMax) gives kExhausted.
class ArchivedVm : public SeriesSource {
  public:
    // Reads and checks header, footer, VM and schema, not the samples. `fs` and `pool` must outlive the object.
    // kUnavailable when a newer version wrote the file.
    static Result<std::shared_ptr<const ArchivedVm>> open(FileSystem& fs, const std::string& path, SchemaPool& pool);

    VmInfo vm() const override { return vm_; }
    std::shared_ptr<const SchemaInfo> schema() const override { return schema_; }
    Result<std::vector<SeriesInfo>> series() const override;
    Result<SeriesData> read(std::uint32_t series_index, const ReadRequest& request) const override;

    // Reads the whole file and checks every byte of it.
    Result<void> verify() const;

    const std::string& path() const { return path_; }
    const VmInfo& info() const { return vm_; }
    std::uint64_t file_bytes() const { return footer_.file_bytes; }
    // What its windows take unpacked.
    std::uint64_t plain_bytes() const { return footer_.plain_bytes; }
    std::uint64_t archived_ns() const { return archived_ns_; }
    std::uint32_t series_count() const { return footer_.series_count; }

  private:
    ArchivedVm(FileSystem& fs, std::string path) : fs_(&fs), path_(std::move(path)) {}

    Result<File> open_file() const;
    Result<ArchiveFooter> read_footer(const File& file, std::uint64_t size) const;
    Error unless_replaced(const File& file, const Error& error) const;
    Result<std::string> section(const File& file, const ArchiveFooter::Section& section, const char* what) const;
    Result<PageEntry> page_at(const File& file, std::uint32_t position) const;
    Result<std::vector<SeriesEntry>> read_page(const File& file, const PageEntry& page) const;
    Result<SeriesEntry> find_entry(const File& file, std::uint32_t series_index) const;
    Result<std::vector<SeriesInfo>> read_series(const File& file) const;
    Result<SeriesData> read_windows(const File& file, std::uint32_t series_index, const ReadRequest& request) const;
    Result<void> verify_runs(const File& file, const std::vector<SeriesInfo>& listed) const;
    BlockPlace place_of(std::uint32_t series_index, std::uint32_t tier) const;
    Error with_path(const Error& error) const;

    FileSystem* fs_;
    std::string path_;
    ArchiveFooter footer_;
    VmInfo vm_;
    std::uint64_t archived_ns_ = 0;
    std::shared_ptr<const SchemaInfo> schema_;
};

}  // namespace ringside::agent
