/* The module: errors, schema functions, types and constants. */
#include "native.h"

static PyObject *error_class; /* ringside.Error, for the life of the process */

PyObject *raise_error(const rside_error *error) {
    /* A text that was cut may end in the middle of a character. */
    PyObject *text = PyUnicode_DecodeUTF8(error->text, (Py_ssize_t)strlen(error->text), "replace");
    PyObject *raised = text ? PyObject_CallFunction(error_class, "iO", -error->code, text) : NULL;
    if (raised) PyErr_SetObject(error_class, raised);
    Py_XDECREF(text);
    Py_XDECREF(raised);
    return NULL;
}

static PyObject *schema_check(PyObject *module, PyObject *tuple) {
    (void)module;
    native_schema schema;
    rside_error error;
    PyObject *result = NULL;
    if (native_schema_read(tuple, &schema) == 0) {
        result = rside_schema_check(&schema.schema, &error) < 0 ? raise_error(&error) : Py_NewRef(Py_None);
    }
    native_schema_free(&schema);
    return result;
}

static PyObject *schema_size(PyObject *module, PyObject *tuple) {
    (void)module;
    native_schema schema;
    rside_error error;
    PyObject *result = NULL;
    if (native_schema_read(tuple, &schema) == 0) {
        uint64_t bytes = rside_schema_size(&schema.schema, &error);
        result = bytes ? PyLong_FromUnsignedLongLong(bytes) : raise_error(&error);
    }
    native_schema_free(&schema);
    return result;
}

static PyMethodDef module_functions[] = {
    {"schema_check", schema_check, METH_O, NULL},
    {"schema_size", schema_size, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ringside._native",
    .m_doc = "The C interface of Ringside. Use the module ringside.",
    .m_size = -1, /* error_class is the process's: no second interpreter may have a copy */
    .m_methods = module_functions,
};

static const struct {
    const char *name;
    PyTypeObject *type;
} types[] = {
    {"Segment", &segment_type},        {"Counter", &counter_type}, {"SharedCounter", &shared_counter_type},
    {"CounterF64", &counter_f64_type}, {"Gauge", &gauge_type},     {"Level", &level_type},
    {"Histogram", &histogram_type},
};

static const struct {
    const char *name;
    long value;
} constants[] = {
    {"COUNTER", RSIDE_COUNTER},
    {"COUNTER_F64", RSIDE_COUNTER_F64},
    {"GAUGE", RSIDE_GAUGE},
    {"LEVEL", RSIDE_LEVEL},
    {"HISTOGRAM", RSIDE_HISTOGRAM},
    {"INFO", RSIDE_INFO},
    {"METRIC_SHARED", RSIDE_METRIC_SHARED},
    {"COLUMN_COUNT", RSIDE_COLUMN_COUNT},
    {"COLUMN_SUM", RSIDE_COLUMN_SUM},
    {"COLUMN_MIN", RSIDE_COLUMN_MIN},
    {"COLUMN_MAX", RSIDE_COLUMN_MAX},
    {"COLUMN_LAST", RSIDE_COLUMN_LAST},
    {"COLUMN_VALUE", RSIDE_COLUMN_VALUE},
    {"COLUMN_BUCKETS", RSIDE_COLUMN_BUCKETS},
    {"FORK_GUARD", RSIDE_FORK_GUARD},
    {"LOCK", RSIDE_LOCK},
};

static int add_default_tiers(PyObject *module) {
    const rside_tier *t = rside_default_tiers;
    PyObject *tiers = Py_BuildValue("((III)(III)(III))", t[0].resolution_s, t[0].slots, t[0].columns, t[1].resolution_s,
                                    t[1].slots, t[1].columns, t[2].resolution_s, t[2].slots, t[2].columns);
    int code = tiers ? PyModule_AddObjectRef(module, "DEFAULT_TIERS", tiers) : -1;
    Py_XDECREF(tiers);
    return code;
}

static int add_contents(PyObject *module) {
    if (add_default_tiers(module) < 0) return -1;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; ++i) {
        if (PyType_Ready(types[i].type) < 0) return -1;
        if (PyModule_AddObjectRef(module, types[i].name, (PyObject *)types[i].type) < 0) return -1;
    }
    for (size_t i = 0; i < sizeof constants / sizeof constants[0]; ++i) {
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) return -1;
    }
    return PyModule_AddStringConstant(module, "DEFAULT_DIRECTORY", RSIDE_DEFAULT_DIRECTORY);
}

PyMODINIT_FUNC PyInit__native(void) {
    PyObject *errors = PyImport_ImportModule("ringside._error");
    if (!errors) return NULL;
    Py_XSETREF(error_class, PyObject_GetAttrString(errors, "Error"));
    Py_DECREF(errors);
    if (!error_class) return NULL;
    PyObject *module = PyModule_Create(&module_definition);
    if (module && add_contents(module) < 0) Py_CLEAR(module);
    return module;
}
