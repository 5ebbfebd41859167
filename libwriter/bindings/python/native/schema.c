/* Schemas: from tuples of Python to the structures of C. */
#include "native.h"

/* For "O&": PyArg_ParseTuple's own "I" cuts off what does not fit. */
static int to_u32(PyObject *value, void *out) {
    unsigned long read = PyLong_AsUnsignedLong(value);
    if (read == (unsigned long)-1 && PyErr_Occurred()) return 0;
    if (read > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%lu in a schema does not fit 32 bits", read);
        return 0;
    }
    *(uint32_t *)out = (uint32_t)read;
    return 1;
}

static int read_tiers(PyObject *tuple, native_schema *out) {
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    out->tiers = PyMem_Calloc((size_t)count + 1, sizeof *out->tiers);
    if (!out->tiers) return PyErr_NoMemory(), -1;
    for (Py_ssize_t i = 0; i < count; ++i) {
        rside_tier *tier = &out->tiers[i];
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(tuple, i), "O&O&O&", to_u32, &tier->resolution_s, to_u32, &tier->slots,
                              to_u32, &tier->columns)) {
            return -1;
        }
    }
    out->schema.tiers = out->tiers;
    out->schema.tier_count = (uint32_t)count;
    return 0;
}

/* Returns how many labels there are, or -1. */
static Py_ssize_t read_metric(PyObject *tuple, rside_metric *metric, const char **labels) {
    PyObject *names;
    int scale;
    if (!PyArg_ParseTuple(tuple, "sbbssO!O&idd", &metric->name, &metric->kind, &metric->flags, &metric->unit,
                          &metric->help, &PyTuple_Type, &names, to_u32, &metric->max_series, &scale,
                          &metric->histogram_lowest, &metric->histogram_highest)) {
        return -1;
    }
    if (scale < INT8_MIN || scale > INT8_MAX) {
        PyErr_Format(PyExc_OverflowError, "metric %s: no scale can be %d", metric->name, scale);
        return -1;
    }
    metric->histogram_scale = (int8_t)scale;
    metric->labels = labels;
    metric->label_count = (uint32_t)PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
        labels[i] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i));
        if (!labels[i]) return -1;
    }
    return PyTuple_GET_SIZE(names);
}

/* Labels of all metrics together; -1 when something is not of the form. */
static Py_ssize_t count_labels(PyObject *metrics) {
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(metrics); ++i) {
        PyObject *metric = PyTuple_GET_ITEM(metrics, i);
        if (!PyTuple_Check(metric) || PyTuple_GET_SIZE(metric) != 10 || !PyTuple_Check(PyTuple_GET_ITEM(metric, 5))) {
            PyErr_SetString(PyExc_TypeError, "a metric is a tuple of 10, with a tuple of labels");
            return -1;
        }
        count += PyTuple_GET_SIZE(PyTuple_GET_ITEM(metric, 5));
    }
    return count;
}

static int read_metrics(PyObject *tuple, native_schema *out) {
    Py_ssize_t label_count = count_labels(tuple);
    if (label_count < 0) return -1;
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    out->metrics = PyMem_Calloc((size_t)count + 1, sizeof *out->metrics);
    out->labels = PyMem_Calloc((size_t)label_count + 1, sizeof *out->labels);
    if (!out->metrics || !out->labels) return PyErr_NoMemory(), -1;
    const char **labels = out->labels;
    for (Py_ssize_t i = 0; i < count; ++i) {
        Py_ssize_t taken = read_metric(PyTuple_GET_ITEM(tuple, i), &out->metrics[i], labels);
        if (taken < 0) return -1;
        labels += taken;
    }
    out->schema.metrics = out->metrics;
    out->schema.metric_count = (uint32_t)count;
    return 0;
}

int native_schema_read(PyObject *tuple, native_schema *out) {
    memset(out, 0, sizeof *out);
    PyObject *tiers, *metrics;
    if (!PyArg_ParseTuple(tuple, "sO&O!O!O&", &out->schema.name, to_u32, &out->schema.version, &PyTuple_Type, &tiers,
                          &PyTuple_Type, &metrics, to_u32, &out->schema.label_arena_bytes)) {
        return -1;
    }
    return read_tiers(tiers, out) < 0 || read_metrics(metrics, out) < 0 ? -1 : 0;
}

void native_schema_free(native_schema *schema) {
    PyMem_Free(schema->tiers);
    PyMem_Free(schema->metrics);
    PyMem_Free(schema->labels);
}
