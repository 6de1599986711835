/* What a coroutine can do, for the awaitable that a verb returns: verb.c. */

#include "fast.h"

static int
is_suspended(const Verb *verb)
{
    return verb->state == YIELDED || verb->state == WAITING || verb->state == DELEGATED;
}

/* -1, with the exception set, for one that can take no step. */
static int
cannot_go_on(const Verb *verb)
{
    if (verb->state == RUNNING) {
        PyErr_SetString(PyExc_ValueError, "coroutine already executing");
        return -1;
    }
    if (verb->state == OVER) {
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        return -1;
    }
    return 0;
}

static PySendResult
verb_send_step(PyObject *self, PyObject *argument, PyObject **result)
{
    Verb *verb = (Verb *)self;
    enum state before = verb->state;
    *result = NULL;
    if (cannot_go_on(verb) < 0) {
        return PYGEN_ERROR;
    }
    verb->state = RUNNING;
    switch (before) {
    case NEW:
        return verb->kind == SEND      ? send_step(verb, 1, result)
               : verb->kind == RECEIVE ? receive_step(verb, result)
                                       : request_step(verb, result);
    case YIELDED: /* Nothing was taken yet: a message taken before would be lost to a cancellation (RC-09). */
        return verb->kind == SEND ? send_step(verb, 0, result) : delegate(verb, result);
    case WAITING:
        return verb->kind == RECEIVE ? receive_woken(verb, result) : request_woken(verb, result);
    default:
        return inner_step(verb, argument, result);
    }
}

/* Turn the result of a step into what an iterator returns. */
static PyObject *
iterated(PySendResult how, PyObject *value)
{
    if (how != PYGEN_RETURN) {
        return value;
    }
    /* Made here: a tuple or an exception as the value would be taken for the arguments, or for the exception. */
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);
    Py_DECREF(value);
    if (stop != NULL) {
        PyErr_SetObject(PyExc_StopIteration, stop);
        Py_DECREF(stop);
    }
    return NULL;
}

static PyObject *
verb_next(PyObject *self)
{
    PyObject *value;
    PySendResult how = verb_send_step(self, Py_None, &value);
    if (how == PYGEN_RETURN && value == Py_None) {
        Py_DECREF(value);
        return NULL; /* What a bare return is to an iterator. */
    }
    return iterated(how, value);
}

static PyObject *
verb_send(PyObject *self, PyObject *argument)
{
    PyObject *value;
    PySendResult how = verb_send_step(self, argument, &value);
    return iterated(how, value);
}

static PyObject *
throw_into_inner(Verb *verb, PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *stack[4] = {verb->inner};
    memcpy(stack + 1, arguments, (size_t)count * sizeof(PyObject *));
    verb->state = RUNNING;
    PyObject *yielded = PyObject_VectorcallMethod(name_throw, stack, (size_t)count + 1, NULL);
    if (yielded == NULL) {
        finish(verb, NULL, &yielded);
    }
    else {
        verb->state = DELEGATED;
    }
    return yielded;
}

static PyObject *
verb_throw(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    Verb *verb = (Verb *)self;
    if (count < 1 || count > 3) {
        PyErr_SetString(PyExc_TypeError, "throw takes an exception, or its type, value and traceback");
        return NULL;
    }
    if (cannot_go_on(verb) < 0) {
        return NULL;
    }
    if (verb->state == DELEGATED) {
        return throw_into_inner(verb, arguments, count);
    }
    PyObject *type = arguments[0];
    PyObject *value = count > 1 && arguments[1] != Py_None ? arguments[1] : NULL;
    PyObject *trace = count > 2 && arguments[2] != Py_None ? arguments[2] : NULL;
    if (!PyExceptionInstance_Check(type) && !PyExceptionClass_Check(type)) {
        return PyErr_Format(PyExc_TypeError,
                            "exceptions must be classes or instances deriving from BaseException, not %s",
                            Py_TYPE(type)->tp_name);
    }
    if (broken(verb) < 0) {
        return NULL;
    }
    if (PyExceptionInstance_Check(type)) {
        value = type;
        type = PyExceptionInstance_Class(type);
        trace = trace ? Py_NewRef(trace) : PyException_GetTraceback(value);
    }
    else {
        Py_XINCREF(trace);
    }
    PyErr_Restore(Py_NewRef(type), Py_XNewRef(value), trace);
    return NULL;
}

static PyObject *
verb_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Verb *verb = (Verb *)self;
    if (verb->state == RUNNING) {
        cannot_go_on(verb);
        return NULL;
    }
    PyObject *closed = NULL;
    if (verb->state == DELEGATED) {
        verb->state = RUNNING;
        closed = PyObject_CallMethodNoArgs(verb->inner, name_close);
        finish(verb, closed, &closed);
    }
    else if (broken(verb) == 0) {
        closed = Py_NewRef(Py_None);
    }
    return closed;
}

/* `await`, which a coroutine under way refuses. */
static PyObject *
verb_iterator(PyObject *self)
{
    if (is_suspended((Verb *)self)) {
        PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
        return NULL;
    }
    return Py_NewRef(self);
}

static PyObject *
verb_name(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(name_of((Verb *)self));
}

static PyObject *
verb_await(PyObject *self, void *Py_UNUSED(closure))
{
    Verb *verb = (Verb *)self;
    return Py_NewRef(verb->inner ? verb->inner : Py_None);
}

static PyObject *
verb_running(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Verb *)self)->state == RUNNING);
}

static PyObject *
verb_suspended(PyObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(is_suspended((Verb *)self));
}

/* It has no code of its own, and no frame. */
static PyObject *
verb_none(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

/* For `inspect.iscoroutine`, which asks for the very class: a task group of anyio starts nothing else. */
static PyObject *
verb_class(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return Py_NewRef((PyObject *)&PyCoro_Type);
}

static PyObject *
verb_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<coroutine %s>", name_of((Verb *)self));
}

static PyMethodDef verb_methods[] = {
    {"send", verb_send, METH_O, PyDoc_STR("As of a coroutine.")},
    {"throw", (PyCFunction)(void (*)(void))verb_throw, METH_FASTCALL, PyDoc_STR("As of a coroutine.")},
    {"close", verb_close, METH_NOARGS, PyDoc_STR("As of a coroutine.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef verb_fields[] = {
    {"__name__", verb_name, NULL, NULL, NULL},
    {"__qualname__", verb_name, NULL, NULL, NULL},
    {"__class__", verb_class, NULL, NULL, NULL},
    {"cr_await", verb_await, NULL, NULL, NULL},
    {"cr_running", verb_running, NULL, NULL, NULL},
    {"cr_suspended", verb_suspended, NULL, NULL, NULL},
    {"cr_code", verb_none, NULL, NULL, NULL},
    {"cr_frame", verb_none, NULL, NULL, NULL},
    {"cr_origin", verb_none, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyAsyncMethods verb_async = {.am_await = verb_iterator, .am_send = verb_send_step};

PyTypeObject verb_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "otpnode._fast.Verb",
    .tp_doc = PyDoc_STR("A `send`, `receive` or `request` under way: to whoever awaits it, a coroutine."),
    .tp_basicsize = sizeof(Verb),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = verb_dealloc,
    .tp_finalize = verb_finalize,
    .tp_traverse = (traverseproc)verb_traverse,
    .tp_clear = (inquiry)verb_clear,
    .tp_repr = verb_repr,
    .tp_as_async = &verb_async,
    .tp_iter = verb_iterator,
    .tp_iternext = verb_next,
    .tp_methods = verb_methods,
    .tp_getset = verb_fields,
};
