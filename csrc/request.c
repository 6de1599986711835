/* `request`: otpnode/process/requests.py. */

#include "fast.h"

/* -- asking --------------------------------------------------------------------------------------- */

static PyObject *
new_ref(PyObject *maker)
{
    Py_ssize_t number = PyLong_AsSsize_t(SLOT(maker, of_refs.next)) + 1;
    PyObject *next = PyLong_FromSsize_t(number);
    if (next == NULL) {
        return NULL;
    }
    set_slot(maker, of_refs.next, next);
    Py_DECREF(next);
    return PyUnicode_FromFormat("%U%zd", SLOT(maker, of_refs.prefix), number);
}

/* Return ``(tag, (self, ref), *fields)``. */
static PyObject *
worded(PyObject *me, PyObject *tag, PyObject *ref, PyObject *fields)
{
    Py_ssize_t size = PyTuple_GET_SIZE(fields);
    PyObject *sender = PyTuple_Pack(2, SLOT(me, of_proc.pid), ref);
    PyObject *message = sender == NULL ? NULL : PyTuple_New(size + 2);
    if (message == NULL) {
        Py_XDECREF(sender);
        return NULL;
    }
    PyTuple_SET_ITEM(message, 0, Py_NewRef(tag));
    PyTuple_SET_ITEM(message, 1, sender);
    for (Py_ssize_t place = 0; place < size; place++) {
        PyTuple_SET_ITEM(message, place + 2, Py_NewRef(PyTuple_GET_ITEM(fields, place)));
    }
    return message;
}

static int
noted(PyObject *object, Py_ssize_t offset, PyObject *key, PyObject *value)
{
    if (SLOT(object, offset) == Py_None) {
        PyObject *dict = PyDict_New();
        if (dict == NULL) {
            return -1;
        }
        set_slot(object, offset, dict);
        Py_DECREF(dict);
    }
    return PyDict_SetItem(SLOT(object, offset), key, value);
}

/* Write the monitor and its alias into the tables of both sides. */
static int
monitored(PyObject *shard, PyObject *me, PyObject *owner, PyObject *target, PyObject *ref)
{
    PyObject *fields[] = {target, target, name_DOWN, name_reply_demonitor};
    PyObject *record = PyObject_Vectorcall((PyObject *)bound.record, fields, 4, NULL);
    if (record == NULL) {
        return -1;
    }
    int failed = noted(me, of_proc.monitors, ref, record);
    Py_DECREF(record);
    return failed || PyDict_SetItem(SLOT(shard, of_shard.aliases), ref, me) < 0 ||
                   noted(owner, of_proc.monitored_by, ref, SLOT(me, of_proc.pid)) < 0
               ? -1
               : 0;
}

/* Monitor and send, in this order: 0 when that is not the usual case, and nothing has happened then. */
static int
asked_at(PyObject *shard, PyObject *me, PyObject *other, PyObject *target, PyObject *ref, PyObject *message)
{
    long gate = small(other, of_box.gate);
    if (other == SLOT(me, of_proc.box)) {
        return 0;
    }
    if (gate != PARKED && !(gate == SPECIAL && small(other, of_box.state) == PARKED)) {
        Py_ssize_t length = PyObject_Size(SLOT(other, of_box.queue));
        if (length < 0 || length - small(other, of_box.exempt) >= limit_of(other)) {
            return length < 0 ? -1 : 0;
        }
    }
    PyObject *owner = SLOT(other, of_box.owner);
    if (monitored(shard, me, owner, target, ref) < 0) {
        return -1;
    }
    if (gate == SPECIAL) {
        return done(PyObject_CallMethodOneArg(other, name_put, message)) < 0 ? -1 : 1;
    }
    if (append_to(SLOT(other, of_box.queue), message) < 0) {
        return -1;
    }
    if (gate == PARKED) {
        set_slot(other, of_box.gate, state_woken);
        return append_to(SLOT(shard, of_shard.ready), owner) < 0 ? -1 : 1;
    }
    return 1;
}

static int
asked(PyObject *shard, PyObject *me, PyObject *target, PyObject *ref, PyObject *message)
{
    PyObject *other = PyDict_GetItemWithError(SLOT(shard, of_shard.mailboxes), target);
    if (other == NULL) {
        PyObject *arguments[] = {shard, me, target, ref, message};
        return PyErr_Occurred() ? -1 : truth(PyObject_Vectorcall(bound.asked_elsewhere, arguments, 5, NULL));
    }
    Py_INCREF(other);
    int usual = asked_at(shard, me, other, target, ref, message);
    Py_DECREF(other);
    return usual;
}

