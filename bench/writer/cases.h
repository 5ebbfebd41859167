// Every family of cases registers itself with Google Benchmark. What a case needs is set up when it first runs, so that
// --benchmark_filter pays for nothing else.
#pragma once

namespace ringside::bench {

void add_floors();
void add_ringside();
void add_gauges();
void add_tail();
void add_turns();
void add_set_up();
void add_mmv();
void add_prometheus();
void add_rrd();

}  // namespace ringside::bench
