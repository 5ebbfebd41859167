// The cases of size_bench and what they share. A case measures once, when it runs, and its figure is the counter `bytes`
// (bench/report.py).
#pragma once

#include <ringside/schema.h>

#include <cstdint>
#include <string>

namespace ringside::bench {

// The schemas that are measured; they live as long as the program.
struct Subject {
    std::string name;  // as cases are called: segment_NAME, rrd_NAME
    const rside_schema* schema;
};
const Subject* subjects();  // ends with one without a schema

// Registers a case that calls `measure` once, when it runs.
void add_case(const std::string& name, std::uint64_t (*measure)(const Subject&), const Subject& subject);

// Bytes of a segment's file, provisioned from the schema.
std::uint64_t segment_bytes(const Subject& subject);
// The same for one of its series, on average.
std::uint64_t segment_series_bytes(const Subject& subject);
// Bytes of the files in which librrd keeps what a segment of the schema keeps.
std::uint64_t rrd_bytes(const Subject& subject);
// Private memory of a Prometheus for each series that it scrapes.
std::uint64_t prometheus_series_bytes(const Subject& subject);

}  // namespace ringside::bench
