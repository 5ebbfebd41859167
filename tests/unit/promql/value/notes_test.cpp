#include "agent/promql/value/notes.h"

#include <gtest/gtest.h>

namespace ringside::agent::promql {
namespace {

TEST(Notes, KeepEachMessageOnce) {
    Notes notes;
    notes.warn(3, note::mixed_floats_histograms("m"));
    notes.warn(9, note::mixed_floats_histograms("m"));
    notes.inform(3, note::mixed_floats_histograms("m"));
    ASSERT_EQ(notes.list().size(), 2u);
    EXPECT_EQ(notes.list()[0].position, 3u);
    EXPECT_EQ(notes.list()[0].message,
              "PromQL warning: encountered a mix of histograms and floats for metric name \"m\"");
}

TEST(Notes, TextSaysLineAndColumn) {
    Note note{NoteLevel::kInfo, "PromQL info: x", 8, ""};
    EXPECT_EQ(note_text(note, "sum(\n  rate(m[5m]))"), "PromQL info: x (2:4)");
    note.position = 99;
    EXPECT_EQ(note_text(note, "m"), "PromQL info: x (1:2)");
}

TEST(Notes, OfLiftedCountsCoverAllSamples) {
    Notes notes;
    notes.forced_monotonicity(0, "m", {1000, 1, 2, 0.5});
    notes.forced_monotonicity(0, "m", {61000, 0.5, 1, 0.25});
    ASSERT_EQ(notes.list().size(), 1u);
    EXPECT_EQ(notes.list()[0].detail,
              ", from buckets 0.5 to 2, with a max diff of 0.5, over 2 samples from 1970-01-01T00:00:01Z to "
              "1970-01-01T00:01:01Z");
}

}  // namespace
}  // namespace ringside::agent::promql
