// The parsers of host/, on text as kernels print it and on text that none should.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tools/bridge/host/device_filter.h"
#include "tools/bridge/host/disk.h"
#include "tools/bridge/host/kernel_stat.h"
#include "tools/bridge/host/load.h"
#include "tools/bridge/host/memory.h"
#include "tools/bridge/host/network.h"
#include "tools/bridge/host/paging.h"
#include "tools/bridge/host/pressure.h"

namespace ringside::bridge {
namespace {

constexpr std::string_view kStat =
    "cpu  21808 282 9085 297402 1221 0 263 124 40 8\n"
    "cpu0 9737 149 3559 151444 123 0 13 43 30 7\n"
    "cpu1 12070 132 5526 145958 1097 0 250 80 10 1\n"
    "intr 704925 0 13 0\n"
    "ctxt 1341336\n"
    "btime 1795292276\n"
    "processes 22655\n"
    "procs_running 4\n"
    "procs_blocked 1\n"
    "softirq 520434 0 39114 4\n";

TEST(ParseKernelStat, ReadsEachCpuAndTheTotals) {
    KernelStat stat;
    parse_kernel_stat(kStat, stat);
    ASSERT_EQ(stat.cpus.size(), 2u);
    EXPECT_EQ(stat.cpus[0].cpu, "0");
    EXPECT_EQ(stat.cpus[1].cpu, "1");
    EXPECT_EQ(stat.cpus[1].modes, 10u);
    EXPECT_EQ(stat.cpus[1].ticks, (std::array<std::uint64_t, 10>{12070, 132, 5526, 145958, 1097, 0, 250, 80, 10, 1}));
    EXPECT_EQ(stat.interrupts, 704925u);
    EXPECT_EQ(stat.context_switches, 1341336u);
    EXPECT_EQ(stat.boot_time_s, 1795292276u);
    EXPECT_EQ(stat.forks, 22655u);
    EXPECT_EQ(stat.procs_running, 4u);
    EXPECT_EQ(stat.procs_blocked, 1u);
    EXPECT_EQ(stat.bad_lines, 0u);
}

TEST(ParseKernelStat, TakesTheFewerModesOfOldKernels) {
    KernelStat stat;
    parse_kernel_stat("cpu0 1 2 3 4\ncpu7 1 2 3 4 5 6 7\n", stat);
    ASSERT_EQ(stat.cpus.size(), 2u);
    EXPECT_EQ(stat.cpus[0].modes, 4u);
    EXPECT_EQ(stat.cpus[1].modes, 7u);
    EXPECT_EQ(stat.bad_lines, 0u);
}

TEST(ParseKernelStat, TakesMoreModesThanItKnows) {
    KernelStat stat;
    parse_kernel_stat("cpu0 1 2 3 4 5 6 7 8 9 10 11 12\n", stat);
    ASSERT_EQ(stat.cpus.size(), 1u);
    EXPECT_EQ(stat.cpus[0].modes, 10u);
}

TEST(ParseKernelStat, LeavesOutLinesThatMakeNoSenseAndCountsThem) {
    KernelStat stat;
    parse_kernel_stat("cpu0 1 2 3\ncpux 1 2 3 4\ncpu1 1 2 x 4\ncpu2 1 2 3 4\nctxt\nintr -3\nbtime 1x\nprocesses 5\n",
                      stat);
    ASSERT_EQ(stat.cpus.size(), 1u);
    EXPECT_EQ(stat.cpus[0].cpu, "2");
    EXPECT_FALSE(stat.context_switches);
    EXPECT_FALSE(stat.interrupts);
    EXPECT_FALSE(stat.boot_time_s);
    EXPECT_EQ(stat.forks, 5u);
    EXPECT_EQ(stat.bad_lines, 6u);
}

TEST(ParseKernelStat, ForgetsWhatWasThereBefore) {
    KernelStat stat;
    parse_kernel_stat(kStat, stat);
    parse_kernel_stat("", stat);
    EXPECT_TRUE(stat.cpus.empty());
    EXPECT_FALSE(stat.forks);
}

TEST(ParseMeminfo, ReadsBytesAndPlainCounts) {
    std::vector<MemoryField> fields;
    EXPECT_EQ(
        parse_meminfo("MemTotal:       24684096 kB\nActive(anon):       1604 kB\nHugePages_Total:       3\n", fields),
        0u);
    ASSERT_EQ(fields.size(), 3u);
    EXPECT_EQ(memory_metric_name(fields[0]), "node_memory_MemTotal_bytes");
    EXPECT_EQ(fields[0].value, std::uint64_t{24684096} * 1024);
    EXPECT_EQ(memory_metric_name(fields[1]), "node_memory_Active_anon_bytes");
    EXPECT_EQ(memory_metric_name(fields[2]), "node_memory_HugePages_Total");
    EXPECT_EQ(fields[2].value, 3u);
}

TEST(ParseMeminfo, LeavesOutLinesThatMakeNoSenseAndCountsThem) {
    std::vector<MemoryField> fields;
    EXPECT_EQ(
        parse_meminfo(
            "MemTotal 1 kB\n: 1 kB\nA: x kB\nB: 1 MB\nC: -1 kB\nD: 18446744073709551615 kB\n\nE F: 1 kB\nG:\nH: 2 kB",
            fields),
        9u);
    ASSERT_EQ(fields.size(), 1u);
    EXPECT_EQ(fields[0].name, "H");
}

TEST(ParseMeminfo, KeepsAStrangeFileFromGrowingWithoutEnd) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "F" + std::to_string(i) + ": 1 kB\n";
    std::vector<MemoryField> fields;
    EXPECT_EQ(parse_meminfo(text, fields), 744u);
    EXPECT_EQ(fields.size(), 256u);
}

TEST(ParseLoadavg, ReadsThreeAverages) {
    std::array<double, 3> load{};
    EXPECT_TRUE(parse_loadavg("0.62 0.45 12.23 4/107 22654\n", load));
    EXPECT_EQ(load, (std::array<double, 3>{0.62, 0.45, 12.23}));
    EXPECT_TRUE(parse_loadavg("1.0 2.0 3.0\n4.0", load));
    EXPECT_EQ(load, (std::array<double, 3>{1.0, 2.0, 3.0}));
}

TEST(ParseLoadavg, LeavesTheOldValuesWhenOneIsMissing) {
    std::array<double, 3> load{1.0, 2.0, 3.0};
    for (const char* bad : {"", "0.1 0.2", "0.1 0.2 x", "0.1 -0.2 0.3", "0.1 nan 0.3"}) {
        EXPECT_FALSE(parse_loadavg(bad, load)) << bad;
    }
    EXPECT_EQ(load, (std::array<double, 3>{1.0, 2.0, 3.0}));
}

TEST(ParsePressure, ReadsBothTotals) {
    Pressure pressure;
    EXPECT_EQ(parse_pressure("some avg10=0.48 avg60=0.53 avg300=1.26 total=15322634\n"
                             "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
                             pressure),
              0u);
    EXPECT_EQ(pressure.some_us, 15322634u);
    EXPECT_EQ(pressure.full_us, 7u);
}

TEST(ParsePressure, TakesTheOneLineOfKernelsBefore513) {
    Pressure pressure;
    EXPECT_EQ(parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n", pressure), 0u);
    EXPECT_EQ(pressure.some_us, 1u);
    EXPECT_FALSE(pressure.full_us);
}

TEST(ParsePressure, LeavesOutLinesThatMakeNoSenseAndCountsThem) {
    Pressure pressure;
    EXPECT_EQ(parse_pressure("some avg10=0.00 total=\nfull total=x\nmost total=3\n\nfull avg10=0.1\n", pressure), 5u);
    EXPECT_FALSE(pressure.some_us);
    EXPECT_FALSE(pressure.full_us);
}

TEST(ParseVmstat, ReadsTheFieldsItKnows) {
    PagingTotals totals;
    EXPECT_EQ(
        parse_vmstat("nr_free_pages 5697252\npgpgin 2306581\npgfault 10164705\npgfault_x 3\noom_kill 0\n", totals), 0u);
    EXPECT_EQ(totals[0], 2306581u);
    EXPECT_FALSE(totals[1]);
    EXPECT_EQ(totals[4], 10164705u);
    EXPECT_EQ(totals[6], 0u);
}

TEST(ParseVmstat, LeavesOutValuesThatMakeNoSenseAndCountsThem) {
    PagingTotals totals;
    EXPECT_EQ(parse_vmstat("pgpgin\npgpgout x\npswpin 1\n", totals), 2u);
    EXPECT_FALSE(totals[0]);
    EXPECT_FALSE(totals[1]);
    EXPECT_EQ(totals[2], 1u);
}

TEST(ParseDiskstats, ReadsTheFieldsOfThreeGenerationsOfKernels) {
    std::vector<DiskStats> stats;
    EXPECT_EQ(parse_diskstats(" 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
                              "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n"
                              "   8      16 sdb 1 2 3 4 5 6 7 8 9 10 11\n",
                              stats),
              0u);
    ASSERT_EQ(stats.size(), 3u);
    EXPECT_EQ(stats[0].device, "vda");
    EXPECT_EQ(stats[0].field_count, 17u);
    EXPECT_EQ(stats[0].fields[0], 1u);
    EXPECT_EQ(stats[0].fields[16], 17u);
    EXPECT_EQ(stats[1].field_count, 15u);
    EXPECT_EQ(stats[2].field_count, 11u);
}

TEST(ParseDiskstats, LeavesOutLinesThatMakeNoSenseAndCountsThem) {
    std::vector<DiskStats> stats;
    EXPECT_EQ(
        parse_diskstats("8 1 sda1 1 2 3 4\nx 0 sdb 1 2 3 4 5 6 7 8 9 10 11\n8 0\n\n8 0 sdc 1 2 3 4 5 -6 7 8 9 10 11\n"
                        "8 0 sdd 1 2 3 4 5 6 7 8 9 10 11",
                        stats),
        5u);
    ASSERT_EQ(stats.size(), 1u);
    EXPECT_EQ(stats[0].device, "sdd");
}

constexpr std::string_view kNetHead =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
    "compressed\n";

TEST(ParseNetDev, ReadsBothDirections) {
    const std::string text =
        std::string(kNetHead) +
        "    lo:   64016      67    0    0    0     0          0         0    64016      67    0    0    "
        "0     0       0          0\n"
        "  eth0:397720269 9563 1 2 3 4 5 6 463717 5871 7 8 9 10 11 12\n"
        "eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
    std::vector<NetworkStats> stats;
    EXPECT_EQ(parse_net_dev(text, stats), 0u);
    ASSERT_EQ(stats.size(), 3u);
    EXPECT_EQ(stats[0].interface, "lo");
    EXPECT_EQ(stats[1].interface, "eth0");
    EXPECT_EQ(stats[1].fields,
              (std::array<std::uint64_t, 16>{397720269, 9563, 1, 2, 3, 4, 5, 6, 463717, 5871, 7, 8, 9, 10, 11, 12}));
    EXPECT_EQ(stats[2].interface, "eth0:1");
}

TEST(ParseNetDev, LeavesOutLinesThatMakeNoSenseAndCountsThem) {
    const std::string numbers = " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
    const std::string text = std::string(kNetHead) + "eth0 1 2\neth1: 1 2 3\n:" + numbers + "../../x:" + numbers +
                             "a/b:" + numbers + "two words:" + numbers + "\neth2:" + numbers;
    std::vector<NetworkStats> stats;
    EXPECT_EQ(parse_net_dev(text, stats), 7u);
    ASSERT_EQ(stats.size(), 1u);
    EXPECT_EQ(stats[0].interface, "eth2");
}

TEST(ParseNetDev, SurvivesATextWithoutItsHead) {
    std::vector<NetworkStats> stats;
    EXPECT_EQ(parse_net_dev("", stats), 0u);
    EXPECT_EQ(parse_net_dev("x", stats), 0u);
    EXPECT_TRUE(stats.empty());
}

TEST(DeviceFilter, KeepsDisksAndIgnoresPartsOfThem) {
    const DeviceFilter filter(default_ignored_disks());
    for (const char* disk :
         {"sda", "sdaa", "vda", "xvda", "hdc", "nvme0n1", "nvme10n12", "mmcblk0", "dm-0", "md127", "zram0", "sr0"}) {
        EXPECT_FALSE(filter.ignores(disk)) << disk;
    }
    for (const char* part : {"sda1", "sdaa15", "vda2", "xvda1", "hdc3", "nvme0n1p1", "nvme10n12p3", "mmcblk0p1",
                             "loop0", "ram15", "fd0"}) {
        EXPECT_TRUE(filter.ignores(part)) << part;
    }
}

TEST(DeviceFilter, KeepsNetworkCardsAndIgnoresWhatBelongsToVms) {
    const DeviceFilter filter(default_ignored_interfaces());
    for (const char* kept : {"eth0", "enp3s0", "bond0", "br0", "wlan0", "lo0"})
        EXPECT_FALSE(filter.ignores(kept)) << kept;
    for (const char* ignored : {"lo", "veth12ab", "tap0", "vnet3"}) EXPECT_TRUE(filter.ignores(ignored)) << ignored;
    EXPECT_FALSE(DeviceFilter({}).ignores("lo"));
}

}  // namespace
}  // namespace ringside::bridge
