// The devices of a source that have series, in the order of their first appearance.
//
// A segment never gives a series back, so the table never shrinks: a device that comes back finds its series again, and
// once the room is used up new devices are counted and not recorded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringside::bridge {

template <typename Series>
class DeviceTable {
  public:
    // Starts a pass over the devices that are there now; `room` is for how many the segment has series.
    void begin(std::size_t room) {
        room_ = room;
        next_ = 0;
        left_out_ = 0;
    }

    // The series of `name`; null, and counted, when there is no room. `make` registers them for a new device.
    template <typename Make>
    Series* find_or_add(std::string_view name, Make make) {
        // The kernel lists devices in the same order each time: the next one is nearly always the right one.
        if (next_ < entries_.size() && entries_[next_].name == name) return &entries_[next_++].series;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].name != name) continue;
            next_ = i + 1;
            return &entries_[i].series;
        }
        if (entries_.size() >= room_) {
            ++left_out_;
            return nullptr;
        }
        entries_.push_back({std::string(name), make()});
        next_ = entries_.size();
        return &entries_.back().series;
    }

    // Devices of this pass that are not recorded.
    std::uint32_t left_out() const { return left_out_; }

  private:
    struct Entry {
        std::string name;
        Series series;
    };
    std::vector<Entry> entries_;
    std::size_t room_ = 0;
    std::size_t next_ = 0;
    std::uint32_t left_out_ = 0;
};

}  // namespace ringside::bridge
