// What one selector means among the VMs: see vm_samples.h for its rules (S1 to S5).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/query/select.h"
#include "agent/query/vm_samples.h"

namespace ringside::agent {

// How a selection reads.
struct SelectionPlan {
    std::uint64_t now_ns = 0;
    std::uint64_t begin_ns = 0;               // where the samples that are wanted begin
    std::uint32_t resolution_s = 0;           // of the tier that was asked for; 0: none was
    std::uint64_t window_max_s = UINT64_MAX;  // beyond which windows are of no use
    std::uint32_t columns = 0;                // columns_for() the function
    bool newest_only = false;                 // of what is read of a series only the newest sample is looked at
};

class VmSeriesSet : public promql::SeriesSet {
  public:
    // `report` outlives the set.
    VmSeriesSet(SelectionPlan plan, HostLabels host, SelectionReport& report)
        : plan_(plan), host_(std::move(host)), report_(report) {}

    // Before the first add(): how many VMs and rows there will be.
    void reserve(std::size_t vms, std::size_t rows);
    // The rows of one VM epoch. Epochs come by VM, and those of one VM in their order.
    void add(SelectedVm selected);
    // A fact about it, with its labels.
    enum class Fact { kInfo, kUp };
    void add_fact(const CatalogVmPtr& vm, Fact fact, LabelSet labels);
    void warn(std::string text) { warnings_.insert(std::move(text)); }

    std::size_t size() const override { return series_.size(); }
    bool has_stale_markers() const override { return has_ends_; }
    std::string_view label(std::size_t series, std::string_view name) const override;
    promql::Labels labels(std::size_t series) const override;
    bool same_values(std::size_t one, std::size_t other, std::span<const std::string> names) const override;
    Result<promql::SampleSpan> read(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                                    promql::SampleBuffer& buffer) const override;
    std::size_t read_counters(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms,
                              std::span<promql::CounterSpan> spans) const override;
    bool read_gains(std::size_t series, std::span<const promql::TimeWindow> windows,
                    std::span<promql::HistogramGain> gains) const override;
    std::vector<std::string> warnings() const override { return {warnings_.begin(), warnings_.end()}; }

  private:
    static constexpr std::uint32_t kNone = UINT32_MAX;

    struct Life {
        CatalogVmPtr vm;
        std::shared_ptr<const Layout> layout;  // null where there are facts alone
        std::uint32_t tier = 0;
        std::unique_ptr<SeriesScan> scan;  // once it is read

        const VmInfo& info() const { return vm->known(); }
    };
    // How the series of one metric are read in one life: kept, for the next series mostly is another of them.
    struct Reading {
        std::uint32_t life = kNone;
        const MetricInfo* metric = nullptr;
        std::int64_t begin_ms = 0, end_ms = 0;
        ReadRequest request;
        std::int64_t zero_ms = 0;  // where it begins with a zero; 0: nowhere
        bool zero_is_in_tier = false;
    };
    // A series within one life.
    struct Part {
        std::uint32_t life;
        Row row;
        std::uint32_t next;  // of the series' part in a later life: into parts_, or kNone
    };
    // Rows that no layout has.
    static constexpr Row kInfoRow = UINT32_MAX, kUpRow = UINT32_MAX - 1;

    std::uint32_t add_life(CatalogVmPtr vm, std::shared_ptr<const Layout> layout);
    void add_part(std::uint32_t life, Row row, std::uint32_t earlier);
    void join_lives(std::uint32_t life, const std::vector<Row>& rows);
    const MetricInfo& metric_of(const Part& part) const;
    LabelSet labels_of(const Part& part) const;
    std::optional<std::string_view> agent_label(const Life& life, std::string_view name) const;
    void read_parts(std::size_t series, std::int64_t begin_ms, std::int64_t end_ms, promql::SampleBuffer& buffer) const;
    void read_part(const Part& part, std::int64_t begin_ms, std::int64_t end_ms, promql::SampleBuffer& buffer) const;
    void read_windows(const Part& part, std::int64_t begin_ms, std::int64_t end_ms, promql::SampleBuffer& buffer) const;
    const Reading& reading_of(const Part& part, std::int64_t begin_ms, std::int64_t end_ms) const;
    SeriesScan& scan_of(Life& life) const;
    void note_windows(const Reading& reading, std::uint64_t windows, std::uint64_t bytes,
                      std::uint64_t newest_ns) const;

    const SelectionPlan plan_;
    const HostLabels host_;
    SelectionReport& report_;
    mutable std::vector<Life> lives_;  // reads make their scans
    bool has_ends_ = false;            // whether some life has ended
    std::vector<Part> parts_;
    std::vector<std::uint32_t> series_;        // first parts
    std::map<std::uint32_t, LabelSet> facts_;  // by series
    // Of the VM whose lives are being added: its series by their labels.
    std::map<LabelSet, std::uint32_t> series_of_vm_;
    mutable Reading reading_;
    mutable SeriesData data_;  // of the series at hand: its memory is used again
    mutable std::vector<CounterRun> runs_;
    mutable std::vector<TimeRange> ranges_;
    mutable HistogramGains gains_;
    mutable std::set<std::string> warnings_;
};

}  // namespace ringside::agent
