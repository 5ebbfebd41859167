#include "tools/ringsidectl/output.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace ringside::ctl {
namespace {

using Json = nlohmann::ordered_json;

// Runs `write` on an Output and hands back what it wrote.
template <typename Write>
std::string written(Format format, Write write, bool colours = false, std::size_t width = 0) {
    char* bytes = nullptr;
    std::size_t size = 0;
    std::FILE* file = open_memstream(&bytes, &size);
    Output output(file, format, colours, width);
    write(output);
    EXPECT_TRUE(output.flush());
    std::fclose(file);
    std::string text(bytes, size);
    std::free(bytes);
    return text;
}

std::string printed(Format format, const Document& document, bool colours = false) {
    return written(
        format, [&](Output& output) { output.print(document); }, colours);
}

Document two_vms() {
    Section vms{
        .name = "vms",
        .columns = {{"vm_id"}, {"component"}, {"segment_bytes", Unit::kBytes}, {"lag_ns", Unit::kDuration}, {"labels"}},
        .rows = {{std::string("vm-1"), std::string(), std::uint64_t{2202010}, std::uint64_t{1'500'000'000},
                  Labels{{"zone", "a\"b"}}},
                 {std::string("web, \"two\""), std::string("host"), Value{}, Value{}, Labels{}}}};
    return {.kind = "vm_list", .sections = {vms}};
}

TEST(Output, TableAlignsNumbersRightAndNamesTheUnitInTheCell) {
    EXPECT_EQ(printed(Format::kTable, two_vms()),
              "VM_ID       COMPONENT  SEGMENT   LAG  LABELS\n"
              "vm-1        -           2.1MiB  1.5s  {zone=\"a\\\"b\"}\n"
              "web, \"two\"  host             -     -  -\n");
}

TEST(Output, JsonHasVersionKindAndRawValues) {
    const Json json = Json::parse(printed(Format::kJson, two_vms()));
    EXPECT_EQ(json["version"], kJsonVersion);
    EXPECT_EQ(json["kind"], "vm_list");
    ASSERT_EQ(json["vms"].size(), 2u);
    EXPECT_EQ(json["vms"][0]["segment_bytes"], 2202010);
    EXPECT_EQ(json["vms"][0]["component"], "");
    EXPECT_EQ(json["vms"][0]["labels"]["zone"], "a\"b");
    EXPECT_TRUE(json["vms"][1]["segment_bytes"].is_null());
}

TEST(Output, CsvQuotesByRfc4180AndTellsUnknownFromEmpty) {
    EXPECT_EQ(printed(Format::kCsv, two_vms()),
              "vm_id,component,segment_bytes,lag_ns,labels\r\n"
              "vm-1,\"\",2202010,1500000000,\"{zone=\"\"a\\\"\"b\"\"}\"\r\n"
              "\"web, \"\"two\"\"\",host,,,\"\"\r\n");
}

TEST(Output, CsvKeepsTheFieldCountWhenTheFirstFieldIsUnknown) {
    const Document document{.kind = "x",
                            .sections = {{.name = "x", .columns = {{"a"}, {"b"}}, .rows = {{Value{}, Value{}}}}}};
    EXPECT_EQ(printed(Format::kCsv, document), "a,b\r\n,\r\n");
}

TEST(Output, JsonKeepsEveryBitOfIntegersAndDoubles) {
    const Document document{.kind = "x",
                            .sections = {{.name = "x",
                                          .columns = {{"u"}, {"i"}, {"d"}, {"nan"}, {"counts"}, {"texts"}, {"yes"}},
                                          .rows = {{UINT64_MAX, INT64_MIN, 0.1, std::nan(""), Counts{1, UINT64_MAX},
                                                    Texts{"sum", "count"}, true}},
                                          .single = true}}};
    const Json json = Json::parse(printed(Format::kJson, document))["x"];
    EXPECT_EQ(json["u"].get<std::uint64_t>(), UINT64_MAX);
    EXPECT_EQ(json["i"].get<std::int64_t>(), INT64_MIN);
    EXPECT_EQ(json["d"].get<double>(), 0.1);
    EXPECT_TRUE(json["nan"].is_null());
    EXPECT_EQ(json["counts"][1].get<std::uint64_t>(), UINT64_MAX);
    EXPECT_EQ(json["texts"][0], "sum");
    EXPECT_EQ(json["yes"], true);
}

TEST(Output, JsonStaysValidWithBytesThatAreNotUtf8) {
    const Document document{
        .kind = "x",
        .sections = {{.name = "x", .columns = {{"text"}}, .rows = {{std::string("a\xff\x1b\n")}}, .single = true}}};
    const Json json = Json::parse(printed(Format::kJson, document));
    EXPECT_EQ(json["x"]["text"], "a\xef\xbf\xbd\x1b\n");
}

TEST(Output, TableEscapesWhatAVmChose) {
    const Document document{
        .kind = "x", .sections = {{.name = "x", .columns = {{"text"}}, .rows = {{std::string("\033[31mred\n")}}}}};
    EXPECT_EQ(printed(Format::kTable, document), "TEXT\n\\x1b[31mred\\x0a\n");
}

TEST(Output, RecordPrintsOneFieldALine) {
    const Document document{
        .kind = "vm",
        .sections = {{.name = "vm",
                      .columns = {{"vm_id"}, {"created_ns", Unit::kTime}, {"ended_ns", Unit::kTime}},
                      .rows = {{std::string("vm-1"), std::uint64_t{1795293655'000'000'000}, Value{}}},
                      .single = true}}};
    EXPECT_EQ(printed(Format::kTable, document),
              "VM_ID    vm-1\n"
              "CREATED  2026-11-21T20:40:55Z\n"
              "ENDED    -\n");
}

TEST(Output, SectionsHaveTitlesInTablesAndCsvPrintsTheChosenOne) {
    const Document document{
        .kind = "x",
        .sections = {{.name = "one", .title = "One", .columns = {{"a"}}, .rows = {{std::string("1")}}, .single = true},
                     {.name = "two", .title = "Two", .columns = {{"b"}}, .rows = {{std::string("2")}}}},
        .csv = 1};
    EXPECT_EQ(printed(Format::kTable, document), "One\nA  1\n\nTwo\nB\n2\n");
    EXPECT_EQ(printed(Format::kCsv, document), "b\r\n2\r\n");
    const Json json = Json::parse(printed(Format::kJson, document));
    EXPECT_EQ(json["one"]["a"], "1");
    EXPECT_EQ(json["two"][0]["b"], "2");
}

TEST(Output, ColoursOnlyTheHeading) {
    const Document document{.kind = "x", .sections = {{.name = "x", .columns = {{"a"}}, .rows = {{std::string("1")}}}}};
    EXPECT_EQ(printed(Format::kTable, document, true), "\033[1mA\033[0m\n1\n");
    EXPECT_EQ(printed(Format::kCsv, document, true).find('\033'), std::string::npos);
}

void stream_three(Output& output) {
    output.begin_stream("stat", {{"time_ns", Unit::kTime}, {"cpu", Unit::kCompact, "cpu", "s/s"}, {"note"}}, 2);
    for (std::uint64_t i = 0; i < 3; ++i) {
        output.stream_row({(1795293655 + i) * 1'000'000'000, i == 1 ? Value{} : Value{0.5}, std::string("x")});
    }
}

TEST(Output, StreamRepeatsItsHeadingAndKeepsItsWidths) {
    EXPECT_EQ(written(Format::kTable, stream_three),
              "TIME                     cpu NOTE\n"
              "                         s/s\n"
              "2026-11-21T20:40:55Z     0.5 x\n"
              "2026-11-21T20:40:56Z       - x\n"
              "TIME                     cpu NOTE\n"
              "                         s/s\n"
              "2026-11-21T20:40:57Z     0.5 x\n");
}

TEST(Output, NarrowTableLeavesOutWhatCanBeSpared) {
    const Document document{
        .kind = "x",
        .sections = {{.name = "x",
                      .columns = {{"name"}, {.name = "spare", .spare = 2}, {"need"}, {.name = "help", .spare = 1}},
                      .rows = {{std::string("n"), std::string("s"), std::string("e"), std::string("some help")}}}}};
    const auto in = [&](Format format, std::size_t width) {
        return written(
            format, [&](Output& output) { output.print(document); }, false, width);
    };
    EXPECT_EQ(in(Format::kTable, 0), "NAME  SPARE  NEED  HELP\nn     s      e     some help\n");
    EXPECT_EQ(in(Format::kTable, 28), in(Format::kTable, 0));  // its width
    EXPECT_EQ(in(Format::kTable, 27), "NAME  NEED  HELP\nn     e     some help\n");
    EXPECT_EQ(in(Format::kTable, 20), "NAME  NEED\nn     e\n");
    EXPECT_EQ(in(Format::kTable, 3), in(Format::kTable, 20));  // no more than that can go
    EXPECT_EQ(in(Format::kCsv, 3), "name,spare,need,help\r\nn,s,e,some help\r\n");
}

TEST(Output, StreamSaysHowManyColumnsALineHasRoomFor) {
    const std::vector<Column> columns{{"time_ns", Unit::kTime}, {"a", Unit::kBytes}, {"b", Unit::kSeconds}};
    const auto room = [&](Format format, std::size_t width) {
        return Output(stdout, format, false, width).stream_room(columns);
    };
    EXPECT_EQ(room(Format::kTable, 0), 3u);
    EXPECT_EQ(room(Format::kTable, 36), 3u);
    EXPECT_EQ(room(Format::kTable, 35), 2u);
    EXPECT_EQ(room(Format::kTable, 5), 1u);
    EXPECT_EQ(room(Format::kJson, 5), 3u);
}

TEST(Output, StreamPutsSecondsToTheRightAsOtherNumbers) {
    const std::string text = written(Format::kTable, [](Output& output) {
        output.begin_stream("stat", {{"a", Unit::kSeconds, "p99", "s"}, {"b", Unit::kSeconds, "p50", "s"}});
        output.stream_row({0.0015, 12.0});
    });
    EXPECT_EQ(text, "    p99     p50\n      s       s\n  1.5ms     12s\n");
}

TEST(Output, StreamInJsonIsOneVersionedObjectALine) {
    const std::string text = written(Format::kJson, stream_three);
    std::size_t lines = 0;
    for (std::size_t at = 0; at < text.size(); ++lines) {
        const std::size_t end = text.find('\n', at);
        const Json json = Json::parse(text.substr(at, end - at));
        EXPECT_EQ(json["version"], kJsonVersion);
        EXPECT_EQ(json["kind"], "stat");
        EXPECT_EQ(json["cpu"].is_null(), lines == 1);
        at = end + 1;
    }
    EXPECT_EQ(lines, 3u);
}

TEST(Output, StreamInCsvHasOneHeader) {
    EXPECT_EQ(written(Format::kCsv, stream_three),
              "time_ns,cpu,note\r\n"
              "1795293655000000000,0.5,x\r\n"
              "1795293656000000000,,x\r\n"
              "1795293657000000000,0.5,x\r\n");
}

TEST(Output, FlushReportsAFullDisk) {
    std::FILE* full = std::fopen("/dev/full", "w");
    ASSERT_NE(full, nullptr);
    Output output(full, Format::kCsv, false);
    output.print(two_vms());
    EXPECT_FALSE(output.flush());
    std::fclose(full);
}

TEST(WantsColours, NeverWithoutATerminal) {
    std::FILE* file = std::fopen("/dev/null", "w");
    ASSERT_NE(file, nullptr);
    EXPECT_FALSE(wants_colours(file));
    std::fclose(file);
}

}  // namespace
}  // namespace ringside::ctl
