/* What stands in for a verb: called, it is the compiled form; looked at, it is the definition.

   `inspect.iscoroutinefunction`, `help`, `inspect.signature`, pickle (by name) and a class body
   that binds it as a method find what they would find at the Python function. */

#include "fast.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc call;
    PyObject *definition;
} StandIn;

static const struct {
    const char *name;
    vectorcallfunc call;
} verbs[] = {
    {"send", fast_send}, {"receive", fast_receive}, {"request", fast_request}, {"send_nowait", fast_send_nowait}};

static PyTypeObject stand_in_type;

PyObject *
fast_compiled(PyObject *Py_UNUSED(module), PyObject *definition)
{
    PyObject *name = PyObject_GetAttrString(definition, "__name__");
    if (name == NULL) {
        return NULL;
    }
    StandIn *made = NULL;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, verbs[i].name) == 0 &&
            (made = PyObject_GC_New(StandIn, &stand_in_type)) != NULL) {
            made->call = verbs[i].call;
            made->definition = Py_NewRef(definition);
            PyObject_GC_Track(made);
        }
    }
    if (made == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_LookupError, "no compiled form of %U", name);
    }
    Py_DECREF(name);
    return (PyObject *)made;
}

PyObject *
misfit(PyObject *verb, PyObject *const *arguments, size_t flags, PyObject *keywords)
{
    return PyObject_Vectorcall(((StandIn *)verb)->definition, arguments, flags, keywords);
}

static int
stand_in_traverse(StandIn *self, visitproc visit, void *arg)
{
    Py_VISIT(self->definition);
    return 0;
}

static int
stand_in_clear(StandIn *self)
{
    Py_CLEAR(self->definition);
    return 0;
}

static void
stand_in_dealloc(StandIn *self)
{
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->definition);
    PyObject_GC_Del(self);
}

static PyObject *
stand_in_getattr(PyObject *self, PyObject *name)
{
    PyObject *own = PyObject_GenericGetAttr(self, name);
    if (own != NULL || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return own;
    }
    PyErr_Clear();
    return PyObject_GetAttr(((StandIn *)self)->definition, name);
}

static PyObject *
stand_in_bound(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    return instance == NULL || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

static PyObject *
stand_in_repr(StandIn *self)
{
    return PyUnicode_FromFormat("<compiled %R>", self->definition);
}

static PyObject *
stand_in_reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_GetAttrString(((StandIn *)self)->definition, "__qualname__");
}

static PyObject *
stand_in_doc(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(((StandIn *)self)->definition, "__doc__");
}

static PyObject *
stand_in_module(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(((StandIn *)self)->definition, "__module__");
}

static PyMethodDef stand_in_methods[] = {
    {"__reduce__", stand_in_reduce, METH_NOARGS, PyDoc_STR("By name, as a function.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef stand_in_fields[] = {
    {"__doc__", stand_in_doc, NULL, NULL, NULL},
    {"__module__", stand_in_module, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef stand_in_members[] = {
    {"definition", T_OBJECT_EX, offsetof(StandIn, definition), READONLY, PyDoc_STR("The Python function.")},
    {NULL, 0, 0, 0, NULL},
};

static PyTypeObject stand_in_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "otpnode._fast.StandIn",
    .tp_basicsize = sizeof(StandIn),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_call = PyVectorcall_Call,
    .tp_vectorcall_offset = offsetof(StandIn, call),
    .tp_dealloc = (destructor)stand_in_dealloc,
    .tp_traverse = (traverseproc)stand_in_traverse,
    .tp_clear = (inquiry)stand_in_clear,
    .tp_getattro = stand_in_getattr,
    .tp_descr_get = stand_in_bound,
    .tp_repr = (reprfunc)stand_in_repr,
    .tp_methods = stand_in_methods,
    .tp_getset = stand_in_fields,
    .tp_members = stand_in_members,
};

int
stand_in_ready(void)
{
    return PyType_Ready(&stand_in_type);
}
