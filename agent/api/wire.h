// From the agent's model to the messages of ringside.v1 and back: enums, VMs, schemas, series, points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "agent/api/backend.h"
#include "agent/base/model.h"
#include "agent/catalog/layout.h"
#include "ringside/v1/event.pb.h"
#include "ringside/v1/series.pb.h"
#include "ringside/v1/vm.pb.h"

namespace ringside::agent {

v1::VmState to_wire(VmState state);
v1::ExitCause to_wire(ExitCause cause);
v1::MetricKind to_wire(Kind kind);
v1::EventKind to_wire(EventKind kind);
// Nothing for a value that is none of ours, UNSPECIFIED included.
std::optional<VmState> from_wire(v1::VmState state);
std::optional<EventKind> from_wire(v1::EventKind kind);
std::optional<std::uint32_t> from_wire(v1::Column column);  // a column bit

// Metrics are left out, and put in by add_metrics as far as they fit into `bytes_max`.
void to_wire(const SchemaInfo& schema, v1::Schema* out);
void add_metrics(const SchemaInfo& schema, std::size_t bytes_max, v1::Schema* out);

void to_wire(const VmInfo& vm, v1::VmRef* out);
// All but the metrics of the schema.
void to_wire(const CatalogVm& vm, const VmExtras& extras, std::uint64_t now_ns, v1::Vm* out);

void to_wire(const Event& event, v1::Event* out);

void to_wire(const SchemaInfo& schema, const SeriesInfo& series, v1::Series* out);
// `created_ns` 0: not known.
void to_wire(const Layout& layout, Row row, std::uint64_t created_ns, v1::Series* out);

// Columns that `data` has. `kind` says what a counter's value is.
void to_wire(const SeriesData& data, Kind kind, v1::SeriesPoints* out);
// One point of it.
void to_wire(const SeriesData& data, std::size_t point, Kind kind, v1::LatestValue* out);

}  // namespace ringside::agent
