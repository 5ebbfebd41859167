#include "tools/ringsidectl/segment_file.h"

#include <fcntl.h>
#include <ringside/schema.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "agent/archive/archived_vm.h"
#include "agent/base/clock.h"
#include "agent/base/file.h"
#include "agent/segment/name.h"
#include "agent/segment/open.h"

namespace ringside::ctl {
namespace {

using agent::Code;
using agent::error;
using agent::OpenVerdict;
using agent::QuarantineReason;
using agent::SeriesData;

constexpr std::uint64_t kNsPerS = 1'000'000'000;
constexpr std::uint64_t kSegmentBytesMax = std::uint64_t{4} << 30;  // of the format
constexpr std::uint64_t kImageBytesMax = std::uint64_t{1} << 30;
constexpr std::string_view kArchiveText = "RINGSIDE ARCHIVE";
constexpr std::string_view kSegmentText = RSIDE_TEXT_MAGIC;
static_assert(kArchiveText.size() == kSegmentText.size());
// What one read of a segment may copy is bounded by 32 MiB; this stays well below with slots of every size.
constexpr std::uint64_t kReadBytes = 8 << 20;
constexpr std::uint64_t kSlotWordsBesideBuckets = 16;

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

// The file's first bytes. O_NONBLOCK: a FIFO in the place of a segment must not make us wait.
Result<std::string> first_bytes(const std::string& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (fd.get() < 0) {
        if (errno == EAGAIN) return agent::errno_error(errno, path + ": somebody holds a lease on it; try again");
        return agent::errno_error(errno, "cannot open " + path);
    }
    std::array<char, kArchiveText.size()> bytes{};
    const ssize_t got = ::pread(fd.get(), bytes.data(), bytes.size(), 0);
    if (got < 0) {
        return error(Code::kCorrupt, path + " is neither a segment nor an archive file: " + std::strerror(errno));
    }
    return std::string(bytes.data(), static_cast<std::size_t>(got));
}

Result<std::vector<std::byte>> whole_file(const std::string& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (fd.get() < 0) return agent::errno_error(errno, "cannot open " + path);
    std::vector<std::byte> bytes;
    constexpr std::size_t kStep = 1 << 20;
    for (;;) {
        const std::size_t size = bytes.size();
        bytes.resize(size + kStep);
        const ssize_t got = ::pread(fd.get(), bytes.data() + size, kStep, static_cast<off_t>(size));
        if (got < 0) return agent::errno_error(errno, "cannot read " + path);
        bytes.resize(size + static_cast<std::size_t>(got));
        if (got == 0) return bytes;
        if (bytes.size() > kImageBytesMax) {
            return error(Code::kExhausted, path +
                                               " is larger than 1 GiB and does not have the name of a segment; give it "
                                               "one (VM.EPOCH.seg) to have it read in place");
        }
    }
}

agent::Error refused(const std::string& path, const std::string& first, const agent::Opened& opened) {
    // What to do about a bad segment is no advice for a file that never was one.
    if (opened.verdict == OpenVerdict::kRefused && first != kSegmentText &&
        opened.refusal.reason != QuarantineReason::kNotRegular) {
        return error(Code::kCorrupt, path + " is neither a segment nor an archive file: it begins with other bytes");
    }
    const Code code = opened.verdict == OpenVerdict::kGone                       ? Code::kNotFound
                      : opened.verdict == OpenVerdict::kLater                    ? Code::kUnavailable
                      : opened.refusal.reason == QuarantineReason::kOtherVersion ? Code::kUnavailable
                                                                                 : Code::kCorrupt;
    return error(code, path + ": " + opened.refusal.message());
}

// One cache for the life of the program: layouts that segments share.
agent::LayoutCache& layouts() {
    static const std::shared_ptr<agent::LayoutCache> cache = agent::make_layout_cache();
    return *cache;
}

Result<SegmentFile> open_live(const std::string& path, const std::string& first) {
    agent::OpenOptions options;
    options.max_segment_bytes = kSegmentBytesMax;
    const std::string name = path.substr(path.find_last_of('/') + 1);
    agent::Opened opened;
    if (agent::SegmentName::parse(name)) {
        opened = agent::open_segment_path(path, layouts(), options);
    } else {
        auto bytes = whole_file(path);
        if (!bytes) return bytes.error();
        opened = agent::open_segment_image(std::move(*bytes), nullptr, layouts(), options);
    }
    if (opened.verdict != OpenVerdict::kAccepted) return refused(path, first, opened);

    SegmentFile file{.format = "segment", .life = {}, .proof = {}, .source = opened.segment, .facts = {}};
    const agent::Liveness liveness = opened.segment->probe();
    file.life = agent::life_name(liveness.life);
    file.proof = agent::proof_name(liveness.proof);
    if (liveness.life == agent::Life::kDead) {
        // It fails only where no writer ever came, and then there is no end to fix.
        if (const auto settled = opened.segment->settle(); !settled) file.life = "waiting";
    }
    for (agent::LiveSegment::Fact& fact : opened.segment->facts()) {
        file.facts.emplace_back(std::move(fact.name), std::move(fact.value));
    }
    return file;
}

Result<SegmentFile> open_archive(const std::string& path) {
    static agent::SchemaPool pool;
    auto archived = agent::ArchivedVm::open(agent::FileSystem::real(), path, pool);
    if (!archived) return archived.error();
    const agent::ArchivedVm& vm = **archived;
    SegmentFile file{.format = "archive", .life = "dead", .proof = "none", .source = *archived, .facts = {}};
    file.facts = {{"vm_id", vm.info().vm_id},
                  {"component", vm.info().component},
                  {"epoch", agent::epoch_text(vm.info().epoch)},
                  {"file_bytes", std::to_string(vm.file_bytes())},
                  {"segment_bytes", std::to_string(vm.info().segment_bytes)},
                  {"created_ns", std::to_string(vm.info().created_ns)},
                  {"ended_ns", std::to_string(vm.info().ended_ns)},
                  {"archived_ns", std::to_string(vm.archived_ns())},
                  {"series_count", std::to_string(vm.series_count())}};
    if (agent::has_close_code(vm.info().exit_cause)) {
        file.facts.emplace_back("close_code", std::to_string(vm.info().close_code));
        file.facts.emplace_back("close_text", vm.info().close_text);
    }
    if (vm.info().exit_signal != 0) file.facts.emplace_back("exit_signal", std::to_string(vm.info().exit_signal));
    return file;
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
    to.insert(to.end(), from.begin(), from.end());
}

void append_data(SeriesData& to, const SeriesData& from) {
    append(to.end_ns, from.end_ns);
    append(to.flags, from.flags);
    append(to.count, from.count);
    append(to.sum, from.sum);
    append(to.min, from.min);
    append(to.max, from.max);
    append(to.last, from.last);
    append(to.value, from.value);
    append(to.buckets, from.buckets);
}

// The whole ring of a series in pieces that one read may copy.
Result<SeriesData> read_tier(const agent::SeriesSource& source, std::uint32_t series_index, const agent::TierInfo& tier,
                             std::uint32_t tier_index, std::uint32_t columns, std::uint32_t bucket_count) {
    const std::uint64_t resolution_ns = tier.resolution_s * kNsPerS;
    const std::uint64_t piece = std::max<std::uint64_t>(1, kReadBytes / (4 * (kSlotWordsBesideBuckets + bucket_count)));
    const agent::VmInfo vm = source.vm();
    // Past the end by one window, so that the open one is in the last piece; back by one lap and the windows at its ends.
    const std::uint64_t newest_ns = (vm.ended_ns != 0 ? vm.ended_ns : agent::realtime_ns()) + resolution_ns;
    const std::uint64_t reach_ns = (tier.slots + std::uint64_t{2}) * resolution_ns;
    agent::ReadRequest request;
    request.tier = tier_index;
    request.columns = columns;
    SeriesData all;
    std::uint64_t begin_ns = newest_ns > reach_ns ? newest_ns - reach_ns : 0;
    begin_ns = begin_ns / resolution_ns * resolution_ns;
    for (;;) {
        const std::uint64_t end_ns = begin_ns + piece * resolution_ns;
        const bool last = end_ns >= newest_ns;
        request.begin_ns = begin_ns;
        request.end_ns = last ? UINT64_MAX : end_ns;
        auto data = source.read(series_index, request);
        if (!data) return data.error();
        append_data(all, *data);
        if (last) return all;
        begin_ns = end_ns;
    }
}

}  // namespace

Result<SegmentFile> open_segment_file(const std::string& path) {
    const auto first = first_bytes(path);
    if (!first) return first.error();
    return *first == kArchiveText ? open_archive(path) : open_live(path, *first);
}

Result<Verified> verify_segment_file(const std::string& path, const SegmentFile& file) {
    const auto* archived = dynamic_cast<const agent::ArchivedVm*>(file.source.get());
    if (archived) {
        if (auto verified = archived->verify(); !verified) return verified.error();
    }
    const auto schema = file.source->schema();
    const auto series = file.source->series();
    if (!series) return error(series.error().code, path + ": " + series.error().message());
    Verified verified;
    for (const agent::SeriesInfo& one : *series) {
        if (schema->metrics[one.metric].kind == agent::Kind::kInfo) continue;  // has no windows
        for (std::uint32_t tier = 0; tier < schema->tiers.size(); ++tier) {
            const auto read = read_series_of_file(file, one, tier, agent::kColumnsAll);
            // Every byte is right, so what cannot be read was given up by the drain and is noted as such.
            if (archived && !read && read.error().code == Code::kCorrupt) {
                ++verified.unreadable;
                continue;
            }
            if (!read) {
                return error(read.error().code, path + ": series " + std::to_string(one.index) + " (" +
                                                    schema->metrics[one.metric].name + "), tier " +
                                                    std::to_string(schema->tiers[tier].resolution_s) +
                                                    "s: " + read.error().message());
            }
            verified.points += read->data.size();
        }
    }
    if (const auto* live = dynamic_cast<const agent::LiveSegment*>(file.source.get())) {
        if (const auto refusal = live->condition()) return error(Code::kCorrupt, path + ": " + refusal->message());
    }
    return verified;
}

Result<SeriesOfPoints> read_series_of_file(const SegmentFile& file, const agent::SeriesInfo& series, std::uint32_t tier,
                                           std::uint32_t columns) {
    const auto schema = file.source->schema();
    const agent::MetricInfo& metric = schema->metrics[series.metric];
    const agent::TierInfo& info = schema->tiers[tier];
    auto data = read_tier(*file.source, series.index, info, tier, columns, metric.bucket_count);
    if (!data) return data.error();
    const agent::VmInfo vm = file.source->vm();
    return SeriesOfPoints{.vm_id = vm.vm_id,
                          .component = vm.component,
                          .epoch = agent::epoch_text(vm.epoch),
                          .metric = metric.name,
                          .labels = labels_of(metric, series),
                          .kind = metric.kind,
                          .unit = metric.unit,
                          .resolution_s = info.resolution_s,
                          .created_ns = series.created_ns,
                          .histogram_scale = metric.histogram_scale,
                          .bucket_first = metric.bucket_first,
                          .bucket_count = metric.bucket_count,
                          .data = std::move(*data)};
}

Labels labels_of(const agent::MetricInfo& metric, const agent::SeriesInfo& series) {
    Labels labels;
    for (std::size_t i = 0; i < metric.label_names.size() && i < series.label_values.size(); ++i) {
        labels.emplace_back(metric.label_names[i], series.label_values[i]);
    }
    return labels;
}

}  // namespace ringside::ctl
