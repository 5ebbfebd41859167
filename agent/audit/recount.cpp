#include "agent/audit/recount.h"

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>

#include "agent/audit/tiers.h"
#include "agent/upstream/rollup.h"
#include "agent/upstream/rollup_plan.h"
#include "agent/upstream/vm_reader.h"

namespace ringside::agent {
namespace {

// Windows that are read at once.
constexpr std::uint64_t kWindowsAtOnce = 32;

class Recounter {
  public:
    Recounter(const UpstreamOptions& options, const SeriesSource& source, const Ledger& ledger)
        : source_(source),
          vm_(source.vm()),
          plan_(plan_for(options, source.schema(), vm_)),
          labels_(labels_on_everything(options, vm_)),
          shape_(shape_of(options)) {
        audit_.upstream = options.name;
        audit_.ledger = ledger;
    }

    Result<UpstreamAudit> run();

  private:
    bool never_sent(std::uint32_t series, std::uint64_t end_ns) const;
    Result<void> add_windows(std::uint64_t after_ns, std::uint64_t until_ns);
    void lose_what_is_left_out(const VmRollup& rollup, const VmWindows& windows, const RollupRange& range);
    void add_totals(const VmWindows& windows, std::uint64_t after_ns, std::uint64_t until_ns);
    void judge();

