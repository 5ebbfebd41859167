/* A writer whose stores take effect out of order, as far as its fences allow: what a compiler and a weakly ordered machine
 * may do to relaxed atomics.
 *
 * A store waits in `pending` until it takes effect. It may overtake an earlier one, unless both are to the same word, a
 * fence stands between them, or it is a release store itself. Memory changes with one store at a time, and every state of
 * memory is also what a reader finds when the writer was killed there: later stores never happened.
 */
#define PENDING 4 /* how far a store can lag behind; every fence of the protocol is needed within this reach */

typedef Store {
    byte word;
    byte value;
    byte fences; /* passed before it */
    bool release;
    byte records; /* finished once this takes effect */
};

byte memory[WORDS];
Store pending[PENDING];
byte waiting = 0;
byte fences = 0;
byte finished = 0; /* records whose last store took effect */
bool written = false; /* the writer's program is over */

#define fence() fences++

inline store_marked(to, what, ordered, done) {
    atomic {
        waiting < PENDING;
        pending[waiting].word = to;
        pending[waiting].value = what;
        pending[waiting].fences = fences;
        pending[waiting].release = ordered;
        pending[waiting].records = done;
        waiting++;
    }
}
#define store(to, what) store_marked(to, what, false, 0)
#define store_release(to, what) store_marked(to, what, true, 0)

/* May pending store `i` take effect before those in front of it? */
#define passes(i, j) (j >= i || (pending[j].word != pending[i].word && pending[j].fences == pending[i].fences && !pending[i].release))
#define may_take_effect(i) \
    (i < waiting && passes(i, 0) && passes(i, 1) && passes(i, 2))

inline take_effect(i) {
    memory[pending[i].word] = pending[i].value;
    if
    :: pending[i].records > 0 -> finished = pending[i].records
    :: else
    fi;
    k = i;
    do
    :: k + 1 < waiting ->
        pending[k].word = pending[k + 1].word;
        pending[k].value = pending[k + 1].value;
        pending[k].fences = pending[k + 1].fences;
        pending[k].release = pending[k + 1].release;
        pending[k].records = pending[k + 1].records;
        k++
    :: else -> break
    od;
    waiting--;
    pending[waiting].word = 0;
    pending[waiting].value = 0;
    pending[waiting].fences = 0;
    pending[waiting].release = false;
    pending[waiting].records = 0
}

/* CHECK_STATE() is the model's: what must hold of memory at any instant, for whoever reads after a kill. */
active proctype Memory() {
    byte k;
end:
    do
    :: d_step { may_take_effect(0) -> take_effect(0); CHECK_STATE() }
    :: d_step { may_take_effect(1) -> take_effect(1); CHECK_STATE() }
    :: d_step { may_take_effect(2) -> take_effect(2); CHECK_STATE() }
    :: d_step { may_take_effect(3) -> take_effect(3); CHECK_STATE() }
    :: written && waiting == 0 -> break
    od
}

/* One load of a reader, which happens once: `loaded` has the bits of those that happened. */
#define load(bit, into, word) !(loaded & bit) -> atomic { into = memory[word]; loaded = loaded | bit }
