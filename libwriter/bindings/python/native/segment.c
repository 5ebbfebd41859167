/* Segments: set-up, registering, close. */
#include "native.h" /* first: Python.h says which features of the C library there are */

#include <errno.h>
#include <limits.h>

static PyObject *raise_closed(void) {
    rside_error error = {.code = -EBADF,
                         .text = "the segment is not open: use it before its close, inside the `with` block"};
    return raise_error(&error);
}

static int expect_unopened(const segment_object *self) {
    if (!self->path) return 0;
    rside_error error = {.code = -EBUSY, .text = "this object has a segment already, make another one"};
    raise_error(&error);
    return -1;
}

/* Takes over what set-up returned. */
static PyObject *opened(segment_object *self, int code, rside_segment *segment, const rside_error *error) {
    if (code < 0) return raise_error(error);
    self->segment = segment;
    self->path = PyUnicode_DecodeFSDefault(rside_segment_path(segment));
    self->vm_id = PyUnicode_FromString(rside_segment_vm_id(segment));
    if (!self->path || !self->vm_id) return NULL;
    Py_RETURN_NONE;
}

/* 1 for the number of a user or group, or -1; else 0 and an exception: cut to 32 bits it would be that of another one. */
static int check_id(const char *what, long long id) {
    if (id >= -1 && id < UINT32_MAX) return 1;
    PyErr_Format(PyExc_OverflowError,
                 "%s %lld is none: give 0 to 4294967294, or -1 for the one that the file gets by itself", what, id);
    return 0;
}

/* What create and provision are told: a schema, vm_id, component, directory, tick, flags, owner, group, mode. */
static int read_options(PyObject *args, rside_options *options, native_schema *schema, PyObject **directory) {
    PyObject *schema_tuple;
    int tick;
    unsigned int flags;
    long long owner, group, mode;
    rside_options_init(options);
    if (!PyArg_ParseTuple(args, "O!ssO&pILLL", &PyTuple_Type, &schema_tuple, &options->vm_id, &options->component,
                          PyUnicode_FSConverter, directory, &tick, &flags, &owner, &group, &mode)) {
        return -1;
    }
    if (!check_id("owner", owner) || !check_id("group", group)) return -1;
    if (mode < 0 || mode > 07777) {
        PyErr_Format(PyExc_OverflowError, "mode %lld is none: give permissions, such as 0o640", mode);
        return -1;
    }
    options->schema = &schema->schema;
    options->directory = PyBytes_AS_STRING(*directory);
    options->clock = tick ? RSIDE_CLOCK_TICK : RSIDE_CLOCK_COARSE;
    options->flags = flags;
    options->owner = (uid_t)owner;
    options->group = (gid_t)group;
    options->mode = (mode_t)mode;
    return native_schema_read(schema_tuple, schema);
}

static PyObject *segment_create(PyObject *object, PyObject *args) {
    segment_object *self = (segment_object *)object;
    if (expect_unopened(self) < 0) return NULL;
    rside_options options;
    native_schema schema = {0};
    PyObject *directory = NULL, *result = NULL;
    if (read_options(args, &options, &schema, &directory) == 0) {
        rside_segment *segment = NULL;
        rside_error error;
        int code;
        Py_BEGIN_ALLOW_THREADS /* it reserves every page: half a millisecond for a MiB */
            code = rside_segment_create(&options, &segment, &error);
        Py_END_ALLOW_THREADS result = opened(self, code, segment, &error);
    }
    native_schema_free(&schema);
    Py_XDECREF(directory);
    return result;
}

static PyObject *segment_provision(PyObject *unused, PyObject *args) {
    (void)unused;
    rside_options options;
    native_schema schema = {0};
    PyObject *directory = NULL, *result = NULL;
    if (read_options(args, &options, &schema, &directory) == 0) {
        char path[PATH_MAX];
        rside_error error;
        int code;
        Py_BEGIN_ALLOW_THREADS code = rside_segment_provision(&options, path, sizeof path, &error);
        Py_END_ALLOW_THREADS result = code < 0 ? raise_error(&error) : PyUnicode_DecodeFSDefault(path);
    }
    native_schema_free(&schema);
    Py_XDECREF(directory);
    return result;
}

