// The host collector over a tree of its own instead of /proc and /sys, read back as the agent does.
#include "tools/bridge/host.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <bit>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "agent/segment/open.h"

namespace ringside::bridge {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

const std::string kNetHead = "Inter-|   Receive\n face |bytes\n";

std::string disk_line(const std::string& name, std::uint64_t first) {
    std::string line = " 8 0 " + name;
    for (std::uint64_t i = 0; i < 17; ++i) line += ' ' + std::to_string(first + i);
    return line + '\n';
}

std::string net_line(const std::string& name, std::uint64_t first) {
    std::string line = name + ':';
    for (std::uint64_t i = 0; i < 16; ++i) line += ' ' + std::to_string(first + i);
    return line + '\n';
}

class HostCollectorTest : public ::testing::Test {
  protected:
    void SetUp() override {
        ASSERT_NE(mkdtemp(root_.data()), nullptr);
        for (const char* folder :
             {"/proc/net", "/proc/pressure", "/sys/class/net", "/sys/devices/system/cpu", "/segments"}) {
            fs::create_directories(root_ + folder);
        }
        options_.directory = root_ + "/segments";
        options_.vm_id = "host-1";
        options_.proc = root_ + "/proc";
        options_.sys = root_ + "/sys";
    }
    void TearDown() override {
        if (host_) host_->close(nullptr);
        fs::remove_all(root_);
    }

    void write(const std::string& path, const std::string& text) {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path, std::ios::binary) << text;
    }
    void start() {
        std::string error;
        host_ = HostCollector::create(options_, error);
        ASSERT_TRUE(host_) << error;
        host_->pass(0);
    }

    // The newest value of a series, such as `node_load1` or `node_cpu_seconds_total 0 idle`: of a counter its total, of a
    // gauge what was recorded last. Nothing when there is no such series or it has no value.
    std::optional<double> value(const std::string& key) {
        const auto all = values();
        const auto found = all.find(key);
        if (found == all.end()) return {};
        return found->second;
    }

    std::map<std::string, double> values() {
        const auto layouts = agent::make_layout_cache();
        const agent::Opened opened = agent::open_segment_path(host_->recorder().path(), *layouts, {});
        EXPECT_EQ(opened.verdict, agent::OpenVerdict::kAccepted) << opened.refusal.detail;
        std::map<std::string, double> values;
        if (!opened.segment) return values;
        const auto schema = opened.segment->schema();
        const auto series = opened.segment->series();
        EXPECT_TRUE(series.ok());
        for (const agent::SeriesInfo& one : series.value()) {
            const agent::MetricInfo& metric = schema->metrics[one.metric];
            std::string key = metric.name;
            for (const std::string& label : one.label_values) key += ' ' + label;
            const auto data = opened.segment->read(one.index, {});
            EXPECT_TRUE(data.ok()) << key;
            if (!data.ok() || data.value().size() == 0) continue;
            switch (metric.kind) {
                case agent::Kind::kCounter: values[key] = static_cast<double>(data.value().value.back()); break;
                case agent::Kind::kCounterF64: values[key] = std::bit_cast<double>(data.value().value.back()); break;
                case agent::Kind::kGauge:
                case agent::Kind::kLevel: values[key] = data.value().last.back(); break;
                default: break;
            }
        }
        return values;
    }

    std::string root_ = "/dev/shm/ringside-test-XXXXXX";
    HostOptions options_;
    std::unique_ptr<HostCollector> host_;
};

TEST_F(HostCollectorTest, CountsFromTheFirstValueItSees) {
    write("/proc/stat", "cpu0 1000 0 0 5000\nctxt 77\n");
    write("/proc/diskstats", disk_line("vda", 1000));
    write("/proc/net/dev", kNetHead + net_line("eth0", 500));
    start();
    EXPECT_EQ(value("node_cpu_seconds_total 0 user"), 0.0);
    EXPECT_EQ(value("node_context_switches_total"), 0.0);
    EXPECT_EQ(value("node_disk_reads_completed_total vda"), 0.0);

    write("/proc/stat", "cpu0 1150 0 0 5200\nctxt 80\n");
    write("/proc/diskstats", disk_line("vda", 1010));
    write("/proc/net/dev", kNetHead + net_line("eth0", 530));
    host_->pass(0);
    EXPECT_EQ(value("node_cpu_seconds_total 0 user"), 1.5);
    EXPECT_EQ(value("node_cpu_seconds_total 0 idle"), 2.0);
    EXPECT_EQ(value("node_context_switches_total"), 3.0);
    EXPECT_EQ(value("node_disk_reads_completed_total vda"), 10.0);
    EXPECT_EQ(value("node_disk_read_bytes_total vda"), 10.0 * 512.0);
    EXPECT_NEAR(*value("node_disk_read_time_seconds_total vda"), 0.010, 1e-9);
    EXPECT_EQ(value("node_disk_io_now vda"), 1018.0);
    EXPECT_EQ(value("node_disk_discarded_sectors_total vda"), 10.0);
    EXPECT_EQ(value("node_network_receive_bytes_total eth0"), 30.0);
    EXPECT_EQ(value("node_network_transmit_compressed_total eth0"), 30.0);
}