/* -- waiting ---------------------------------------------------------------------------------------- */

/* Of a timeout that is a usual one. */
static double
seconds_of(PyObject *timeout)
{
    return PyFloat_CheckExact(timeout) ? PyFloat_AS_DOUBLE(timeout) : PyLong_AsDouble(timeout);
}

/* Let the process be woken when the time is over: armed in earnest only in a while, if it is long enough. */
static int
timed(PyObject *shard, PyObject *me, PyObject *timeout)
{
    PyObject *deadlines = SLOT(shard, of_shard.deadlines);
    PyObject *young = PyObject_GetAttr(deadlines, name_young);
    PyObject *now = young == NULL ? NULL : PyObject_CallMethodNoArgs(deadlines, name_now);
    PyObject *when = now == NULL ? NULL : PyNumber_Add(now, timeout);
    int failed = when == NULL || PyDict_SetItem(young, me, when) < 0;
    Py_XDECREF(when);
    Py_XDECREF(now);
    Py_XDECREF(young);
    if (failed) {
        return -1;
    }
    int scheduled = truth(PyObject_GetAttr(SLOT(shard, of_shard.queue), name_scheduled));
    if (scheduled > 0 && seconds_of(timeout) < bound.soon) {
        scheduled = 0;
    }
    return scheduled ? scheduled >> 1 : done(PyObject_CallMethodNoArgs(deadlines, name_grow_up));
}

static int
untimed(PyObject *shard, PyObject *me)
{
    PyObject *deadlines = SLOT(shard, of_shard.deadlines);
    PyObject *young = PyObject_GetAttr(deadlines, name_young);
    if (young == NULL) {
        return -1;
    }
    int there = PyDict_Contains(young, me);
    int failed = there < 0 || (there && PyDict_DelItem(young, me) < 0);
    Py_DECREF(young);
    if (failed) {
        return -1;
    }
    return there ? 0 : done(PyObject_CallMethodOneArg(deadlines, name_forget, me));
}

static int
forgotten(Verb *verb, PyObject *me)
{
    PyObject *arguments[] = {SLOT(me, of_proc.shard), me, verb->ref};
    return done(PyObject_Vectorcall(bound.forget, arguments, 3, NULL));
}

/* The wait is over, however it ended. */
static int
left(Verb *verb, PyObject *me)
{
    PyObject *box = verb->box;
    set_slot(box, of_box.answer, bound.nobody_asks);
    set_slot(box, of_box.wanted, Py_None);
    set_slot(box, of_box.state, state_idle);
    if (SLOT(box, of_box.waits) == Py_None && SLOT(box, of_box.claims) == Py_None &&
        SLOT(me, of_proc.deaf) == Py_False) {
        set_slot(box, of_box.gate, state_idle);
    }
    return verb->timeout == Py_None ? 0 : untimed(SLOT(me, of_proc.shard), me);
}

int
request_broken(Verb *verb)
{
    PyObject *me = SLOT(verb->box, of_box.owner);
    int failed = forgotten(verb, me) < 0;
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    failed = left(verb, me) < 0 || failed;
    if (type != NULL) {
        PyErr_Restore(type, value, trace);
    }
    return failed ? -1 : 0;
}

static int
park_for(PyObject *box, PyObject *ref)
{
    int crowded = SLOT(box, of_box.grants) != Py_None ? 1 : PyObject_IsTrue(SLOT(box, of_box.blocked));
    if (crowded) {
        return crowded < 0 ? -1 : done(PyObject_CallMethodOneArg(box, name_park, ref));
    }
    set_slot(box, of_box.wanted, ref);
    set_slot(box, of_box.state, state_parked);
    set_slot(box, of_box.gate, state_special);
    return 0;
}

static PySendResult
wait_for_answer(Verb *verb, PyObject *shard, PyObject *me, PyObject **result)
{
    if (park_for(verb->box, verb->ref) < 0) {
        return finish(verb, NULL, result);
    }
    set_slot(verb->box, of_box.answer, Py_None);
    if (verb->timeout != Py_None && timed(shard, me, verb->timeout) < 0) {
        return finish(verb, NULL, result);
    }
    return wait_in_bay(verb, result);
}

static int
is_usual_timeout(PyObject *timeout)
{
    if (timeout == Py_None) {
        return 1;
    }
    double seconds = PyFloat_CheckExact(timeout)  ? PyFloat_AS_DOUBLE(timeout)
                     : PyLong_CheckExact(timeout) ? PyLong_AsDouble(timeout)
                                                  : -1.0;
    if (seconds == -1.0 && PyErr_Occurred()) {
        PyErr_Clear(); /* An int beyond every float: the whole rule says what it is. */
    }
    return seconds > 0.0 && seconds < Py_HUGE_VAL;
}

