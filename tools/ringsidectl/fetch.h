// Series of a VM from the agent, in the form of points.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/ringsidectl/client.h"
#include "tools/ringsidectl/command.h"
#include "tools/ringsidectl/points.h"

namespace ringside::ctl {

// The VM's components, the newest epoch of each that fits.
Result<std::vector<v1::Vm>> find_vm(Client& client, const VmChoice& choice);

// Until when there is data: now, or the end of the VM's last component when all have ended.
std::uint64_t data_end_ns(const std::vector<v1::Vm>& vms, std::uint64_t now_ns);

// Reads from exactly these epochs, one call a component. Pieces of a series that came in several messages are one again.
Result<std::vector<SeriesOfPoints>> fetch_points(Client& client, const std::vector<v1::Vm>& vms,
                                                 const v1::ReadSeriesRequest& request, Client::Warnings& warnings);

}  // namespace ringside::ctl
