#include "agent/archive/writer.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "agent/archive/block.h"
#include "agent/archive/codec.h"
#include "agent/archive/directory.h"
#include "agent/base/crc32c.h"

namespace ringside::agent {

namespace {

// Of the length of a segment: a whole archive file, and what the segment alone may come to.
constexpr std::uint64_t kTimes = 8, kNewTimes = 5;

std::uint64_t times_and_some(std::uint64_t bytes, std::uint64_t times) {
    constexpr std::uint64_t kSome = 1 << 20;
    return bytes > (UINT64_MAX - kSome) / times ? UINT64_MAX : bytes * times + kSome;
}

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
    ArchiveWriter(DurableFile& file, const SeriesSource& source, const SeriesSource* earlier, std::uint64_t bytes_max)
        : file_(file), source_(source), earlier_(earlier), schema_(source.schema()), bytes_max_(bytes_max) {}

    Result<ArchiveWritten> write(const VmInfo& vm, std::uint64_t archived_ns) {
        Result<std::vector<SeriesInfo>> series = source_.series();
        if (!series.ok()) return series.error();
        if (auto put = file_.append(encode_header(vm.epoch)); !put.ok()) return put.error();
        DirectoryWriter directory;
        for (const SeriesInfo& one : *series) {
            Result<SeriesEntry> entry = write_series(one);
            if (!entry.ok()) return entry.error();
            directory.add(*entry);
        }
        // A source that turned bad as a whole on the way (its file was cut) has given errors for runs that it held. Its list
        // of series fails then, and nothing may be removed on the word of this file.
        if (Result<std::vector<SeriesInfo>> again = source_.series(); !again.ok()) return again.error();
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
        DirectoryWriter::Bytes pages = directory.finish(footer.directory_offset);
        footer.page_count = pages.page_count;
        if (auto put = file_.append(pages.pages); !put.ok()) return put.error();
        footer.index_offset = file_.size();
        if (auto put = file_.append(pages.index); !put.ok()) return put.error();
        footer.plain_bytes = plain_bytes_;
        footer.file_bytes = file_.size() + kArchiveFooterBytes;
        if (auto put = file_.append(encode_footer(footer)); !put.ok()) return put.error();
        // One of many that wait for their commit together must not hold memory.
        if (auto flushed = file_.flush(); !flushed.ok()) return flushed.error();
        written_.bytes = footer.file_bytes;
        return written_;
    }

  private:
    Result<void> section(const std::string& bytes, ArchiveFooter::Section* section) {
        *section = {file_.size(), bytes.size(), crc32c(bytes)};
        return file_.append(bytes);
    }

    Result<SeriesEntry> write_series(const SeriesInfo& series) {
        SeriesEntry entry{series.index, {}};
        for (std::uint32_t tier = 0; tier < schema_->tiers.size(); ++tier) {
            Result<RunEntry> run = write_run(series, tier);
            if (!run.ok()) return run.error();
            entry.tiers.push_back(std::move(*run));
        }
        return entry;
    }

