/* The hot cell of a level: sets, a turn to another time (rebase_level) and a turn to the next window. Labels as in
 * docs/ordering.md; the orders of rside_before_ have names: -DNO_SUM_BEFORE_SINCE leaves out that one, and so on.
 *
 * `min` is like `max`, and stored only by a set to a new extreme: the third and the fifth are none. What must come out is
 * told in time held, which goes on when the clock steps back. -DREADER adds a reader that looks once, at any time, and leaves out the turns: to it they are updates within
 * an odd `seq` like any other.
 */
#define SEQ 0
#define OPEN 1
#define SINCE 2 /* time * 2 + which of SUM and ORIGIN is valid */
#define SUM 3   /* and 4 */
#define LAST 5
#define MAX 6    /* 0 before the first set */
#define ORIGIN 7 /* and 8 */
#define BANK 9   /* and 10: the sum alone */
#define WORDS 11

#define STALE 2
#define MOVED 4 /* the first window, after the step back; the flag stands for its begin */
#define WINDOW(open) (open >> 3)
#define BANK_OF(open) (open & 1)

/* Sets 1 to 6 happen after so much time held: 0, 2, 3, 3 (after the step back), 5, 8. The second window begins at 7. */
#define BEGIN 12 /* of the first window, as the clock tells */
#define BEGIN_OF(open) (open & MOVED -> BEGIN - 4 : BEGIN)
#define HELD_AT(n) (n == 1 -> 0 : (n == 2 -> 2 : (n <= 4 -> 3 : (n == 5 -> 5 : 8))))
#define HELD_BEFORE(w) (w == 1 -> 0 : 7)
/* Their values, all different, and back. Before the first set the value is 0. */
#define VALUE(n) (n == 1 -> 2 : (n == 2 -> 4 : (n == 3 -> 3 : (n == 4 -> 5 : (n == 5 -> 1 : 6)))))
#define SET_OF(value) (value == 0 -> 0 : (value == 2 -> 1 : (value == 4 -> 2 : (value == 3 -> 3 : (value == 5 -> 4 : \
    (value == 1 -> 5 : 6))))))
/* The largest in the window so far, to which the value counts that it began with. */
#define LARGER(a, b) ((a) > (b) -> (a) : (b))
#define MAX_AT(n, w) (w == 2 -> VALUE(n) : (n == 0 -> 0 : (n == 1 -> 2 : (n <= 3 -> 4 : 5))))
#define PART(value, from, until, h) (h <= from -> 0 : value * ((h < until -> h : until) - from))
#define SUM_AT(h) (PART(2, 0, 2, h) + PART(4, 2, 3, h) + PART(5, 3, 5, h) + PART(1, 5, 8, h) + PART(6, 8, 99, h))

/* Whenever the writer is killed: the sum is that of the time held, whose end lies between the last set and the next. */
#define CHECK_STATE() \
    valid = memory[SINCE] & 1; \
    sets = SET_OF(memory[LAST]); \
    held = HELD_BEFORE(WINDOW(memory[OPEN])); \
    sum = memory[BANK + BANK_OF(memory[OPEN])]; \
    if \
    :: memory[OPEN] & STALE -> skip \
    :: else -> \
        held = held + (memory[SINCE] >> 1) - memory[ORIGIN + valid]; \
        sum = sum + memory[SUM + valid]; \
        assert(LARGER(memory[MAX], memory[LAST]) == MAX_AT(sets, WINDOW(memory[OPEN]))); \
        assert(WINDOW(memory[OPEN]) == 2 || (memory[SINCE] >> 1) >= BEGIN_OF(memory[OPEN])) \
    fi; \
    assert(sum == SUM_AT(held)); \
    assert(sets == 0 || held >= HELD_AT(sets)); \
    assert(sets == 6 || held <= HELD_AT(sets + 1))

byte valid, sets, held, sum;

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
#ifdef NO_P7
#define P7_RELEASE false
#else
#define P7_RELEASE true
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
#ifdef NO_SUM_BEFORE_SINCE
#define SUM_BEFORE_SINCE() skip
#else
#define SUM_BEFORE_SINCE() before()
#endif
#ifdef NO_SINCE_BEFORE_LAST
#define SINCE_BEFORE_LAST() skip
#else
#define SINCE_BEFORE_LAST() before()
#endif
#ifdef NO_LAST_BEFORE_MAX
#define LAST_BEFORE_MAX() skip
#else
#define LAST_BEFORE_MAX() before()
#endif
#ifdef NO_REBASED_BEFORE_SINCE
#define REBASED_BEFORE_SINCE() skip
#else
#define REBASED_BEFORE_SINCE() before()
#endif
#ifdef NO_SINCE_BEFORE_ORIGIN
#define SINCE_BEFORE_ORIGIN() skip
#else
#define SINCE_BEFORE_ORIGIN() before()
#endif

