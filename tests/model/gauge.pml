/* The hot cell of a gauge, its turn, a slot of a ring with one slot, and the two banks. Labels as in docs/ordering.md;
 * -DNO_P1 leaves out the order P1, and so on, and the model must then fail.
 *
 * The first record comes before any window could be opened and is lost; the first window has three records, the second one,
 * then it is closed. `min` is like `max`, and stored only by a record that is a new extreme: the third is none.
 * -DREADER adds a reader that looks once, at any time; -DREADER -DSTUCK one that reads slots while a turn may be going
 * on.
 */
#define SEQ 0
#define OPEN 1
#define ORIGIN 2
#define SUM 3  /* and 4 */
#define LAST 5 /* and 6 */
#define MAX 7  /* 0 while the window has no record */
#define BANK 8 /* and 9: the sum alone, as no word of a bank is unlike the others */
#define STAMP 10
#define SLOT 11
#define WORDS 12

#define STALE 2
#define TURNING 4
#define WINDOW(open) (open >> 3)
#define BANK_OF(open) (open & 1)

#define BEFORE(w) (w == 1 -> 1 : (w == 2 -> 4 : 5)) /* records when window w opened */
#define VALUE(n) (n == 1 -> 1 : (n == 2 -> 4 : (n == 3 -> 2 : (n == 4 -> 5 : 3))))
#define SUM_OF(n) (n == 0 -> 0 : (n == 1 -> 1 : (n == 2 -> 5 : (n == 3 -> 7 : (n == 4 -> 12 : 15))))) /* up to record n */
#define SUM_SINCE(origin, n) (SUM_OF(n) - SUM_OF(origin))
#define SUM_IN(w) SUM_SINCE(BEFORE(w), BEFORE(w + 1))

/* Readers take the newest record into `max`, so all but that must be there, and nothing newer. */
#define LARGER(a, b) ((a) > (b) -> (a) : (b))
#define MAX_IN(origin, n) (origin == 4 -> VALUE(n) : (n == 4 -> 5 : 4))
#define MAX_IS_RIGHT(max, origin, n) (LARGER(max, VALUE(n)) == MAX_IN(origin, n))

/* What holds whenever the writer is killed: each record that `seq` counts is there once, in its window; a slot is whole
 * or void; the closed window is there. */
#define CHECK_STATE() \
    if \
    :: memory[OPEN] == 0 -> skip \
    :: else -> \
        origin = (memory[OPEN] & STALE -> memory[SEQ] : memory[ORIGIN]); \
        valid = memory[SEQ] & 1; \
        assert(origin == BEFORE(WINDOW(memory[OPEN]))); \
        assert(memory[BANK + BANK_OF(memory[OPEN])] == SUM_SINCE(BEFORE(1), origin)); \
        assert(memory[SEQ] == origin || memory[SUM + valid] == SUM_SINCE(origin, memory[SEQ])); \
        assert(memory[SEQ] == origin || memory[LAST + valid] == VALUE(memory[SEQ])); \
        assert(memory[SEQ] == origin || MAX_IS_RIGHT(memory[MAX], origin, memory[SEQ])); \
        assert(memory[STAMP] == 0 || memory[SLOT] == SUM_IN(memory[STAMP])); \
        assert((memory[OPEN] & TURNING) || memory[STAMP] == WINDOW(memory[OPEN]) - 1) \
    fi

byte origin, valid;

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
#ifdef NO_P3
#define P3() skip
#else
#define P3() fence()
#endif
#ifdef NO_P4
#define P4() skip
#else
#define P4() fence()
#endif
#ifdef NO_P5
#define P5_RELEASE false
#else
#define P5_RELEASE true
#endif
#ifdef NO_P7
#define P7_RELEASE false
#else
#define P7_RELEASE true
#endif
#ifdef NO_P7_FIRST
#define P7_FIRST_RELEASE false
#else
#define P7_FIRST_RELEASE true
#endif
#ifdef NO_P8
#define P8() skip
#else
#define P8() fence()
#endif
#ifdef NO_P9
#define P9_RELEASE false
#else
#define P9_RELEASE true
#endif

/* rside_gauge_record within the open window. */
inline record() {
    seq++;
    sum = sum + VALUE(seq);
    store(SUM + (seq & 1), sum);
    store(LAST + (seq & 1), VALUE(seq));
    store_marked(SEQ, seq, P2_RELEASE);
    P1();
    if
    :: VALUE(seq) > max ->
        max = VALUE(seq);
        store(MAX, max)
    :: else
    fi
}

inline empty_hot() {
    sum = 0;
    max = 0;
    store(ORIGIN, seq);
    store(SUM + (seq & 1), 0);
    store(MAX, 0)
}

/* turn_gauge without an open window. */
inline open_first() {
    empty_hot();
    store_marked(OPEN, window * 8, P7_FIRST_RELEASE)
}

