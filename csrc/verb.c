/* The awaitable that a verb returns: to whoever awaits it, a coroutine (coroutine.c).

   Nothing happens before its first step, as with a coroutine; one that is dropped before
   says so, and one that is dropped while it waits leaves the wait, as a coroutine does. Most
   take one step and never wait: so the collector does not track one before it waits, and a few
   are kept to be used again. One that is over holds nothing: it would be a cycle that the
   collector does not see. */

#include "fast.h"

#define KEPT 64
static Verb *kept[KEPT];
static int kept_count = 0;

PyObject *
verb_new(enum kind kind, PyObject *target, PyObject *message, PyObject *ref)
{
    Verb *verb;
    if (kept_count) {
        verb = kept[--kept_count];
        _Py_NewReference((PyObject *)verb);
    }
    else {
        verb = PyObject_GC_New(Verb, &verb_type);
        if (verb == NULL) {
            return NULL;
        }
    }
    verb->state = NEW;
    verb->kind = kind;
    verb->target = Py_NewRef(target);
    verb->message = Py_NewRef(message);
    verb->ref = Py_NewRef(ref);
    verb->fields = verb->timeout = verb->box = verb->inner = NULL;
    return (PyObject *)verb;
}

int
verb_traverse(Verb *verb, visitproc visit, void *arg)
{
    Py_VISIT(verb->target);
    Py_VISIT(verb->message);
    Py_VISIT(verb->ref);
    Py_VISIT(verb->fields);
    Py_VISIT(verb->timeout);
    Py_VISIT(verb->box);
    Py_VISIT(verb->inner);
    return 0;
}

int
verb_clear(Verb *verb)
{
    Py_CLEAR(verb->target);
    Py_CLEAR(verb->message);
    Py_CLEAR(verb->ref);
    Py_CLEAR(verb->fields);
    Py_CLEAR(verb->timeout);
    Py_CLEAR(verb->box);
    Py_CLEAR(verb->inner);
    return 0;
}

const char *
name_of(const Verb *verb)
{
    static const char *const names[] = {[SEND] = "send", [RECEIVE] = "receive", [REQUEST] = "request"};
    return names[verb->kind];
}

static int
leave_the_wait(Verb *verb)
{
    return verb->kind == RECEIVE ? receive_broken(verb) : request_broken(verb);
}

int
broken(Verb *verb)
{
    int waited = verb->state == WAITING;
    verb->state = RUNNING;
    int failed = waited ? leave_the_wait(verb) : 0;
    verb->state = OVER;
    verb_clear(verb);
    return failed;
}

static int
dropped(Verb *verb)
{
    return verb->state == NEW
               ? PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited", name_of(verb))
               : broken(verb);
}

/* What it has delegated ends by itself. */
static int
says_something_when_dropped(const Verb *verb)
{
    return verb->state == NEW || verb->state == WAITING;
}

void
verb_finalize(PyObject *self)
{
    Verb *verb = (Verb *)self;
    if (!says_something_when_dropped(verb)) {
        return;
    }
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (dropped(verb) < 0) {
        PyErr_WriteUnraisable(self);
    }
    PyErr_Restore(type, value, trace);
}

void
verb_dealloc(PyObject *self)
{
    Verb *verb = (Verb *)self;
    if (says_something_when_dropped(verb) && PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    if (PyObject_GC_IsTracked(self)) {
        PyObject_GC_UnTrack(self);
    }
    verb_clear(verb);
    if (kept_count < KEPT && !PyObject_GC_IsFinalized(self)) { /* The mark stays: it would not be finalized again. */
        kept[kept_count++] = verb;
    }
    else {
        PyObject_GC_Del(verb);
    }
}

/* -- the ends of a step ------------------------------------------------------------------------- */

PySendResult
suspend(Verb *verb, enum state state, PyObject *value, PyObject **result)
{
    verb->state = state;
    if (!PyObject_GC_IsTracked((PyObject *)verb)) {
        PyObject_GC_Track(verb);
    }
    *result = value;
    return PYGEN_NEXT;
}

PySendResult
finish(Verb *verb, PyObject *value, PyObject **result)
{
    verb->state = OVER;
    verb_clear(verb);
    *result = value;
    return value == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

PySendResult
give_up(Verb *verb, PyObject **result)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (leave_the_wait(verb) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
    }
    else {
        PyErr_Restore(type, value, trace);
    }
    return finish(verb, NULL, result);
}

PySendResult
wait_in_bay(Verb *verb, PyObject **result)
{
    PyObject *me = SLOT(verb->box, of_box.owner);
    if (SLOT(me, of_proc.bay) == bound.no_bay && done(PyObject_CallOneArg(bound.open_bay, me)) < 0) {
        return give_up(verb, result);
    }
    return suspend(verb, WAITING, Py_NewRef(SLOT(me, of_proc.bay)), result);
}

PySendResult
inner_step(Verb *verb, PyObject *argument, PyObject **result)
{
    PySendResult how = PyIter_Send(verb->inner, argument, result);
    return how == PYGEN_NEXT ? suspend(verb, DELEGATED, *result, result) : finish(verb, *result, result);
}

PySendResult
delegate(Verb *verb, PyObject **result)
{
    PyObject *inner;
    if (verb->kind == REQUEST) {
        PyObject *arguments[] = {verb->target, verb->message, verb->fields, verb->timeout};
        inner = PyObject_Vectorcall(bound.request, arguments, 4, NULL);
    }
    else {
        PyObject *arguments[] = {verb->target, verb->message, verb->ref};
        inner = verb->kind == SEND ? PyObject_Vectorcall(bound.send, arguments, 2, NULL)
                                   : PyObject_Vectorcall(bound.receive, arguments, 3, NULL);
    }
    if (inner == NULL) {
        return finish(verb, NULL, result);
    }
    verb_clear(verb); /* The coroutine has them. */
    verb->inner = inner;
    return inner_step(verb, Py_None, result);
}
