// LiveSegment::scan(): one look at the segment's header and its directory for many series.
#include <algorithm>
#include <span>
#include <utility>

#include "agent/segment/counter_scan.h"
#include "agent/segment/header.h"
#include "agent/segment/histogram_scan.h"
#include "agent/segment/live_segment.h"
#include "agent/segment/series_directory.h"

namespace ringside::agent {

struct ScannedSeries {
    std::uint32_t index;
    std::uint32_t metric;
    std::uint64_t created_ns;
};

class SegmentScan : public SeriesScan {
  public:
    SegmentScan(const LiveSegment& segment, std::shared_ptr<const MappedBytes> mapped, const Timeline& timeline,
                std::shared_ptr<const std::vector<ScannedSeries>> known)
        : segment_(segment),
          layout_(*segment.header_->layout),
          mapped_(std::move(mapped)),
          counters_(*mapped_, layout_),
          histograms_(*mapped_, layout_),
          timeline_(timeline),
          known_(std::move(known)) {}

    ~SegmentScan() override {
        segment_.counters_.reads.fetch_add(scanned_, std::memory_order_relaxed);
        segment_.counters_.scanned.fetch_add(scanned_, std::memory_order_relaxed);
    }

    Result<void> read(std::uint32_t series_index, const ReadRequest& request, SeriesData* data) override {
        const ScannedSeries* known = find(series_index, request.tier);
        if (known && is_counter(kind_of(*known)) && counters_.choose(known->metric, request) &&
            counters_.read(series_index, timeline_, data)) {
            ++scanned_;
            return {};
        }
        Result<SeriesData> read = known
                                      ? segment_.read_windows(*mapped_, known->metric, series_index, request, timeline_)
                                      : segment_.read(series_index, request);
        if (known) ++scanned_;
        if (!read.ok()) return read.error();
        *data = std::move(*read);
        return {};
    }

    std::size_t read_runs(std::span<const std::uint32_t> series, const ReadRequest& request,
                          CounterRun* runs) override {
        const ScannedSeries* known = series.empty() ? nullptr : find(series.front(), request.tier);
        if (!known || !is_counter(kind_of(*known)) || !counters_.choose(known->metric, request)) return 0;
        const std::uint32_t metric = known->metric;
        std::size_t read = 0;
        while (read < series.size() && (known = find(series[read], request.tier)) && known->metric == metric &&
               counters_.read_run(series[read], timeline_, &runs[read])) {
            ++read;
        }
        scanned_ += read;
        return read;
    }

    bool read_gains(std::uint32_t series_index, std::uint32_t tier, std::span<const TimeRange> ranges,
                    HistogramGains* gains) override {
        const ScannedSeries* known = find(series_index, tier);
        if (!known || kind_of(*known) != Kind::kHistogram) return false;
        if (!histograms_.read(known->metric, series_index, tier, ranges, timeline_, gains)) return false;
        ++scanned_;
        return true;
    }

  private:
    Kind kind_of(const ScannedSeries& series) const { return layout_.schema->metrics[series.metric].kind; }

    // With the timeline set for it. Null where the general reader is to find out what is wrong with the request.
    const ScannedSeries* find(std::uint32_t index, std::uint32_t tier) {
        const ScannedSeries* known = find(index);
        if (!known || tier >= layout_.schema->tiers.size()) return nullptr;
        timeline_.created_ns = known->created_ns;
        return known;
    }

    // Callers go by rising index, and most directories have no gaps.
    const ScannedSeries* find(std::uint32_t index) const {
        if (index < known_->size() && (*known_)[index].index == index) return &(*known_)[index];
        auto at = std::ranges::lower_bound(*known_, index, {}, &ScannedSeries::index);
        return at != known_->end() && at->index == index ? &*at : nullptr;
    }

    const LiveSegment& segment_;
    const SegmentLayout& layout_;
    const std::shared_ptr<const MappedBytes> mapped_;
    CounterScan counters_;
    HistogramScan histograms_;
    Timeline timeline_;
    const std::shared_ptr<const std::vector<ScannedSeries>> known_;
    std::uint64_t scanned_ = 0;
};

// With mutex_ held. Mapped once: pages that were touched stay in reach of the next scan.
bool LiveSegment::can_scan(std::uint64_t now_ns) const {
    if (condition_ || end_) return false;  // what is wrong with it is read()'s to say
    if (!mapped_) mapped_ = MappedBytes::map(source_->descriptor(), header_->segment_bytes);
    return mapped_ && !mapped_->cut() && mapped_->has_all_pages(source_->descriptor(), now_ns);
}

std::unique_ptr<SeriesScan> LiveSegment::scan() const {
    const std::uint64_t now_ns = look_at_clock();
    std::unique_lock lock(mutex_);
    if (!can_scan(now_ns)) {
        lock.unlock();
        return SeriesSource::scan();
    }
    if (!scanned_series_ || scanned_series_->size() != directory_->size()) {
        auto all = std::make_shared<std::vector<ScannedSeries>>();
        for (const SeriesDirectory::Known& known : directory_->all()) {
            all->push_back({known.index, known.metric, known.created_ns});
        }
        scanned_series_ = std::move(all);
    }
    std::shared_ptr<const MappedBytes> bytes = mapped_;
    auto series = scanned_series_;
    lock.unlock();
    const Timeline timeline = living_timeline(now_ns, read_writer_clock(*bytes));
    return std::make_unique<SegmentScan>(*this, std::move(bytes), timeline, std::move(series));
}

}  // namespace ringside::agent