/* A path, or a descriptor or what has one, a schema or None, tick, flags. */
static PyObject *segment_attach(PyObject *object, PyObject *args) {
    segment_object *self = (segment_object *)object;
    PyObject *source, *schema_tuple, *path = NULL, *result = NULL;
    int tick;
    unsigned int flags;
    if (expect_unopened(self) < 0) return NULL;
    if (!PyArg_ParseTuple(args, "OOpI", &source, &schema_tuple, &tick, &flags)) return NULL;
    int fd = -1;
    if (PyLong_Check(source) || PyObject_HasAttrString(source, "fileno")) {
        if ((fd = PyObject_AsFileDescriptor(source)) < 0) return NULL;
    } else if (!PyUnicode_FSConverter(source, &path)) {
        return NULL;
    }
    native_schema schema = {0};
    if (schema_tuple == Py_None || native_schema_read(schema_tuple, &schema) == 0) {
        const rside_schema *expected = schema_tuple == Py_None ? NULL : &schema.schema;
        enum rside_clock clock = tick ? RSIDE_CLOCK_TICK : RSIDE_CLOCK_COARSE;
        rside_segment *segment = NULL;
        rside_error error;
        int code;
        Py_BEGIN_ALLOW_THREADS code =
            path ? rside_segment_attach(PyBytes_AS_STRING(path), expected, clock, flags, &segment, &error)
                 : rside_segment_attach_fd(fd, expected, clock, flags, &segment, &error);
        Py_END_ALLOW_THREADS result = opened(self, code, segment, &error);
    }
    native_schema_free(&schema);
    Py_XDECREF(path);
    return result;
}

static PyObject *segment_close(PyObject *object, PyObject *args, PyObject *names) {
    static char *keywords[] = {"code", "text", NULL};
    segment_object *self = (segment_object *)object;
    int code = 0;
    const char *text = "";
    if (!PyArg_ParseTupleAndKeywords(args, names, "|is", keywords, &code, &text)) return NULL;
    rside_segment *segment = self->segment;
    self->segment = NULL; /* N2 */
    rside_segment_close(segment, code, text);
    Py_RETURN_NONE;
}

static PyObject *segment_tick(PyObject *object, PyObject *argument) {
    unsigned long long now_ns = PyLong_AsUnsignedLongLong(argument);
    if (now_ns == (unsigned long long)-1 && PyErr_Occurred()) return NULL;
    rside_tick(((segment_object *)object)->segment, now_ns);
    Py_RETURN_NONE;
}

/* --- Registering ------------------------------------------------------------------------------------------------------- */

/* (metric, *values) in C's form. `values` has room for RSIDE_MAX_LABELS and one more, so that the library itself refuses
 * too many. */
typedef struct series_name {
    const char *metric;
    const char *values[RSIDE_MAX_LABELS + 1];
    size_t count;
} series_name;

static int read_name(const segment_object *self, PyObject *const *args, Py_ssize_t count, series_name *out) {
    if (!self->segment) return raise_closed(), -1;
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "a metric is missing, with its label values behind it");
        return -1;
    }
    out->count = 0;
    for (Py_ssize_t i = 0; i < count && out->count <= RSIDE_MAX_LABELS; ++i) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(args[i], &size);
        if (!text) return -1;
        if (strlen(text) != (size_t)size) {
            PyErr_SetString(PyExc_ValueError, "a metric or label value has a NUL in it");
            return -1;
        }
        if (i == 0) {
            out->metric = text;
        } else {
            out->values[out->count++] = text;
        }
    }
    return 0;
}

#define DEFINE_REGISTER(name, type, member, register_call)                                        \
    static PyObject *name(PyObject *object, PyObject *const *args, Py_ssize_t count) {            \
        segment_object *self = (segment_object *)object;                                          \
        series_name of;                                                                           \
        if (read_name(self, args, count, &of) < 0) return NULL;                                   \
        handle_object *handle = handle_make(&type, self);                                         \
        if (!handle) return NULL;                                                                 \
        rside_error error;                                                                        \
        handle->to.member = register_call(self->segment, of.metric, of.values, of.count, &error); \
        if (handle->to.member.series.cell) return (PyObject *)handle;                             \
        Py_DECREF(handle);                                                                        \
        return raise_error(&error);                                                               \
    }

