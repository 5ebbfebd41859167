#include <ringside/ringside.h>
#include <sys/stat.h>

#include "bench/size/cases.h"
#include "bench/writer/scratch.h"

namespace ringside::bench {

std::uint64_t segment_bytes(const Subject& subject) {
    const std::string folder = scratch_folder("segment_" + subject.name);
    rside_options options;
    rside_options_init(&options);
    options.vm_id = "bench";
    options.directory = folder.c_str();
    options.schema = subject.schema;
    rside_error error;
    char path[4096];
    if (rside_segment_provision(&options, path, sizeof path, &error) < 0) fail(error.text);
    struct stat file;
    if (stat(path, &file) != 0) fail(std::string("cannot look at ") + path);
    // Every page is there from the start: a file that were smaller on tmpfs than it says would be no figure.
    if (file.st_blocks * 512 < file.st_size) fail(std::string(path) + " has holes");
    return static_cast<std::uint64_t>(file.st_size);
}

std::uint64_t segment_series_bytes(const Subject& subject) {
    std::uint64_t series = 0;
    for (std::uint32_t m = 0; m < subject.schema->metric_count; ++m) series += subject.schema->metrics[m].max_series;
    return rside_schema_size(subject.schema, nullptr) / series;
}

}  // namespace ringside::bench
