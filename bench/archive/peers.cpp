#include "bench/archive/peers.h"

#include <zlib.h>
#include <zstd.h>

#include <bit>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "bench/writer/scratch.h"

namespace ringside::bench {
namespace {

using agent::Kind;

// One series in OpenMetrics text. What the values are called does not matter: chunks have no names.
std::uint64_t write_series(std::ofstream& out, std::size_t number, const agent::SeriesInfo& series, Kind kind,
                           const agent::SeriesData& data) {
    const bool counter = kind == Kind::kCounter || kind == Kind::kCounterF64;
    const bool gauge = kind == Kind::kGauge || kind == Kind::kLevel;
    if (!counter && !gauge) return 0;
    out << "# TYPE m" << number << " gauge\n";
    for (std::size_t i = 0; i < data.size(); ++i) {
        const double value = gauge                    ? data.last[i]
                             : kind == Kind::kCounter ? static_cast<double>(data.value[i])
                                                      : std::bit_cast<double>(data.value[i]);
        char line[96];
        std::snprintf(line, sizeof line, "m%zu{n=\"%u\"} %.17g %.3f\n", number, series.index, value,
                      static_cast<double>(data.end_ns[i] / 1'000'000) / 1e3);
        out << line;
    }
    return data.size();
}

}  // namespace

std::uint64_t gzip_bytes(const std::string& plain) {
    std::string packed(compressBound(plain.size()), '\0');
    uLongf size = packed.size();
    const auto* bytes = reinterpret_cast<const Bytef*>(plain.data());
    if (compress2(reinterpret_cast<Bytef*>(packed.data()), &size, bytes, plain.size(), Z_BEST_COMPRESSION) != Z_OK) {
        fail("zlib cannot compress");
    }
    return size;
}

std::uint64_t zstd_bytes(const std::string& plain) {
    constexpr int kBest = 19;
    std::string packed(ZSTD_compressBound(plain.size()), '\0');
    const std::size_t size = ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), kBest);
    if (ZSTD_isError(size) != 0) fail("zstd cannot compress");
    return size;
}

PrometheusChunks prometheus_chunks(const agent::SeriesSource& source, const std::string& name) {
    const std::string folder = scratch_folder("prometheus_" + name);
    const std::string text = folder + "/samples.txt";
    PrometheusChunks chunks;
    {
        std::ofstream out(text);
        std::size_t number = 0;
        const auto listed = source.series();
        if (!listed.ok()) fail(listed.error().message());
        for (const agent::SeriesInfo& series : *listed) {
            const auto data = source.read(series.index, {});
            if (!data.ok()) fail(data.error().message());
            chunks.samples += write_series(out, number++, series, source.schema()->metrics[series.metric].kind, *data);
        }
        out << "# EOF\n";
    }
    const std::string command =
        "promtool tsdb create-blocks-from openmetrics " + text + " " + folder + "/data >/dev/null";
    if (std::system(command.c_str()) != 0) fail("promtool could not make blocks: is the package prometheus installed?");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder + "/data")) {
        if (entry.path().parent_path().filename() == "chunks") chunks.bytes += entry.file_size();
    }
    if (chunks.bytes == 0) fail("promtool made no chunks");
    return chunks;
}

}  // namespace ringside::bench