inline update_begin() {
    store(SEQ, seq + 1);
    P1()
}

inline update_end() {
    seq = seq + 2;
    store_marked(SEQ, seq, P2_RELEASE)
}

/* rside_level_account_ */
inline account(now) {
    if
    :: now > since ->
        sums = sums + last * (now - since);
        since = now;
        bank = 1 - bank;
        store(SUM + bank, sums);
        SUM_BEFORE_SINCE();
        store(SINCE, since * 2 + bank)
    :: else
    fi
}

/* rside_level_set */
inline set(now) {
    update_begin();
    account(now);
    SINCE_BEFORE_LAST();
    n++;
    last = VALUE(n);
    store(LAST, last);
    LAST_BEFORE_MAX();
    if
    :: last > max ->
        max = last;
        store(MAX, max)
    :: else
    fi;
    update_end()
}

/* turn_level when the clock has stepped back far. */
inline rebase(now) {
    update_begin();
    store_marked(OPEN, 8 + MOVED, P7_RELEASE); /* rebase_gauge */
    origin = origin + now - since;
    since = now;
    bank = 1 - bank;
    store(ORIGIN + bank, origin);
    store(SUM + bank, sums);
    REBASED_BEFORE_SINCE();
    store(SINCE, since * 2 + bank);
    SINCE_BEFORE_ORIGIN();
    store(ORIGIN + 1 - bank, origin);
    update_end()
}

/* turn_level to the second window, without slots: they are those of a gauge. */
inline turn(now) {
    update_begin();
    account(now);
    store(BANK + 1, sums);
    store_marked(OPEN, 2 * 8 + 1 + STALE, P7_RELEASE);
    P8();
    sums = 0;
    max = last;
    bank = 0;
    store(SUM, 0);
    store(MAX, max);
    store(ORIGIN, now);
    store(ORIGIN + 1, now);
    store(SINCE, now * 2);
    store_marked(OPEN, 2 * 8 + 1, P9_RELEASE);
    update_end()
}

init {
    atomic {
        memory[OPEN] = 8;
        memory[SINCE] = BEGIN * 2;
        memory[ORIGIN] = BEGIN;
        memory[ORIGIN + 1] = BEGIN;
        run Writer();
#ifdef READER
        run Reader()
#endif
    }
}

proctype Writer() {
    byte seq = 0, since = BEGIN, origin = BEGIN, bank = 0, sums = 0, n = 0, last = 0, max = 0;
    set(BEGIN);
    set(BEGIN + 2);
    set(BEGIN + 3);
#ifndef READER
    rebase(BEGIN - 4);
    set(BEGIN - 4);
    set(BEGIN - 2);
    turn(BEGIN);
    set(BEGIN + 1);
#endif
    written = true
}

#ifdef READER
/* What SeriesReader::attempt does, once, at any time. The copy is taken or dropped by `seq` alone, so it is enough to look
 * at one field of it, any one. */
#ifdef NO_R1
#define R1 true
#else
#define R1 (loaded & 2)
#endif
#ifdef NO_R2
#define R2 true
#else
#define R2 (loaded & 1)
#endif

#define SETS (seq1 / 2)
#define VALID (SETS == 2) /* the first set accounts nothing, the others take turns */
#define EXPECT(what, expected) (word == (what) && field != (expected))
#define BAD (EXPECT(SINCE, (BEGIN + HELD_AT(SETS)) * 2 + VALID) || EXPECT(SUM + VALID, SUM_AT(HELD_AT(SETS))) || \
    EXPECT(LAST, VALUE(SETS)) || EXPECT(MAX, MAX_AT(SETS, 1)))

proctype Reader() {
    byte seq1, word, field, seq3, loaded = 0;
    do
    :: load(1, seq1, SEQ)
    :: R2 && load_any(2, field, SINCE, MAX)
    :: (loaded & 1) && R1 && load(4, seq3, SEQ)
    :: loaded == 7 -> break
    od;
    assert(seq1 == 0 || seq1 != seq3 || (seq1 & 1) || !BAD)
}
#endif
