/* The one word of a counter, its turn and a slot of a ring with one slot. Labels as in docs/ordering.md. */
#define OPEN 0
#define VALUE 1
#define STAMP 2
#define SLOT 3
#define WORDS 4

#define TURNING 4
#define WINDOW(open) (open >> 3)
#define UP_TO(w) (2 * (w)) /* adds in the windows up to w */

/* Whenever the writer is killed: a total that belongs to the open window, and slots with the totals of theirs. */
#define CHECK_STATE() \
    assert(memory[VALUE] <= UP_TO(WINDOW(memory[OPEN]))); \
    assert(memory[VALUE] >= UP_TO(WINDOW(memory[OPEN]) - 1)); \
    assert(memory[STAMP] != WINDOW(memory[OPEN]) || memory[VALUE] == memory[SLOT]); \
    assert(memory[STAMP] == 0 || memory[SLOT] == UP_TO(memory[STAMP])); \
    assert((memory[OPEN] & TURNING) || memory[STAMP] == WINDOW(memory[OPEN]) - 1)

#include "weak_memory.pml"

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
#ifdef NO_P6
#define P6() skip
#else
#define P6() fence()
#endif
#ifdef NO_P7
#define P7_RELEASE false
#else
#define P7_RELEASE true
#endif

inline add() {
    value++;
    store(VALUE, value)
}

inline turn() {
    store(OPEN, window * 8 + TURNING);
    P3();
    store(STAMP, 0);
    P4();
    store(SLOT, value);
    store_marked(STAMP, window, P5_RELEASE);
    window++;
    store_marked(OPEN, window * 8, P7_RELEASE);
    P6()
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
    byte value = 0, window = 1;
    add();
    add();
    turn();
    add();
    add();
    turn();
    add();
    written = true
}

#ifdef READER
proctype Reader() {
    byte open1, stamp, slot, value, open3;
    open1 = memory[OPEN];
#ifdef NO_R7
    if
    :: true
    :: stamp = memory[STAMP]; slot = memory[SLOT]; open1 = memory[OPEN]; goto have_slot
    fi;
#endif
    if
    :: stamp = memory[STAMP]; slot = memory[SLOT]
    :: slot = memory[SLOT]; stamp = memory[STAMP]
    fi;
have_slot:
    value = memory[VALUE];
#ifdef NO_R6
    if
    :: true
    :: open3 = memory[OPEN]; value = memory[VALUE]; goto have_all
    fi;
#endif
    open3 = memory[OPEN];
have_all:
    if
    :: open1 == open3 && !(open1 & TURNING) ->
        assert(value >= UP_TO(WINDOW(open1) - 1) && value <= UP_TO(WINDOW(open1)));
        assert(stamp == WINDOW(open1) - 1);
        assert(stamp == 0 || slot == UP_TO(stamp))
    :: else
    fi
}
#endif
