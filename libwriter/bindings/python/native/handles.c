/* Handles: what records. Each call is the inline function of <ringside/ringside.h>, behind the price of a call from
 * Python. */
#include "native.h"

handle_object *handle_make(PyTypeObject *type, segment_object *owner) {
    handle_object *self = (handle_object *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    Py_INCREF(owner);
    self->owner = owner;
    return self;
}

/* N2: an empty handle of the type when the segment is closed. */
static int is_live(const handle_object *self) { return self->owner && self->owner->segment; }

static PyObject *handle_new(PyTypeObject *type, PyObject *args, PyObject *names) {
    if (PyTuple_GET_SIZE(args) || (names && PyDict_GET_SIZE(names))) {
        PyErr_Format(PyExc_TypeError, "%s() makes an empty handle and takes nothing; a segment registers the others",
                     type->tp_name);
        return NULL;
    }
    return type->tp_alloc(type, 0);
}

static int handle_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((handle_object *)self)->owner);
    return 0;
}

static int handle_clear(PyObject *self) {
    Py_CLEAR(((handle_object *)self)->owner);
    return 0;
}

static void handle_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    handle_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static int handle_bool(PyObject *self) { return is_live((handle_object *)self); }

static PyNumberMethods handle_as_number = {.nb_bool = handle_bool};

/* --- Arguments --------------------------------------------------------------------------------------------------------- */

static int to_u64(PyObject *value, uint64_t *out) {
    PyObject *number = PyNumber_Index(value);
    if (!number) return -1;
    unsigned long long read = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    if (read == (unsigned long long)-1 && PyErr_Occurred()) return -1;
    *out = read;
    return 0;
}

static int to_f64(PyObject *value, double *out) {
    *out = PyFloat_AsDouble(value);
    return *out == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* The delta of `add(delta=1)`. */
static int to_delta(PyObject *const *args, Py_ssize_t count, uint64_t *out) {
    *out = 1;
    if (count == 0) return 0;
    if (count == 1) return to_u64(args[0], out);
    PyErr_Format(PyExc_TypeError, "add() takes at most one number, not %zd", count);
    return -1;
}

/* A method that takes one number and records it. */
#define DEFINE_RECORD(name, type, convert, member, record)        \
    static PyObject *name(PyObject *object, PyObject *argument) { \
        handle_object *self = (handle_object *)object;            \
        type value;                                               \
        if (convert(argument, &value) < 0) return NULL;           \
        if (is_live(self)) record(self->to.member, value);        \
        Py_RETURN_NONE;                                           \
    }

#define DEFINE_ADD(name, member, record)                                                    \
    static PyObject *name(PyObject *object, PyObject *const *arguments, Py_ssize_t count) { \
        handle_object *self = (handle_object *)object;                                      \
        uint64_t delta;                                                                     \
        if (to_delta(arguments, count, &delta) < 0) return NULL;                            \
        if (is_live(self)) record(self->to.member, delta);                                  \
        Py_RETURN_NONE;                                                                     \
    }

DEFINE_ADD(counter_add, counter, rside_counter_add)
DEFINE_RECORD(counter_total, uint64_t, to_u64, counter, rside_counter_total)
DEFINE_RECORD(counter_baseline, uint64_t, to_u64, counter, rside_counter_baseline)
DEFINE_ADD(shared_counter_add, shared_counter, rside_shared_counter_add)
DEFINE_RECORD(counter_f64_add, double, to_f64, counter_f64, rside_counter_f64_add)
DEFINE_RECORD(counter_f64_total, double, to_f64, counter_f64, rside_counter_f64_total)
DEFINE_RECORD(counter_f64_baseline, double, to_f64, counter_f64, rside_counter_f64_baseline)
DEFINE_RECORD(gauge_record, double, to_f64, gauge, rside_gauge_record)
DEFINE_RECORD(level_set, double, to_f64, level, rside_level_set)
DEFINE_RECORD(histogram_record, double, to_f64, histogram, rside_histogram_record)

/* --- Types ------------------------------------------------------------------------------------------------------------- */

#define ADD(function, text) \
    { "add", (PyCFunction)(void (*)(void))function, METH_FASTCALL, text }
#define ONE(name, function, text) \
    { name, function, METH_O, text }
#define END \
    { NULL, NULL, 0, NULL }

static PyMethodDef counter_methods[] = {
    ADD(counter_add, "add(delta=1, /)\n--\n\nAdds a whole number below 2**64."),
    ONE("total", counter_total,
        "total(raw, /)\n--\n\nFeeds a raw running total: adds what it grew by, or all of it when it went down."),
    ONE("baseline", counter_baseline, "baseline(raw, /)\n--\n\nTakes a raw total from which to count on."),
    END,
};
static PyMethodDef shared_counter_methods[] = {
    ADD(shared_counter_add, "add(delta=1, /)\n--\n\nAdds a whole number below 2**64."),
    END,
};
static PyMethodDef counter_f64_methods[] = {
    ONE("add", counter_f64_add, "add(delta, /)\n--\n\nAdds a number that is not negative."),
    ONE("total", counter_f64_total,
        "total(raw, /)\n--\n\nFeeds a raw running total: adds what it grew by, or all of it when it went down."),
    ONE("baseline", counter_f64_baseline, "baseline(raw, /)\n--\n\nTakes a raw total from which to count on."),
    END,
};
static PyMethodDef gauge_methods[] = {
    ONE("record", gauge_record, "record(value, /)\n--\n\nRecords one observation."),
    END,
};
static PyMethodDef level_methods[] = {
    ONE("set", level_set, "set(value, /)\n--\n\nSets the value that holds until the next call."),
    END,
};
static PyMethodDef histogram_methods[] = {
    ONE("record", histogram_record, "record(value, /)\n--\n\nRecords one observation that is not negative."),
    END,
};

#define DEFINE_TYPE(type, name, methods, doc)                      \
    PyTypeObject type = {                                          \
        PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ringside." name, \
        .tp_doc = doc,                                             \
        .tp_basicsize = sizeof(handle_object),                     \
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,       \
        .tp_new = handle_new,                                      \
        .tp_traverse = handle_traverse,                            \
        .tp_clear = handle_clear,                                  \
        .tp_dealloc = handle_dealloc,                              \
        .tp_as_number = &handle_as_number,                         \
        .tp_methods = methods,                                     \
    }

DEFINE_TYPE(counter_type, "Counter", counter_methods,
            "A counter of whole numbers. Counter() is empty: it records nothing.");
DEFINE_TYPE(shared_counter_type, "SharedCounter", shared_counter_methods,
            "A counter that native threads of the process may feed too. SharedCounter() is empty.");
DEFINE_TYPE(counter_f64_type, "CounterF64", counter_f64_methods, "A counter of doubles. CounterF64() is empty.");
DEFINE_TYPE(gauge_type, "Gauge", gauge_methods, "A stream of observations. Gauge() is empty.");
DEFINE_TYPE(level_type, "Level", level_methods, "A state that holds until it is set again. Level() is empty.");
DEFINE_TYPE(histogram_type, "Histogram", histogram_methods, "A distribution. Histogram() is empty.");
