/* The record of a histogram: `seq`, `pending`, two buckets and the pair of sums. Labels as in docs/ordering.md; without
 * the order of rside_before_: -DNO_PENDING_BEFORE_BUCKET. Its turn is that of a counter, so slots are left out; P6 is left
 * out too, as the P1 of the next record does for it.
 *
 * Record n has the value n. Records 1 and 2 fall into the first bucket, 3 beyond the last, 4 and 5 into the second.
 * -DREADER adds a reader that looks once, at any time.
 */
#define SEQ 0
#define PENDING_RECORD 1 /* bank * 64 + bucket * 8 + what the bucket held before */
#define SUM 2            /* and 3 */
#define BUCKET 4         /* and 5 */
#define OPEN 6
#define WORDS 7

#define TURNING 4
#define IS_IN_WINDOW(n, open) (open >> 3 == 1 -> n <= 3 : n >= 3) /* so far */

#define BUCKETS 2
#define BUCKET_OF(n) (n == 3 -> 2 : (n == 4 || n == 5 -> 1 : 0))
#define FIRST_AT(n) (n <= 2 -> n : 2)
#define SECOND_AT(n) (n <= 3 -> 0 : (n == 4 -> 1 : 2))
#define SUM_OF(n) (n * (n + 1) / 2)

/* Whenever the writer is killed: what undo_half_done makes of it is the state after a whole number of records. */
#define CHECK_STATE() \
    records = memory[SEQ] >> 1; \
    bucket = (memory[PENDING_RECORD] >> 3) & 7; \
    first = memory[BUCKET]; \
    second = memory[BUCKET + 1]; \
    if \
    :: (memory[SEQ] & 1) && (memory[PENDING_RECORD] >> 6) != (records & 1) && bucket < BUCKETS && \
        memory[BUCKET + bucket] == (memory[PENDING_RECORD] & 7) + 1 -> \
        first = first - (bucket == 0 -> 1 : 0); \
        second = second - (bucket == 1 -> 1 : 0) \
    :: else \
    fi; \
    assert(IS_IN_WINDOW(records, memory[OPEN])); \
    assert(first == FIRST_AT(records)); \
    assert(second == SECOND_AT(records)); \
    assert(memory[SUM + (records & 1)] == SUM_OF(records))

byte records, bucket, first, second;

#include "weak_memory.pml"

#ifdef NO_P1
#define P1() skip
#else
#define P1() fence()
#endif
#ifdef NO_P2
#define P2_RELEASE false
#else
#define P2_RELEASE true
#endif
#ifdef NO_PENDING_BEFORE_BUCKET
#define PENDING_BEFORE_BUCKET() skip
#else
#define PENDING_BEFORE_BUCKET() before()
#endif

/* rside_histogram_record */
inline record() {
    n++;
    store(SEQ, 2 * n - 1);
    P1();
    if
    :: BUCKET_OF(n) < BUCKETS ->
        store(PENDING_RECORD, (n & 1) * 64 + BUCKET_OF(n) * 8 + counts[BUCKET_OF(n)]);
        PENDING_BEFORE_BUCKET();
        counts[BUCKET_OF(n)]++;
        store(BUCKET + BUCKET_OF(n), counts[BUCKET_OF(n)])
    :: else ->
        store(PENDING_RECORD, (n & 1) * 64 + BUCKET_OF(n) * 8);
        PENDING_BEFORE_BUCKET()
    fi;
    store(SUM + (n & 1), SUM_OF(n));
    store_marked(SEQ, 2 * n, P2_RELEASE)
}

/* turn_histogram to the second window */
inline turn() {
    store(OPEN, 8 + TURNING);
    fence(); /* P3 */
    store_marked(OPEN, 16, true)
}

init {
    atomic {
        memory[OPEN] = 8;
        run Writer();
#ifdef READER
        run Reader()
#endif
    }
}

proctype Writer() {
    byte n = 0;
    byte counts[BUCKETS];
    do
    :: n < 3 -> record()
    :: n == 3 -> break
    od;
    turn();
    do
    :: n < 5 -> record()
    :: n == 5 -> break
    od;
    written = true
}

#ifdef READER
/* What SeriesReader::attempt does, once, at any time. The copy is taken or dropped by `seq` and `open` alone, so it is
 * enough to look at one field of it, any one. */
#ifdef NO_R1
#define R1 true
#else
#define R1 (loaded & 4)
#endif
#ifdef NO_R2
#define R2 true
#else
#define R2 (loaded & 1)
#endif

#define RECORDS (seq1 >> 1)
#define EXPECT(what, expected) (word == (what) && field != (expected))
#define BAD (EXPECT(SUM + (RECORDS & 1), SUM_OF(RECORDS)) || EXPECT(BUCKET, FIRST_AT(RECORDS)) || \
    EXPECT(BUCKET + 1, SECOND_AT(RECORDS)) || !IS_IN_WINDOW(RECORDS, open1))

/* Nobody takes such a copy, or what was loaded is right: more loads cannot make it wrong. */
#define DROPPED (((loaded & 1) && (seq1 & 1)) || ((loaded & 2) && (open1 & TURNING)))
#define IN_DOUBT (!DROPPED && ((loaded & 7) != 7 || BAD))

proctype Reader() {
    byte seq1, open1, word, field, seq3, open3, loaded = 0;
    do
    :: IN_DOUBT && load(1, seq1, SEQ)
    :: IN_DOUBT && load(2, open1, OPEN)
    :: IN_DOUBT && (loaded & 2) && R2 && load_any(4, field, SUM, BUCKET + 1)
    :: IN_DOUBT && (loaded & 1) && R1 && load(8, seq3, SEQ)
    :: IN_DOUBT && (loaded & 4) && load(16, open3, OPEN)
    :: loaded == 31 || !IN_DOUBT -> break
    od;
    assert(DROPPED || !BAD || seq1 != seq3 || open1 != open3)
}
#endif