TEST_F(HostCollectorTest, RecordsWhatIsNow) {
    write("/proc/loadavg", "0.5 1.5 2.5 1/100 7\n");
    write("/proc/meminfo",
          "MemTotal: 1000 kB\nMemFree: 400 kB\nActive(file): 3 kB\nHugePages_Free: 2\nNewField: 5 kB\n");
    write("/proc/stat", "cpu0 1 2 3 4\nbtime 1795292276\nprocs_running 4\nprocs_blocked 0\n");
    write("/proc/net/dev", kNetHead + net_line("eth0", 1) + net_line("eth1", 1));
    write("/sys/class/net/eth0/operstate", "up\n");
    write("/sys/class/net/eth0/mtu", "1400\n");
    write("/sys/class/net/eth0/speed", "1000\n");
    write("/sys/class/net/eth1/operstate", "down\n");
    write("/sys/class/net/eth1/speed", "-1\n");
    start();
    EXPECT_EQ(value("node_load1"), 0.5);
    EXPECT_EQ(value("node_load15"), 2.5);
    EXPECT_EQ(value("node_memory_MemTotal_bytes"), 1024000.0);
    EXPECT_EQ(value("node_memory_MemFree_bytes"), 409600.0);
    EXPECT_EQ(value("node_memory_Active_file_bytes"), 3072.0);
    EXPECT_EQ(value("node_memory_HugePages_Free"), 2.0);
    EXPECT_FALSE(value("node_memory_NewField_bytes"));
    EXPECT_EQ(value("node_boot_time_seconds"), 1795292276.0);
    EXPECT_EQ(value("node_procs_running"), 4.0);
    EXPECT_EQ(value("node_network_up eth0"), 1.0);
    EXPECT_EQ(value("node_network_mtu_bytes eth0"), 1400.0);
    EXPECT_EQ(value("node_network_speed_bytes eth0"), 125e6);
    EXPECT_EQ(value("node_network_up eth1"), 0.0);
    EXPECT_FALSE(value("node_network_speed_bytes eth1"));
    EXPECT_FALSE(value("node_network_mtu_bytes eth1"));
}

TEST_F(HostCollectorTest, LeavesAbsentWhatTheKernelDoesNotTell) {
    start();
    host_->pass(0);
    for (const auto& [key, number] : values()) {
        EXPECT_TRUE(key.starts_with("ringside_bridge_")) << key;
        EXPECT_EQ(number, 0.0) << key;
    }
    EXPECT_EQ(value("ringside_bridge_failed_reads_total meminfo"), 0.0);
}

