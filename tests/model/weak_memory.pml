/* A writer whose stores take effect out of order, as far as its fences allow: what a compiler and a weakly ordered machine
 * may do to relaxed atomics.
 *
 * A store waits in `pending` until it takes effect. It may overtake an earlier one, unless both are to the same word, a
 * fence stands between them, or it is a release store itself. Memory changes with one store at a time.
 *
 * Without -DREADER every state of memory is what a reader may find when the writer was killed there: later stores never
 * happened. Only the compiler can put them out of order then, and rside_before_ forbids it like any other fence. A reader
 * that looks while the writer runs (-DREADER) also sees what the machine does, to which rside_before_ means nothing.
 */
#define PENDING 4 /* how far a store can lag behind; every fence of the protocol is needed within this reach */

typedef Store {
    byte word;
    byte value;
    byte fences; /* passed before it */
    bool release;
};

byte memory[WORDS];
Store pending[PENDING];
byte waiting = 0;
byte fences = 0;
bool written = false; /* the writer's program is over */

#define fence() fences++
#ifdef READER
#define before() skip
#else
#define before() fence()
#endif

inline store_marked(to, what, ordered) {
    atomic {
        waiting < PENDING;
        pending[waiting].word = to;
        pending[waiting].value = what;
        pending[waiting].fences = fences;
        pending[waiting].release = ordered;
        waiting++;
    }
}
#define store(to, what) store_marked(to, what, false)

/* May pending store `i` take effect before those in front of it? */
#define passes(i, j) (j >= i || (pending[j].word != pending[i].word && pending[j].fences == pending[i].fences && !pending[i].release))
#define may_take_effect(i) \
    (i < waiting && passes(i, 0) && passes(i, 1) && passes(i, 2))

inline take_effect(i) {
    memory[pending[i].word] = pending[i].value;
    k = i;
    do
    :: k + 1 < waiting ->
        pending[k].word = pending[k + 1].word;
        pending[k].value = pending[k + 1].value;
        pending[k].fences = pending[k + 1].fences;
        pending[k].release = pending[k + 1].release;
        k++
    :: else -> break
    od;
    waiting--;
    pending[waiting].word = 0;
    pending[waiting].value = 0;
    pending[waiting].fences = 0;
    pending[waiting].release = false
}

/* CHECK_STATE() is the model's: what must hold of memory at any instant, for whoever reads after a kill. */
#ifdef READER
#define CHECK() skip
#else
#define CHECK() CHECK_STATE()
#endif

active proctype Memory() {
    byte k;
end:
    do
    :: d_step { may_take_effect(0) -> take_effect(0); CHECK() }
    :: d_step { may_take_effect(1) -> take_effect(1); CHECK() }
    :: d_step { may_take_effect(2) -> take_effect(2); CHECK() }
    :: d_step { may_take_effect(3) -> take_effect(3); CHECK() }
    :: written && waiting == 0 -> break
    od
}

/* One load of a reader, which happens once: `loaded` has the bits of those that happened. */
#define load(bit, into, word) !(loaded & bit) -> atomic { into = memory[word]; loaded = loaded | bit }

/* Of one of the words from `first` to `last`; `word` tells which. */
#define load_any(bit, into, first, last) \
    !(loaded & bit) -> atomic { select(word : first..last); into = memory[word]; loaded = loaded | bit }
