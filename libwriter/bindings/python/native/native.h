/* The extension module `ringside._native`: the C interface as Python objects, and nothing else. What is pleasant to use is
 * made of it in ringside/.
 *
 * Invariants:
 *  N1  No call but create, provision and attach releases the GIL. So a record is whole before another Python thread runs, and
 *      a segment is not closed under a record: one thread records at a time, whatever thread that is.
 *  N2  A handle keeps its segment object alive, not the mapping. `segment` of a closed segment object is null, and every
 *      use of a handle looks there first.
 */
#ifndef RINGSIDE_PYTHON_NATIVE_H
#define RINGSIDE_PYTHON_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h> /* first: it asks the C library for what the inline calls need (CLOCK_REALTIME_COARSE) */
#include <ringside/ringside.h>

typedef struct segment_object {
    PyObject_HEAD rside_segment *segment; /* null: not open, or closed */
    PyObject *path;                       /* str, also after the close; null before the first set-up */
    PyObject *vm_id;
} segment_object;

/* All kinds of handles. An empty one is all zeros. */
typedef struct handle_object {
    PyObject_HEAD segment_object *owner;
    union {
        rside_counter counter;
        rside_shared_counter shared_counter;
        rside_counter_f64 counter_f64;
        rside_gauge gauge;
        rside_level level;
        rside_histogram histogram;
    } to;
} handle_object;

extern PyTypeObject segment_type;
extern PyTypeObject counter_type, shared_counter_type, counter_f64_type, gauge_type, level_type, histogram_type;

/* Raises ringside.Error; returns null. */
PyObject *raise_error(const rside_error *error);

/* A new handle of `type` that belongs to `owner`, with zeros in `to`; null with an exception set. */
handle_object *handle_make(PyTypeObject *type, segment_object *owner);

/* A schema in C's form, and the memory of its arrays. Strings are borrowed from the tuple. */
typedef struct native_schema {
    rside_schema schema;
    rside_tier *tiers;
    rside_metric *metrics;
    const char **labels; /* of all metrics, one after the other */
} native_schema;

/* Fills in `out` from what Schema._native() in ringside/_schema.py makes. 0, or -1 with an exception set. Either way
 * native_schema_free has to follow; `tuple` has to live until then. */
int native_schema_read(PyObject *tuple, native_schema *out);
void native_schema_free(native_schema *schema);

#endif