TEST_F(HostCollectorTest, LeavesAbsentWhatAnOldKernelDoesNotPrint) {
    write("/proc/stat", "cpu0 1 2 3 4\n");
    write("/proc/diskstats", " 8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
    write("/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
    start();
    EXPECT_TRUE(value("node_cpu_seconds_total 0 idle"));
    EXPECT_FALSE(value("node_cpu_seconds_total 0 iowait"));
    EXPECT_FALSE(value("node_cpu_guest_seconds_total 0 user"));
    EXPECT_TRUE(value("node_disk_io_time_weighted_seconds_total sda"));
    EXPECT_FALSE(value("node_disk_discards_completed_total sda"));
    EXPECT_TRUE(value("node_pressure_memory_waiting_seconds_total"));
    EXPECT_FALSE(value("node_pressure_memory_stalled_seconds_total"));
    EXPECT_FALSE(value("node_pressure_cpu_waiting_seconds_total"));
}

TEST_F(HostCollectorTest, CountsReadsThatFailOrMakeNoSenseAndGoesOn) {
    fs::create_directories(root_ + "/proc/loadavg");  // A folder: it can be opened and not be read.
    write("/proc/vmstat", "pgfault x\npgpgin 100\n");
    start();
    host_->pass(0);
    EXPECT_EQ(value("ringside_bridge_failed_reads_total loadavg"), 2.0);
    EXPECT_EQ(value("ringside_bridge_failed_reads_total vmstat"), 2.0);
    EXPECT_FALSE(value("node_load1"));
    EXPECT_FALSE(value("node_vmstat_pgfault"));
    EXPECT_EQ(value("node_vmstat_pgpgin"), 0.0);

    fs::remove(root_ + "/proc/loadavg");
    write("/proc/loadavg", "1.0 1.0 1.0\n");
    write("/proc/vmstat", "pgfault 9\npgpgin 103\n");
    host_->pass(0);
    EXPECT_EQ(value("ringside_bridge_failed_reads_total loadavg"), 2.0);
    EXPECT_EQ(value("node_load1"), 1.0);
    EXPECT_EQ(value("node_vmstat_pgfault"), 0.0);
    EXPECT_EQ(value("node_vmstat_pgpgin"), 3.0);
}

TEST_F(HostCollectorTest, GivesDevicesThatComeLaterSeriesWhileThereIsRoom) {
    options_.max_disks = 2;
    write("/proc/diskstats", disk_line("vda", 10));
    start();
    EXPECT_EQ(value("ringside_bridge_unrecorded_devices diskstats"), 0.0);

    write("/proc/diskstats", disk_line("vda", 11) + disk_line("vdb", 100) + disk_line("vdc", 100));
    host_->pass(0);
    EXPECT_EQ(value("node_disk_reads_completed_total vda"), 1.0);
    EXPECT_EQ(value("node_disk_reads_completed_total vdb"), 0.0);
    EXPECT_FALSE(value("node_disk_reads_completed_total vdc"));
    EXPECT_EQ(value("ringside_bridge_unrecorded_devices diskstats"), 1.0);

    write("/proc/diskstats", disk_line("vda", 12) + disk_line("vdb", 107));
    host_->pass(0);
    EXPECT_EQ(value("node_disk_reads_completed_total vdb"), 7.0);
    EXPECT_EQ(value("ringside_bridge_unrecorded_devices diskstats"), 0.0);
}

TEST_F(HostCollectorTest, CountsOnWhenADeviceComesBackAndStartsAtZero) {
    write("/proc/net/dev", kNetHead + net_line("eth0", 100));
    start();
    write("/proc/net/dev", kNetHead + net_line("eth0", 150));
    host_->pass(0);
    write("/proc/net/dev", kNetHead);
    host_->pass(0);
    write("/proc/net/dev", kNetHead + net_line("eth0", 4));
    host_->pass(0);
    EXPECT_EQ(value("node_network_receive_bytes_total eth0"), 50.0);
    write("/proc/net/dev", kNetHead + net_line("eth0", 11));
    host_->pass(0);
    EXPECT_EQ(value("node_network_receive_bytes_total eth0"), 57.0);
}

// Once the whole total was counted as new: a burst of 5 GB that never was.
TEST_F(HostCollectorTest, TakesNothingForNewWhenATotalStepsBack) {
    constexpr std::uint64_t kGb = 1'000'000'000;
    write("/proc/diskstats", disk_line("vda", 10 * kGb));
    write("/proc/net/dev", kNetHead + net_line("eth0", 10 * kGb));
    write("/proc/stat", "cpu0 1 1 1 1\nintr " + std::to_string(10 * kGb) + "\n");
    start();
    write("/proc/diskstats", disk_line("vda", 5 * kGb));
    write("/proc/net/dev", kNetHead + net_line("eth0", 5 * kGb));
    write("/proc/stat", "cpu0 1 1 1 1\nintr " + std::to_string(10 * kGb - (std::uint64_t{1} << 32)) + "\n");
    host_->pass(0);
    EXPECT_EQ(value("node_disk_read_bytes_total vda"), 0.0);
    EXPECT_EQ(value("node_disk_io_time_seconds_total vda"), 0.0);
    EXPECT_EQ(value("node_network_receive_bytes_total eth0"), 0.0);
    EXPECT_EQ(value("node_intr_total"), 0.0);
    write("/proc/diskstats", disk_line("vda", 5 * kGb + 2000));
    write("/proc/net/dev", kNetHead + net_line("eth0", 5 * kGb + 2000));
    host_->pass(0);
    EXPECT_EQ(value("node_disk_read_bytes_total vda"), 2000.0 * 512.0);
    EXPECT_NEAR(*value("node_disk_io_time_seconds_total vda"), 2.0, 1e-6);
    EXPECT_EQ(value("node_network_receive_bytes_total eth0"), 2000.0);
}

TEST_F(HostCollectorTest, HoldsIdleTimeThatGoesALittleBackAndRestartsWhenItGoesFarBack) {
    write("/proc/stat", "cpu0 0 0 0 10000\n");
    start();
    write("/proc/stat", "cpu0 0 0 0 10100\n");
    host_->pass(0);
    write("/proc/stat", "cpu0 0 0 0 10050\n");
    host_->pass(0);
    EXPECT_EQ(value("node_cpu_seconds_total 0 idle"), 1.0);
    write("/proc/stat", "cpu0 0 0 0 10110\n");
    host_->pass(0);
    EXPECT_NEAR(*value("node_cpu_seconds_total 0 idle"), 1.1, 1e-9);
    write("/proc/stat", "cpu0 0 0 0 500\n");
    host_->pass(0);
    EXPECT_NEAR(*value("node_cpu_seconds_total 0 idle"), 1.1, 1e-9);
    write("/proc/stat", "cpu0 0 0 0 600\n");
    host_->pass(0);
    EXPECT_NEAR(*value("node_cpu_seconds_total 0 idle"), 2.1, 1e-9);
}

TEST_F(HostCollectorTest, MakesRoomForCpusThatAreSwitchedOff) {
    write("/proc/stat", "cpu0 1 1 1 1\n");
    write("/sys/devices/system/cpu/present", "0-2\n");
    start();
    write("/proc/stat", "cpu0 1 1 1 1\ncpu2 1 1 1 1\ncpu1 1 1 1 1\ncpu3 1 1 1 1\n");
    host_->pass(0);
    EXPECT_TRUE(value("node_cpu_seconds_total 2 user"));
    EXPECT_TRUE(value("node_cpu_seconds_total 1 user"));
    EXPECT_FALSE(value("node_cpu_seconds_total 3 user"));
    EXPECT_EQ(value("ringside_bridge_unrecorded_devices stat"), 1.0);
}

TEST_F(HostCollectorTest, CountsMissedIntervals) {
    start();
    host_->pass(3);
    EXPECT_EQ(value("ringside_bridge_missed_intervals_total"), 3.0);
}

TEST_F(HostCollectorTest, SurvivesFilesOfNoise) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    // Letters that the parsers look for, so that noise gets past the first check.
    constexpr auto letters = "cpu0 12:total=some\nfull\tMemFree kB-.9\0\xff/()"sv;
    const std::vector<std::string> files = {"/proc/stat",        "/proc/loadavg", "/proc/pressure/cpu",
                                            "/proc/pressure/io", "/proc/meminfo", "/proc/vmstat",
                                            "/proc/diskstats",   "/proc/net/dev", "/sys/class/net/eth0/speed"};
    start();
    for (int round = 0; round < 50; ++round) {
        for (const std::string& file : files) {
            std::string text;
            for (std::size_t i = random() % 400; i > 0; --i) text += letters[random() % letters.size()];
            write(file, text);
        }
        host_->pass(0);
    }
    EXPECT_GT(*value("ringside_bridge_failed_reads_total meminfo"), 0.0);
}

TEST_F(HostCollectorTest, SaysWhyASegmentCannotBeCreated) {
    std::string error;
    options_.directory = root_ + "/none";
    EXPECT_FALSE(HostCollector::create(options_, error));
    EXPECT_NE(error.find(root_ + "/none"), std::string::npos) << error;
    options_.directory = root_ + "/segments";
    options_.vm_id = "a/b";
    EXPECT_FALSE(HostCollector::create(options_, error));
    EXPECT_NE(error.find("a/b"), std::string::npos) << error;
    EXPECT_TRUE(fs::is_empty(root_ + "/segments"));
}

TEST(VmIdOf, MakesAnIdOfEveryHostName) {
    EXPECT_EQ(vm_id_of("node-7.example.org"), "node-7.example.org");
    EXPECT_EQ(vm_id_of("a b/c"), "a-b-c");
    EXPECT_EQ(vm_id_of("-.x"), "x");
    EXPECT_EQ(vm_id_of("(none)"), "none-");
    EXPECT_EQ(vm_id_of(""), "host");
    EXPECT_EQ(vm_id_of(std::string(64, 'a')), std::string(63, 'a'));
}

TEST(HostSchema, FitsTheDevices) {
    const OwnedSchema small = host_schema({1, 1, 1});
    const OwnedSchema large = host_schema({64, 8, 4});
    for (std::uint32_t i = 0; i < small->metric_count; ++i) {
        const std::string name = small->metrics[i].name;
        const std::uint32_t factor = name.starts_with("node_cpu_")       ? 64
                                     : name.starts_with("node_disk_")    ? 8
                                     : name.starts_with("node_network_") ? 4
                                                                         : 1;
        EXPECT_EQ(large->metrics[i].max_series, small->metrics[i].max_series * factor) << name;
    }
    EXPECT_GT(rside_schema_size(large.get(), nullptr), 0u);
}

}  // namespace
}  // namespace ringside::bridge
