#include "agent/query/vm_samples.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "agent/query/samples_of.h"
#include "agent/query/tier_choice.h"
#include "agent/query/vm_series_set.h"

namespace ringside::agent {
namespace {

std::string hex(const Epoch& epoch) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (std::uint8_t byte : epoch) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

// "1s", "10s", "5m", "1h": as tiers are called.
std::optional<std::uint32_t> resolution_of(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const std::uint32_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
    if (failed != std::errc() || number == 0 || number > 86'400 || seconds == 0) return std::nullopt;
    return number * seconds;
}

bool passes(const Selector& selector, const LabelSet& labels) {
    return std::ranges::all_of(selector.matchers, [&](const Matcher& matcher) {
        return matcher.matches(label_value(labels, matcher.label()));
    });
}

bool names(const Selector& selector, std::string_view metric) {
    return std::ranges::all_of(selector.matchers, [&](const Matcher& matcher) {
        return matcher.label() != kNameLabel || matcher.matches(metric);
    });
}

void set_label(LabelSet& labels, std::string name, std::string value) {
    if (value.empty()) return;
    auto at = std::ranges::lower_bound(labels, name, {}, &Label::name);
    if (at != labels.end() && at->name == name) return;
    labels.insert(at, {std::move(name), std::move(value)});
}

// What the VM's info series say of it, under what the agent knows.
LabelSet info_labels(const CatalogVm& vm, const Layout* layout, const HostLabels& host) {
    const VmInfo& known = vm.known();
    LabelSet labels = agent_labels(known, host);
    set_label(labels, kNameLabel, kVmInfoName);
    set_label(labels, "epoch", hex(known.epoch));
    set_label(labels, "state", vm_state_name(known.state));
    if (!is_live(known.state)) set_label(labels, "exit_cause", exit_cause_name(known.exit_cause));
    if (!layout) return labels;
    const SchemaInfo& schema = layout->schema();
    set_label(labels, "schema", schema.name);
    for (const MetricInfo& metric : schema.metrics) {
        const Layout::LabelIndex* index = metric.kind == Kind::kInfo ? layout->label(kNameLabel) : nullptr;
        if (!index) continue;
        for (Row row : index->find(metric.name)) {
            for (std::size_t i = 0; i < metric.label_names.size(); ++i) {
                set_label(labels, metric.label_names[i], std::string(layout->label_value(row, i)));
            }
        }
    }
    return labels;
}

void add_facts(std::span<const CatalogVmPtr> vms, const Selector& selector, const HostLabels& host, VmSeriesSet& set) {
    const bool info = names(selector, kVmInfoName), up = names(selector, kVmUpName);
    if (!info && !up) return;
    for (const CatalogVmPtr& vm : vms) {
        if (vm->state() == VmState::kProvisioned || !selects_vm(selector, vm->known(), host)) continue;
        if (info) {
            auto layout = vm->layout();
            LabelSet labels = info_labels(*vm, layout.ok() ? layout->get() : nullptr, host);
            if (passes(selector, labels)) set.add_fact(vm, VmSeriesSet::Fact::kInfo, std::move(labels));
        }
        LabelSet labels = agent_labels(vm->known(), host);
        set_label(labels, kNameLabel, kVmUpName);
        if (up && passes(selector, labels)) set.add_fact(vm, VmSeriesSet::Fact::kUp, std::move(labels));
    }
}

// Those whose vm_id the selector names, else all: without a look at each of thousands.
std::span<const CatalogVmPtr> named_vms(const std::vector<CatalogVmPtr>& vms, const Selector& selector) {
    const auto named = std::ranges::find_if(selector.matchers, [](const Matcher& matcher) {
        return matcher.op() == MatchOp::kEqual && matcher.label() == "vm_id";
    });
    if (named == selector.matchers.end()) return vms;
    const auto vm_id_of = [](const CatalogVmPtr& vm) -> std::string_view { return vm->known().vm_id; };
    const auto found = std::ranges::equal_range(vms, std::string_view(named->value()), {}, vm_id_of);
    return {found.begin(), found.end()};
}

bool declares_facts(const Layout& layout) {
    const Layout::LabelIndex* names = layout.label(kNameLabel);
    return names && std::ranges::any_of(kFacts, [&](const FactInfo& fact) { return !names->find(fact.name).empty(); });
}

// The rows that stay (S6).
std::shared_ptr<const std::vector<Row>> without_facts(const SelectedVm& selected, VmSeriesSet& set) {
    std::vector<Row> kept;
    const Layout& layout = *selected.layout;
    const auto name_of = [&](Row row) -> const std::string& {
        return layout.schema().metrics[layout.metric(row)].name;
    };
    std::ranges::copy_if(*selected.rows, std::back_inserter(kept), [&](Row row) { return !is_fact(name_of(row)); });
    if (kept.size() == selected.rows->size()) return selected.rows;
    set.warn("schema " + layout.schema().name +
             " declares metrics with names of the agent's own, ringside_vm_info or ringside_vm_up: they were left out");
    return std::make_shared<const std::vector<Row>>(std::move(kept));
}

void leave_out_facts(Selection& selection, VmSeriesSet& set) {
    std::map<const Layout*, std::shared_ptr<const std::vector<Row>>> kept;
    for (SelectedVm& selected : selection.vms) {
        auto& rows = kept[selected.layout.get()];
        if (!rows) rows = declares_facts(*selected.layout) ? without_facts(selected, set) : selected.rows;
        selected.rows = rows;
    }
    std::erase_if(selection.vms, [](const SelectedVm& selected) { return selected.rows->empty(); });
}

}  // namespace

bool is_fact(std::string_view metric) {
    return std::ranges::any_of(kFacts, [&](const FactInfo& fact) { return metric == fact.name; });
}

VmSamples::VmSamples(VmList vms, HostLabels host, std::uint64_t now_ns)
    : vms_(std::move(vms)), host_(std::move(host)), now_ns_(now_ns) {}

Result<std::unique_ptr<promql::SeriesSet>> VmSamples::select(std::span<const Matcher> matchers,
                                                             const promql::SelectHints& hints) {
    SelectionPlan plan;
    plan.now_ns = now_ns_;
    plan.begin_ns = ns_of_ms(hints.wanted_ms);
    plan.columns = columns_for(hints.function);
    // An instant selector at one step.
    plan.newest_only = hints.range_ms == 0 && hints.step_ms == 0 && hints.wanted_ms == hints.end_ms;
    if (hints.range_ms > 0) plan.window_max_s = window_max_s(hints.function, hints.range_ms);
    Selector selector;
    for (const Matcher& matcher : matchers) {
        if (matcher.label() != kTierLabel) {
            selector.matchers.push_back(matcher);
            continue;
        }
        auto resolution_s = resolution_of(matcher.value());
        if (matcher.op() != MatchOp::kEqual || !resolution_s) {
            return error(Code::kInvalid, matcher.text() + " names no tier; write one as in " + kTierLabel + "=\"10s\"");
        }
        plan.resolution_s = *resolution_s;
    }
    SelectionReport& report = reports_.emplace_back();
    report.selector = selector.text();
    // Those that lived then: what the archive has of others need not even be opened.
    const auto lived = [&](const CatalogVmPtr& vm) {
        const VmInfo& known = vm->known();
        const bool over = known.ended_ns != 0 && ms_up(known.ended_ns) < hints.begin_ms;
        const bool to_come = known.rebases == 0 && ms_up(known.created_ns) > hints.end_ms;
        return !over && !to_come;
    };
    std::span<const CatalogVmPtr> vms = named_vms(*vms_, selector);
    std::vector<CatalogVmPtr> some;
    if (!std::ranges::all_of(vms, lived)) {
        std::ranges::copy_if(vms, std::back_inserter(some), lived);
        vms = some;
    }
    const auto is_drained = [](const CatalogVmPtr& vm) { return vm->known().state == VmState::kDrained; };
    if (before_waiting_ && std::ranges::any_of(vms, is_drained)) before_waiting_();
    auto set = std::make_unique<VmSeriesSet>(plan, host_, report);
    Selection selection = agent::select(vms, selector, host_);
    for (std::string& warning : selection.warnings) set->warn(std::move(warning));
    if (names(selector, kVmInfoName) || names(selector, kVmUpName)) leave_out_facts(selection, *set);
    std::size_t rows = 0;
    for (const SelectedVm& selected : selection.vms) rows += selected.rows->size();
    set->reserve(selection.vms.size(), rows);
    for (SelectedVm& selected : selection.vms) set->add(std::move(selected));
    add_facts(vms, selector, host_, *set);
    return std::unique_ptr<promql::SeriesSet>(std::move(set));
}

}  // namespace ringside::agent
