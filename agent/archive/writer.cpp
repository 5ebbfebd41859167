#include "agent/archive/writer.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "agent/archive/codec.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

namespace {

bool rises(const std::vector<std::uint64_t>& end_ns) {
    return std::adjacent_find(end_ns.begin(), end_ns.end(), std::greater_equal<>()) == end_ns.end();
}

Result<void> check_shape(const SeriesInfo& series, const SeriesData& data) {
    std::size_t points = data.size();
    auto fits = [points](std::size_t size) { return size == 0 || size == points; };
    if (data.flags.size() != points || !fits(data.count.size()) || !fits(data.sum.size()) || !fits(data.min.size()) ||
        !fits(data.max.size()) || !fits(data.last.size()) || !fits(data.value.size()) ||
        (points == 0 && !data.buckets.empty()) || (points != 0 && data.buckets.size() % points != 0) ||
        points > UINT32_MAX) {
        return error(Code::kInternal, "the columns of series " + std::to_string(series.index) + " differ in length");
    }
    return {};
}

class ArchiveWriter {
  public:
    ArchiveWriter(DurableFile file, const SeriesSource& source)
        : file_(std::move(file)), source_(source), schema_(source.schema()) {}

    Result<ArchiveWritten> write(const VmInfo& vm, std::uint64_t archived_ns) {
        Result<std::vector<SeriesInfo>> series = source_.series();
        if (!series.ok()) return series.error();
        if (auto put = file_.append(encode_header(vm.epoch)); !put.ok()) return put.error();
        std::string directory;
        for (const SeriesInfo& one : *series) {
            Result<DirectoryEntry> entry = write_series(one);
            if (!entry.ok()) return entry.error();
            directory += encode_entry(*entry);
        }
        ArchiveFooter footer;
        footer.series_count = static_cast<std::uint32_t>(series->size());
        footer.tier_count = static_cast<std::uint32_t>(schema_->tiers.size());
        if (auto put = section(encode_vm(vm, archived_ns), &footer.vm); !put.ok()) {
            return put.error();
        }
        if (auto put = section(encode_schema(*schema_), &footer.schema); !put.ok()) {
            return put.error();
        }
        if (auto put = section(encode_series(*series), &footer.series); !put.ok()) {
            return put.error();
        }
        footer.directory_offset = file_.size();
        if (auto put = file_.append(directory); !put.ok()) return put.error();
        footer.file_bytes = file_.size() + kArchiveFooterBytes;
        if (auto put = file_.append(encode_footer(footer)); !put.ok()) return put.error();
        if (auto done = file_.commit(); !done.ok()) return done.error();
        written_.bytes = footer.file_bytes;
        return written_;
    }

  private:
    Result<void> section(const std::string& bytes, ArchiveFooter::Section* section) {
        *section = {file_.size(), bytes.size(), crc32c(bytes)};
        return file_.append(bytes);
    }

    Result<DirectoryEntry> write_series(const SeriesInfo& series) {
        DirectoryEntry entry{series.index, series.metric, {}};
        for (std::uint32_t tier = 0; tier < schema_->tiers.size(); ++tier) {
            Result<DirectoryEntry::Tier> run = write_run(series, tier);
            if (!run.ok()) return run.error();
            entry.tiers.push_back(*run);
        }
        return entry;
    }

    Result<DirectoryEntry::Tier> write_run(const SeriesInfo& series, std::uint32_t tier) {
        ReadRequest request;
        request.tier = tier;
        Result<SeriesData> data = source_.read(series.index, request);
        // Times that do not rise would make the file one that no reader takes.
        bool unreadable = data.ok() ? !rises(data->end_ns) : data.error().code == Code::kCorrupt;
        if (unreadable) {
            ++written_.unreadable_runs;
            return DirectoryEntry::Tier{0, 0, 0, RunState::kUnreadable};
        }
        if (!data.ok()) return data.error();
        if (data->size() == 0) return DirectoryEntry::Tier{0, 0, 0, RunState::kAbsent};
        if (auto fits = check_shape(series, *data); !fits.ok()) return fits.error();
        std::string bytes = encode_run(series.index, tier, *data);
        DirectoryEntry::Tier run{file_.size(), bytes.size(), static_cast<std::uint32_t>(data->size()),
                                 RunState::kStored};
        if (auto put = file_.append(bytes); !put.ok()) return put.error();
        written_.points += data->size();
        return run;
    }

    DurableFile file_;
    const SeriesSource& source_;
    std::shared_ptr<const SchemaInfo> schema_;
    ArchiveWritten written_;
};

}  // namespace

Result<ArchiveWritten> write_archive(FileSystem& fs, const std::string& path, const SeriesSource& source,
                                     const VmInfo& vm, std::uint64_t archived_ns) {
    Result<DurableFile> file = DurableFile::create(fs, path);
    if (!file.ok()) return file.error();
    return ArchiveWriter(std::move(*file), source).write(vm, archived_ns);
}

}  // namespace ringside::agent