/* turn_gauge to the next window. */
inline turn() {
    store(OPEN, window * 8 + bank + TURNING);
    P3();
    store(STAMP, 0);
    P4();
    store(SLOT, sum);
    store_marked(STAMP, window, P5_RELEASE);
    closed = closed + sum;
    store(BANK + 1 - bank, closed);
    window++;
    bank = 1 - bank;
    store_marked(OPEN, window * 8 + bank + STALE, P7_RELEASE);
    P8();
    empty_hot();
    store_marked(OPEN, window * 8 + bank, P9_RELEASE)
}

init {
    atomic {
        run Writer();
#ifdef READER
        run Reader()
#endif
    }
}

proctype Writer() {
    byte seq = 0, sum = 0, max = 0, closed = 0, window = 1, bank = 0;
    record();
    open_first();
    record();
    record();
    record();
    turn();
    record();
    turn();
    written = true
}

#ifdef READER
#ifndef STUCK
/* What SeriesReader::attempt does, once, at any time. The copy is taken or dropped by `seq` and `open` alone, so it is
 * enough to look at one field of it, any one: what lies in a slot or bank, or a hot one. */
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
#ifdef NO_R3
#define R3 true
#else
#define R3 (loaded & 4)
#endif
#ifdef NO_R7
#define R7 true
#else
#define R7 (loaded & 2)
#endif
#ifdef NO_R8
#define R8 true
#else
#define R8 (loaded & 4)
#endif
#ifdef NO_R9
#define R9 true
#else
#define R9 (loaded & 2)
#endif

/* Whether the field is what `seq1` and `open1` promise; true as well for what nobody would look at. */
#define WINDOW_BEGIN BEFORE(WINDOW(open1))
#define EXPECT(what, expected) (word == (what) && field != (expected))
#define BAD_SLOT (EXPECT(STAMP, WINDOW(open1) - 1) || (WINDOW(open1) > 1 && EXPECT(SLOT, SUM_IN(WINDOW(open1) - 1))))
#define BAD_BANK EXPECT(BANK + BANK_OF(open1), SUM_SINCE(BEFORE(1), WINDOW_BEGIN))
#define BAD_RECORD (EXPECT(SUM + (seq1 & 1), SUM_SINCE(WINDOW_BEGIN, seq1)) || EXPECT(LAST + (seq1 & 1), VALUE(seq1)) || \
    (word == MAX && !MAX_IS_RIGHT(field, WINDOW_BEGIN, seq1)))
#define BAD_HOT (!(open1 & STALE) && (EXPECT(ORIGIN, WINDOW_BEGIN) || (seq1 > WINDOW_BEGIN && BAD_RECORD)))
#define BAD (hot -> BAD_HOT : BAD_SLOT || BAD_BANK)

/* Nobody takes such a copy, or what was loaded is right: more loads cannot make it wrong. */
#define DROPPED ((loaded & 2) && (open1 == 0 || (open1 & TURNING)))
#define IN_DOUBT (!DROPPED && ((loaded & 7) != 7 || BAD))

proctype Reader() {
    byte seq1, open1, word, field, seq3, open3, loaded = 0;
    bool hot;
    if
    :: hot = true
    :: hot = false; loaded = 9 /* slots and banks do without `seq` */
    fi;
    do
    :: IN_DOUBT && load(1, seq1, SEQ)
    :: IN_DOUBT && load(2, open1, OPEN)
    :: IN_DOUBT && hot && R2 && R9 && load_any(4, field, ORIGIN, MAX)
    :: IN_DOUBT && !hot && R7 && load_any(4, field, BANK, SLOT)
    :: IN_DOUBT && (loaded & 1) && R1 && load(8, seq3, SEQ)
    :: IN_DOUBT && (loaded & 2) && (hot -> R8 : R3) && load(16, open3, OPEN)
    :: loaded == 31 || !IN_DOUBT -> break
    od;
    assert(DROPPED || !BAD || seq1 != seq3 || open1 != open3)
}
#else
/* SeriesReader::read_ring_of_turning: slots alone, by their stamps, while a turn may be going on. */
#ifdef NO_R4
#define R4 true
#else
#define R4 (loaded & 2)
#endif
#ifdef NO_R5
#define R5 true
#else
#define R5 (loaded & 1)
#endif

proctype Reader() {
    byte stamp1, field, stamp3, loaded = 0;
    do
    :: load(1, stamp1, STAMP)
    :: R5 && load(2, field, SLOT)
    :: (loaded & 1) && R4 && load(4, stamp3, STAMP)
    :: loaded == 7 -> break
    od;
    assert(stamp1 == 0 || stamp1 != stamp3 || field == SUM_IN(stamp1))
}
#endif
#endif
