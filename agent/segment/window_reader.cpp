#include "agent/segment/window_reader.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "agent/segment/window_span.h"

namespace ringside::agent {

namespace {

// Entries that a histogram's answer has for each window; 0 where it has none.
std::size_t bucket_stride(const MetricInfo& metric, std::uint32_t columns) {
    return (columns & kColumnBuckets) != 0 ? std::size_t{metric.bucket_count} + 1 : 0;
}

}  // namespace

bool WindowReader::read_view(const ViewRequest& wanted, SeriesView* view) {
    outcome_ = reader_.read(wanted, view);
    retries_ += reader_.retries();
    if (outcome_ == ViewOutcome::kWithoutHot) hot_left_out_ = true;
    return outcome_ == ViewOutcome::kWhole || outcome_ == ViewOutcome::kWithoutHot;
}

WindowReader::Outcome WindowReader::read(const ReadRequest& request, SeriesData* data) {
    *data = {};
    const TierInfo& tier = schema_.tiers[request.tier];
    std::uint32_t columns = kept_columns(metric_, tier) & request.columns;
    std::size_t stride = bucket_stride(metric_, columns);
    if (kept_columns(metric_, tier) == 0) return Outcome::kRead;
    WindowSpan span(tier, request, timeline_, columns, &stats_);

    SeriesView view;
    ViewRequest wanted;
    wanted.tier = request.tier;
    wanted.buckets = stride != 0;
    wanted.no_writer = timeline_.ended;
    // Only sampled gauges never need a slot to the right of a window.
    if (metric_.kind == Kind::kGauge) wanted.last_window = span.last_wanted();
    wanted.first_window = span.first_wanted();
    if (!read_view(wanted, &view)) return Outcome::kFailed;
    if (view.open_ns == 0) return Outcome::kRead;

    std::uint64_t open = span.window_of(view.open_ns);
    if (span.most_bytes(open, stride) > kMaxAnswerBytes) return Outcome::kTooLong;
    span.reserve(open, stride);
    const std::uint64_t first_wanted = span.first_wanted();
    std::unique_ptr<WindowBuilder> builder =
        make_builder(metric_, schema_, request.tier, stride, std::move(span), &stats_);
    builder->add_hot(view);
    builder->add_ring(view);
    // Each view is as long as a view may be, or the last one, whatever the segment says by then.
    const std::uint64_t oldest = view.ring.oldest, open_ns = view.open_ns;
    wanted.hot = false;
    while (view.ring.count > 0 && view.ring.first > std::max(oldest, view.ring.oldest)) {
        bool more_wanted = view.ring.first > first_wanted;
        if (!more_wanted && !builder->needs_older()) break;
        wanted.first_window = std::max(oldest, more_wanted ? first_wanted : 0);
        wanted.last_window = view.ring.first - 1;
        if (!read_view(wanted, &view)) return Outcome::kFailed;
        // The clock was set back far, and what the newer views say is of another time.
        if (view.open_ns < open_ns) {
            outcome_ = ViewOutcome::kBusy;
            return Outcome::kFailed;
        }
        builder->add_ring(view);
    }
    *data = builder->take();
    return Outcome::kRead;
}

}  // namespace ringside::agent