    Result<RunEntry> write_run(const SeriesInfo& series, std::uint32_t tier) {
        Run run{series, {series.index, tier, schema_->tiers[tier].resolution_s * std::uint64_t{1'000'000'000}}, {}, 0};
        Result<void> written = write_range(source_, &run, 0, UINT64_MAX);
        const bool corrupt = !written.ok() && written.error().code == Code::kCorrupt;
        if (!written.ok() && !corrupt) return written.error();
        // What was written of it before it turned out corrupt stays, so that the bytes of the file have no gap.
        const bool source_gave_none = run.entry.blocks.empty();
        if (source_gave_none) {
            if (auto taken_over = write_earlier(&run, UINT64_MAX); !taken_over.ok()) return taken_over.error();
        }
        if (corrupt) {
            ++written_.unreadable_runs;
            // The good windows of before are not given up for it.
            const bool good = source_gave_none && !run.entry.blocks.empty();
            if (!good) run.entry.state = RunState::kUnreadable;
        }
        if (run.entry.blocks.empty() && run.entry.state == RunState::kStored) run.entry.state = RunState::kAbsent;
        return run.entry;
    }

    struct Run {
        const SeriesInfo& series;
        BlockPlace place;
        RunEntry entry;
        std::uint64_t last_end_ns;
    };

    // The windows of `from` with begin_ns < T <= end_ns. At most 64 deep.
    Result<void> write_range(const SeriesSource& from, Run* run, std::uint64_t begin_ns, std::uint64_t end_ns) {
        Result<SeriesData> data =
            from.read(run->series.index, {.tier = run->place.tier, .begin_ns = begin_ns, .end_ns = end_ns});
        if (data.ok()) return write_windows(from, run, *data);
        if (data.error().code != Code::kExhausted || end_ns - begin_ns < 2) return data.error();
        std::uint64_t middle_ns = begin_ns + (end_ns - begin_ns) / 2;
        if (auto first = write_range(from, run, begin_ns, middle_ns); !first.ok()) return first;
        return write_range(from, run, middle_ns, end_ns);
    }

    Result<void> write_windows(const SeriesSource& from, Run* run, const SeriesData& data) {
        if (auto fits = check_shape(run->series, data); !fits.ok()) return fits;
        if (data.size() == 0) return {};
        // Times that do not rise would make the file one that no reader takes.
        auto falls = [] { return error(Code::kCorrupt, "the windows of a series do not rise in time"); };
        if (!rises(data.end_ns)) return falls();
        if (&from == &source_ && run->entry.blocks.empty()) {
            // The window in which the old file ends was not over, and is the source's if it has it.
            std::uint64_t begin_ns = (data.end_ns.front() - 1) / run->place.resolution_ns * run->place.resolution_ns;
            if (auto taken_over = write_earlier(run, begin_ns); !taken_over.ok()) return taken_over;
        }
        if (data.end_ns.front() <= run->last_end_ns) return falls();
        const std::size_t step = block_points(data);
        for (std::size_t first = 0; first < data.size(); first += step) {
            std::size_t count = std::min(step, data.size() - first);
            if (auto put = write_block(run, data, first, count); !put.ok()) return put;
        }
        return {};
    }

    Result<void> write_block(Run* run, const SeriesData& data, std::size_t first, std::size_t count) {
        const std::uint64_t plain_bytes = count * plain_window_bytes(data);
        if (plain_bytes > bytes_max_ - plain_bytes_) {
            return error(Code::kCorrupt, "a series has more windows than its segment has room for");
        }
        BlockEntry entry;
        entry.offset = file_.size();
        if (auto put = file_.append(encode_block(run->place, data, first, count, &entry)); !put.ok()) return put;
        run->entry.blocks.push_back(entry);
        run->last_end_ns = data.end_ns[first + count - 1];
        plain_bytes_ += plain_bytes;
        written_.points += count;
        return {};
    }

    // What the earlier file has of the run up to `end_ns`.
    Result<void> write_earlier(Run* run, std::uint64_t end_ns) {
        if (earlier_ == nullptr) return {};
        Result<void> written = write_range(*earlier_, run, 0, end_ns);
        if (written.ok()) return {};
        // It had no such series yet, or could not read the run in its time.
        bool nothing = written.error().code == Code::kInvalid || written.error().code == Code::kCorrupt;
        return nothing ? Result<void>() : written;
    }

    DurableFile& file_;
    const SeriesSource& source_;
    const SeriesSource* earlier_;
    std::shared_ptr<const SchemaInfo> schema_;
    const std::uint64_t bytes_max_;  // of plain_bytes_
    std::uint64_t plain_bytes_ = 0;  // of all windows written, before packing
    ArchiveWritten written_;
};

}  // namespace

std::uint64_t archive_bytes_max(std::uint64_t segment_bytes) { return times_and_some(segment_bytes, kTimes); }

std::uint64_t archive_earlier_bytes_max(std::uint64_t segment_bytes) {
    return times_and_some(segment_bytes, kTimes - kNewTimes);
}

Result<ArchiveWritten> write_archive(DurableFile* file, const SeriesSource& source, const VmInfo& vm,
                                     std::uint64_t archived_ns, const SeriesSource* earlier) {
    return ArchiveWriter(*file, source, earlier, archive_bytes_max(vm.segment_bytes)).write(vm, archived_ns);
}

Result<ArchiveWritten> write_archive(FileSystem& fs, const std::string& path, const SeriesSource& source,
                                     const VmInfo& vm, std::uint64_t archived_ns) {
    Result<DurableFile> file = DurableFile::create(fs, path);
    if (!file.ok()) return file.error();
    Result<ArchiveWritten> written = write_archive(&*file, source, vm, archived_ns);
    if (!written.ok()) return written;
    if (auto done = file->commit(); !done.ok()) return done.error();
    return written;
}

}  // namespace ringside::agent
