#include "tools/bridge/host/device_filter.h"

#include <fnmatch.h>

#include <algorithm>

namespace ringside::bridge {

bool DeviceFilter::ignores(std::string_view device) const {
    const std::string name(device);
    return std::any_of(ignored_.begin(), ignored_.end(),
                       [&](const std::string& pattern) { return fnmatch(pattern.c_str(), name.c_str(), 0) == 0; });
}

std::vector<std::string> default_ignored_disks() {
    return {"ram*", "loop*", "fd[0-9]*", "[hsv]d[a-z]*[0-9]", "xvd[a-z]*[0-9]", "nvme*n*p[0-9]*", "mmcblk*p[0-9]*"};
}

std::vector<std::string> default_ignored_interfaces() { return {"lo", "veth*", "tap*", "vnet*", "macvtap*"}; }

}  // namespace ringside::bridge
