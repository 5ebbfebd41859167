/* The hot cell of a gauge, its turn, a slot of a ring with one slot, and the two banks. Labels as in docs/ordering.md;
 * -DNO_P1 leaves out the order P1, and so on, and the model must then fail.
 *
 * Each record adds 1 to the fields A and B. The first window has two records, the second one, then it is closed.
 * -DRING_READER and -DHOT_READER add a reader that looks once, at any time, -DSTUCK_READER one that reads slots while a
 * turn may be going on; without them the model is about kills alone.
 */
#define SEQ 0
#define OPEN 1
#define A 2
#define B 3
#define BANK 4 /* and 5 */
#define STAMP 6
#define X 7
#define Y 8
#define WORDS 9

#define STALE 2
#define TURNING 4
#define WINDOW(open) (open >> 3)
#define BANK_OF(open) (open & 1)
#define LAST 3

#define BEFORE(w) (w == 1 -> 0 : w) /* records in the windows before w: 0, 2, 3 */
#define IN(w) (w == 1 -> 2 : 1)

/* What holds whenever the writer is killed: each finished record once, a slot whole or void, the closed window there. */
#define CHECK_STATE() \
    total = memory[BANK + BANK_OF(memory[OPEN])]; \
    if \
    :: !(memory[OPEN] & STALE) -> total = total + memory[A] \
    :: else \
    fi; \
    assert(total == finished || (total == finished + 1 && (memory[SEQ] & 1))); \
    assert((memory[SEQ] & 1) || memory[A] == memory[B]); \
    assert(memory[STAMP] == 0 || (memory[X] == IN(memory[STAMP]) && memory[Y] == IN(memory[STAMP]))); \
    assert((memory[OPEN] & TURNING) || memory[STAMP] == WINDOW(memory[OPEN]) - 1)

byte total;

#include "weak_memory.pml"

#ifdef NO_P1
#define P1()
#else
#define P1() fence()
#endif
#ifdef NO_P2
#define P2_RELEASE false
#else
#define P2_RELEASE true
#endif
#ifdef NO_P3
#define P3()
#else
#define P3() fence()
#endif
#ifdef NO_P4
#define P4()
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
#ifdef NO_P8
#define P8()
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
    store(SEQ, seq + 1);
    P1();
    fields++;
    records++;
    store(A, fields);
    store(B, fields);
    seq = seq + 2;
    store_marked(SEQ, seq, P2_RELEASE, records)
}

/* turn_gauge to the next window. */
inline turn() {
    store(OPEN, window * 8 + bank + TURNING);
    P3();
    store(STAMP, 0);
    P4();
    store(X, fields);
    store(Y, fields);
    store_marked(STAMP, window, P5_RELEASE, 0);
    store(BANK + 1 - bank, records);
    store(SEQ, seq + 1);
    P1();
    window++;
    bank = 1 - bank;
    store_marked(OPEN, window * 8 + bank + STALE, P7_RELEASE, 0);
    P8();
    fields = 0;
    store(A, 0);
    store(B, 0);
    store_marked(OPEN, window * 8 + bank, P9_RELEASE, 0);
    seq = seq + 2;
    store_marked(SEQ, seq, P2_RELEASE, 0)
}

init {
    /* Spin starts the active processes with memory of zeros: window 1 is open from the start. */
    atomic {
        memory[OPEN] = 8;
        run Writer();
#ifdef RING_READER
        run RingReader()
#endif
#ifdef HOT_READER
        run HotReader()
#endif
#ifdef STUCK_READER
        run StuckReader()
#endif
    }
}

proctype Writer() {
    byte seq = 0, fields = 0, records = 0, window = 1, bank = 0;
    record();
    record();
    turn();
    record();
    turn();
    written = true
}

/* What SeriesReader::attempt does, once, at any time; loads between two fences happen in any order. In two halves, as the
 * model would grow too large otherwise: ring and bank, then the hot fields. */
#ifdef NO_R7
#define R7(loads) true
#else
#define R7(loads) ((loaded & loads) == loads)
#endif
#ifdef NO_R3
#define R3(loads) true
#else
#define R3(loads) ((loaded & loads) == loads)
#endif

proctype RingReader() {
    byte open1, stamp, x, y, bank, open3, loaded = 0;
    do
    :: load(1, open1, OPEN)
    :: R7(1) && load(2, stamp, STAMP)
    :: R7(1) && load(4, x, X)
    :: R7(1) && load(8, y, Y)
    :: R7(1) && load(16, bank, BANK + BANK_OF(open1))
    :: R3(31) && load(32, open3, OPEN)
    :: loaded == 63 -> break
    od;
    if
    :: open1 == open3 && !(open1 & TURNING) ->
        assert(bank == BEFORE(WINDOW(open1)));
        assert(stamp == WINDOW(open1) - 1);
        assert(stamp == 0 || (x == IN(stamp) && y == IN(stamp)))
    :: else
    fi
}

#ifdef NO_R2
#define R2(loads) true
#else
#define R2(loads) ((loaded & loads) == loads)
#endif
#ifdef NO_R1
#define R1(loads) true
#else
#define R1(loads) ((loaded & loads) == loads)
#endif

proctype HotReader() {
    byte seq1, open1, a, b, seq3, open3, loaded = 0;
    do
    :: load(1, seq1, SEQ)
    :: load(2, open1, OPEN)
    :: R2(3) && load(4, a, A)
    :: R2(3) && load(8, b, B)
    :: R1(15) && load(16, seq3, SEQ)
    :: R1(15) && load(32, open3, OPEN)
    :: loaded == 63 -> break
    od;
    if
    :: open1 == open3 && !(open1 & TURNING) && seq1 == seq3 && !(seq1 & 1) ->
        assert(!(open1 & STALE));
        assert(a == b && a <= IN(WINDOW(open1)))
    :: else
    fi
}

/* SeriesReader::read_ring_of_turning: slots alone, by their stamps, while a turn may be going on. */
#ifdef NO_R5
#define R5(loads) true
#else
#define R5(loads) ((loaded & loads) == loads)
#endif
#ifdef NO_R4
#define R4(loads) true
#else
#define R4(loads) ((loaded & loads) == loads)
#endif

proctype StuckReader() {
    byte before, x, y, after, loaded = 0;
    do
    :: load(1, before, STAMP)
    :: R5(1) && load(2, x, X)
    :: R5(1) && load(4, y, Y)
    :: R4(7) && load(8, after, STAMP)
    :: loaded == 15 -> break
    od;
    assert(before == 0 || before != after || (x == IN(before) && y == IN(before)))
}