DEFINE_REGISTER(segment_counter, counter_type, counter, rside_counter_register)
DEFINE_REGISTER(segment_shared_counter, shared_counter_type, shared_counter, rside_shared_counter_register)
DEFINE_REGISTER(segment_counter_f64, counter_f64_type, counter_f64, rside_counter_f64_register)
DEFINE_REGISTER(segment_gauge, gauge_type, gauge, rside_gauge_register)
DEFINE_REGISTER(segment_level, level_type, level, rside_level_register)
DEFINE_REGISTER(segment_histogram, histogram_type, histogram, rside_histogram_register)

static PyObject *segment_info(PyObject *object, PyObject *const *args, Py_ssize_t count) {
    segment_object *self = (segment_object *)object;
    series_name of;
    if (read_name(self, args, count, &of) < 0) return NULL;
    rside_error error;
    if (rside_info_register(self->segment, of.metric, of.values, of.count, &error) < 0) return raise_error(&error);
    Py_RETURN_NONE;
}

/* --- The type ---------------------------------------------------------------------------------------------------------- */

static PyObject *text_or_empty(PyObject *text) {
    if (!text) return PyUnicode_FromString("");
    Py_INCREF(text);
    return text;
}

static PyObject *get_path(PyObject *object, void *unused) {
    (void)unused;
    return text_or_empty(((segment_object *)object)->path);
}

static PyObject *get_vm_id(PyObject *object, void *unused) {
    (void)unused;
    return text_or_empty(((segment_object *)object)->vm_id);
}

static PyObject *get_bytes(PyObject *object, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(rside_segment_bytes(((segment_object *)object)->segment));
}

static PyObject *get_closed(PyObject *object, void *unused) {
    (void)unused;
    return PyBool_FromLong(!((segment_object *)object)->segment);
}

static void segment_dealloc(PyObject *object) {
    segment_object *self = (segment_object *)object;
    rside_segment_close(self->segment, 0, "");
    Py_CLEAR(self->path);
    Py_CLEAR(self->vm_id);
    Py_TYPE(object)->tp_free(object);
}

#define REGISTER(name, function)                                     \
    {                                                                \
        name, (PyCFunction)(void (*)(void))function, METH_FASTCALL,  \
            name "(metric, /, *values)\n--\n\nRegisters one series." \
    }

static PyMethodDef segment_methods[] = {
    {"_create", segment_create, METH_VARARGS, NULL},
    {"_attach", segment_attach, METH_VARARGS, NULL},
    {"_provision", segment_provision, METH_VARARGS | METH_STATIC, NULL},
    {"close", (PyCFunction)(void (*)(void))segment_close, METH_VARARGS | METH_KEYWORDS,
     "close(code=0, text='')\n--\n\nMarks the segment as closed. Its handles record nothing from then on."},
    {"tick", segment_tick, METH_O, "tick(now_ns, /)\n--\n\nSets the time of the records that follow, in tick mode."},
    REGISTER("counter", segment_counter),
    REGISTER("shared_counter", segment_shared_counter),
    REGISTER("counter_f64", segment_counter_f64),
    REGISTER("gauge", segment_gauge),
    REGISTER("level", segment_level),
    REGISTER("histogram", segment_histogram),
    REGISTER("info", segment_info),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef segment_fields[] = {
    {"path", get_path, NULL, "Of the file, also after the close; empty when attached by descriptor.", NULL},
    {"vm_id", get_vm_id, NULL, "As the segment was laid out for.", NULL},
    {"size_bytes", get_bytes, NULL, "Of the segment; 0 once it is closed.", NULL},
    {"closed", get_closed, NULL, "Whether handles record nothing.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject segment_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ringside._native.Segment",
    .tp_doc = "One segment. Segment() is a closed one.",
    .tp_basicsize = sizeof(segment_object),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = segment_dealloc,
    .tp_methods = segment_methods,
    .tp_getset = segment_fields,
};