    const SeriesSource& source_;
    const VmInfo vm_;
    const std::shared_ptr<const RollupPlan> plan_;
    const LabelSet labels_;
    const std::uint64_t shape_;
    UpstreamAudit audit_;
    // What leaves nobody and is on no record, for it follows from the windows each time.
    LossList left_out_;
    std::unordered_map<std::uint32_t, std::size_t> acks_;  // series index -> into audit_.series
};

bool Recounter::never_sent(std::uint32_t series, std::uint64_t end_ns) const {
    auto never = [&](const Loss& loss) {
        return loss.samples == 0 && (loss.series == kEverySeries || loss.series == series) && loss.after_ns < end_ns &&
               end_ns <= loss.until_ns;
    };
    return std::ranges::any_of(audit_.ledger.losses, never) || std::ranges::any_of(left_out_.all(), never);
}

Result<UpstreamAudit> Recounter::run() {
    const Cursor& cursor = audit_.ledger.cursor;
    const std::uint64_t step_ns = plan_->resolution_ns();
    for (std::uint64_t at_ns = cursor.tallied_ns; at_ns < cursor.acked_ns;) {
        const std::uint64_t next_ns = std::min((at_ns / step_ns + kWindowsAtOnce) * step_ns, cursor.acked_ns);
        if (Result<void> added = add_windows(at_ns, next_ns); !added) return added.error();
        at_ns = next_ns;
    }
    const std::uint64_t end_ns = known_until_ns(vm_);
    if (!cursor.done && cursor.acked_ns != 0 && end_ns > cursor.acked_ns) {
        audit_.pending = (end_ns - cursor.acked_ns + step_ns - 1) / step_ns;
    }
    judge();
    return std::move(audit_);
}

Result<void> Recounter::add_windows(std::uint64_t after_ns, std::uint64_t until_ns) {
    // The last, partial window of a VM that ended is not a full one.
    const bool final =
        vm_.state == VmState::kDrained && until_ns == audit_.ledger.cursor.acked_ns && until_ns >= vm_.ended_ns;
    ReadRequest request;
    request.begin_ns = after_ns;
    request.end_ns = until_ns;
    request.open_window = final;
    Result<VmWindows> windows = read_windows(source_, *plan_, request);
    if (!windows.ok()) return windows.error();
    RollupRange range;
    range.after_ns = after_ns;
    range.until_ns = until_ns;
    range.zeros_after_ns = UINT64_MAX;
    range.final = final;
    range.floor_ms = audit_.ledger.cursor.floor_ms;
    const VmRollup rollup = roll_up(*plan_, vm_, labels_, windows->series, range);
    lose_what_is_left_out(rollup, *windows, range);
    for (const RollupStep& step : rollup.steps) {
        if (step.kind != StepKind::kWindow || step.end_ns > until_ns) continue;
        for (const RollupPoint& point : step.points) {
            if (never_sent(rollup.series[point.series].source, step.end_ns)) continue;
            audit_.expected.add(wire_sample(*plan_, rollup, point));
        }
    }
    add_totals(*windows, after_ns, until_ns);
    return {};
}

void Recounter::lose_what_is_left_out(const VmRollup& rollup, const VmWindows& windows, const RollupRange& range) {
    if (rollup.overlapping > 0) {
        const std::uint64_t floor_ns = static_cast<std::uint64_t>(range.floor_ms) * 1'000'000;
        left_out_.add({"overlap", kEverySeries, range.after_ns, std::min(floor_ns, range.until_ns), 0});
    }
    if (!plan_->names_taken().empty()) {
        left_out_.add({"name_taken", kUnnamedSeries, range.after_ns, range.until_ns, 0});
    }
    if (rollup.duplicates + rollup.bad_names == 0) return;
    const char* const reason = rollup.duplicates > 0 ? "duplicate" : "bad_name";
    std::set<std::uint32_t> left_in;
    for (const RollupSeries& series : rollup.series) left_in.insert(series.source);
    bool named = false;
    for (const SeriesWindows& windows_of : windows.series) {
        const std::uint32_t index = windows_of.series.index;
        if (left_in.contains(index) || plan_->metrics()[windows_of.series.metric].outputs.empty()) continue;
        left_out_.add({reason, index, range.after_ns, range.until_ns, 0});
        named = true;
    }
    // Of a series whose other columns leave.
    if (!named) left_out_.add({reason, kUnnamedSeries, range.after_ns, range.until_ns, 0});
}

void Recounter::add_totals(const VmWindows& windows, std::uint64_t after_ns, std::uint64_t until_ns) {
    for (const SeriesWindows& series : windows.series) {
        const auto [at, added] = acks_.try_emplace(series.series.index, audit_.series.size());
        if (added) audit_.series.push_back({series.series.index, {}, 0, 0});
        SeriesAck& ack = audit_.series[at->second];
        const Kind kind = plan_->schema().metrics[series.series.metric].kind;
        for (std::uint64_t end_ns : series.data.end_ns) {
            if (end_ns <= after_ns || end_ns > until_ns) continue;
            if (never_sent(series.series.index, end_ns)) {
                ++ack.never_sent;
            } else {
                add(&ack.acknowledged, totals_of(series.data, kind, end_ns - 1, end_ns), kind);
            }
        }
    }
}

void Recounter::judge() {
    Ledger& ledger = audit_.ledger;
    const Cursor& cursor = ledger.cursor;
    for (const Loss& loss : ledger.losses) {
        if (auto at = acks_.find(loss.series); at != acks_.end()) audit_.series[at->second].refused += loss.samples;
    }
    const std::uint64_t end_ns = known_until_ns(vm_);
    if (cursor.acked_ns == 0 && ledger.losses.empty()) {
        audit_.note = "nothing has been pushed of it yet";
    } else if (cursor.acked_ns != 0 && cursor.shape != shape_) {
        audit_.note = "it was pushed under other labels or another choice of what leaves";
    } else if (audit_.expected == cursor.answered) {
        audit_.verdict = ledger.losses.empty() && left_out_.all().empty() ? AckVerdict::kEqual : AckVerdict::kLost;
    } else if (ledger.losses.size() == kLossesMax) {
        audit_.note = "it has more losses than are kept apart";
    } else if (vm_.rebases != 0) {
        audit_.note = "its clock was set back while it ran, and windows of that time have come twice";
    } else if (vm_.ended_ns != 0 && cursor.acked_ns > vm_.ended_ns) {
        audit_.note =
            "it was idle before its end, and windows of that time were pushed which its archive does not have";
    } else if (cursor.tallied_ns + plan_->slots() * plan_->resolution_ns() <= end_ns) {
        audit_.note = "not all windows that were pushed are held any more";
    } else {
        audit_.verdict = AckVerdict::kDiffers;
    }
    ledger.losses.insert(ledger.losses.end(), left_out_.all().begin(), left_out_.all().end());
}

}  // namespace

Result<UpstreamAudit> recount(const UpstreamOptions& options, const SeriesSource& source, const Ledger& ledger) {
    return Recounter(options, source, ledger).run();
}

}  // namespace ringside::agent