PySendResult
request_step(Verb *verb, PyObject **result)
{
    PyObject *shard, *me = process_on_its_step(&shard);
    if (me == NULL || !is_usual_timeout(verb->timeout) || Py_TYPE(SLOT(shard, of_shard.refs)) != bound.refs) {
        return PyErr_Occurred() ? finish(verb, NULL, result) : delegate(verb, result);
    }
    PyObject *box = mailbox_of(me);
    if (box == NULL) {
        return finish(verb, NULL, result);
    }
    PyObject *running = PyDict_GetItemWithError(bound.current_tasks, SLOT(shard, of_shard.loop));
    if (running != me || small(box, of_box.gate) != IDLE) {
        return PyErr_Occurred() ? finish(verb, NULL, result) : delegate(verb, result);
    }
    verb->box = Py_NewRef(box);
    PyObject *ref = new_ref(SLOT(shard, of_shard.refs));
    PyObject *message = ref == NULL ? NULL : worded(me, verb->message, ref, verb->fields);
    int usual = message == NULL ? -1 : asked(shard, me, verb->target, ref, message);
    Py_XDECREF(message);
    if (usual <= 0) {
        Py_XDECREF(ref);
        return usual < 0 ? finish(verb, NULL, result) : delegate(verb, result);
    }
    Py_SETREF(verb->ref, ref);
    return wait_for_answer(verb, shard, me, result);
}

/* Nothing came: wait on, unless the time is over. */
static PySendResult
not_answered(Verb *verb, PyObject *me, PyObject **result)
{
    PyObject *shard = SLOT(me, of_proc.shard);
    int waits = verb->timeout == Py_None ? 1 : PySequence_Contains(SLOT(shard, of_shard.deadlines), me);
    if (waits > 0 && done(PyObject_CallMethodOneArg(verb->box, name_park, verb->ref)) == 0) {
        return wait_in_bay(verb, result);
    }
    if (waits == 0) {
        PyObject *arguments[] = {verb->target, verb->timeout};
        PyObject *error = PyObject_Vectorcall(bound.no_answer, arguments, 2, NULL);
        if (error != NULL) {
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
            Py_DECREF(error);
        }
    }
    return give_up(verb, result);
}

PySendResult
request_woken(Verb *verb, PyObject **result)
{
    PyObject *me = SLOT(verb->box, of_box.owner);
    PyObject *answer = SLOT(verb->box, of_box.answer);
    if (answer == Py_None) {
        return not_answered(verb, me, result);
    }
    Py_INCREF(answer);
    int failed = left(verb, me) < 0;
    if (!failed && SLOT(me, of_proc.monitors) != Py_None) {
        /* Answered not by way of the alias, but by a message to the pid? */
        int still = PyDict_Contains(SLOT(me, of_proc.monitors), verb->ref);
        failed = still < 0 || (still && forgotten(verb, me) < 0);
    }
    if (failed) {
        Py_CLEAR(answer);
    }
    return finish(verb, answer, result);
}

PyObject *
fast_request(PyObject *verb, PyObject *const *arguments, size_t flags, PyObject *keywords)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    static PyObject **const names[] = {&name_target, &name_tag, &name_timeout};
    PyObject *into[3] = {NULL, NULL, Py_None};
    Py_ssize_t in_place = count < 2 ? count : 2;
    PyObject *given[8];
    Py_ssize_t named = keywords == NULL ? 0 : PyTuple_GET_SIZE(keywords);
    if (in_place + named > 8) {
        return misfit(verb, arguments, flags, keywords);
    }
    memcpy(given, arguments, (size_t)in_place * sizeof(PyObject *));
    memcpy(given + in_place, arguments + count, (size_t)named * sizeof(PyObject *));
    if (!arranged(given, in_place, keywords, names, 3, 2, into) || into[0] == NULL || into[1] == NULL) {
        return misfit(verb, arguments, flags, keywords);
    }
    PyObject *fields = PyTuple_New(count - in_place);
    if (fields == NULL) {
        return NULL;
    }
    for (Py_ssize_t place = in_place; place < count; place++) {
        PyTuple_SET_ITEM(fields, place - in_place, Py_NewRef(arguments[place]));
    }
    Verb *made = (Verb *)verb_new(REQUEST, into[0], into[1], Py_None);
    if (made == NULL) {
        Py_DECREF(fields);
        return NULL;
    }
    made->fields = fields;
    made->timeout = Py_NewRef(into[2]);
    return (PyObject *)made;
}
