/* `send`, `receive` and `send_nowait`: otpnode/process/messages.py. */

#include "fast.h"

/* Count one operation against the fairness budget (FS-01): 1 when the process must yield first, -1 on an error. */
static inline int
must_yield(PyObject *me)
{
    long ops = small(me, of_proc.ops) + 1;
    PyObject *count = PyLong_FromLong(ops);
    if (count == NULL) {
        return -1;
    }
    set_slot(me, of_proc.ops, count);
    Py_DECREF(count);
    return ops & 7 ? 0 : truth(PyObject_CallOneArg(bound.spent, me));
}

/* -- send ----------------------------------------------------------------------------------------- */

/* Put `message` into a mailbox of this shard: 1 when admitted, 0 when that is not the usual case, -1 on an error. */
static int
put_in(PyObject *shard, PyObject *box, PyObject *message)
{
    long gate = small(box, of_box.gate);
    if (gate <= IDLE) {
        Py_ssize_t length = PyObject_Size(SLOT(box, of_box.queue));
        if (length < 0 || length >= limit_of(box)) {
            return length < 0 ? -1 : 0;
        }
        return append_to(SLOT(box, of_box.queue), message) < 0 ? -1 : 1;
    }
    if (gate != PARKED) {
        return 0;
    }
    if (append_to(SLOT(box, of_box.queue), message) < 0) {
        return -1;
    }
    set_slot(box, of_box.gate, state_woken);
    return append_to(SLOT(shard, of_shard.ready), SLOT(box, of_box.owner)) < 0 ? -1 : 1;
}

/* The usual cases in place: 1, 0 or -1 as above. */
static int
admitted(PyObject *me, PyObject *shard, PyObject *target, PyObject *message)
{
    PyObject *box = PyDict_GetItemWithError(SLOT(shard, of_shard.mailboxes), target);
    if (box != NULL) {
        Py_INCREF(box);
        int put = put_in(shard, box, message);
        Py_DECREF(box);
        return put;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    PyObject *way = PyDict_GetItemWithError(SLOT(shard, of_shard.ways), target);
    if (way == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *arguments[] = {way, SLOT(me, of_proc.pid), message};
    Py_INCREF(way);
    int sent = truth(PyObject_VectorcallMethod(name_send, arguments, 3, NULL));
    Py_DECREF(way);
    return sent;
}

PySendResult
send_step(Verb *verb, int counts, PyObject **result)
{
    PyObject *shard, *me = process_on_its_step(&shard);
    if (me == NULL) {
        return PyErr_Occurred() ? finish(verb, NULL, result) : delegate(verb, result);
    }
    if (counts) {
        int yields = must_yield(me);
        if (yields) {
            return yields < 0 ? finish(verb, NULL, result) : suspend(verb, YIELDED, Py_NewRef(Py_None), result);
        }
    }
    int sent = admitted(me, shard, verb->target, verb->message);
    if (sent == 0) {
        return delegate(verb, result);
    }
    return finish(verb, sent < 0 ? NULL : Py_NewRef(Py_None), result);
}

/* -- receive ---------------------------------------------------------------------------------------- */

static PyObject *
taken(PyObject *box, PyObject *queue)
{
    PyObject *entry = take_first(queue);
    if (entry == NULL || SLOT(box, of_box.care) == Py_False) {
        return entry;
    }
    PyObject *message = PyObject_CallMethodOneArg(box, name_took, entry);
    Py_DECREF(entry);
    return message;
}

/* Take a message if one is there, wait for one if not. */
static PySendResult
take_or_park(Verb *verb, PyObject *box, PyObject **result)
{
    PyObject *queue = SLOT(box, of_box.queue);
    Py_ssize_t length = PyObject_Size(queue);
    if (length) {
        return finish(verb, length < 0 ? NULL : taken(box, queue), result);
    }
    set_slot(box, of_box.gate, state_parked);
    return wait_in_bay(verb, result);
}

PySendResult
receive_step(Verb *verb, PyObject **result)
{
    PyObject *shard, *me = process_on_its_step(&shard);
    if (me == NULL && PyErr_Occurred()) {
        return finish(verb, NULL, result);
    }
    if (me == NULL || verb->target != Py_None || verb->message != Py_None || verb->ref != Py_None) {
        return delegate(verb, result);
    }
    PyObject *box = mailbox_of(me);
    if (box == NULL) {
        return finish(verb, NULL, result);
    }
    if (small(box, of_box.gate) != IDLE) {
        return delegate(verb, result);
    }
    Py_ssize_t length = PyObject_Size(SLOT(box, of_box.queue));
    if (length < 0) {
        return finish(verb, NULL, result);
    }
    if (length > 0) {
        int yields = must_yield(me);
        if (yields) {
            return yields < 0 ? finish(verb, NULL, result) : suspend(verb, YIELDED, Py_NewRef(Py_None), result);
        }
    }
    else if (SLOT(box, of_box.care) != Py_False) {
        return delegate(verb, result);
    }
    verb->box = Py_NewRef(box);
    return take_or_park(verb, box, result);
}

int
receive_broken(Verb *verb)
{
    return done(PyObject_CallMethodNoArgs(verb->box, name_unpark));
}

PySendResult
receive_woken(Verb *verb, PyObject **result)
{
    PyObject *box = verb->box;
    if (small(box, of_box.gate) == WOKEN) {
        set_slot(box, of_box.gate, state_idle);
    }
    else if (receive_broken(verb) < 0) {
        return finish(verb, NULL, result);
    }
    return take_or_park(verb, box, result);
}

/* -- send_nowait: a reply through the alias of a request ------------------------------------------------ */

static int
is_same_text(PyObject *one, PyObject *other)
{
    return one == other ||
           (PyUnicode_CheckExact(one) && PyUnicode_CheckExact(other) && PyUnicode_Compare(one, other) == 0);
}

static int
holds(PyObject *message, PyObject *ref)
{
    if (!PyTuple_CheckExact(message) || !PyUnicode_CheckExact(ref)) {
        return 0;
    }
    Py_ssize_t size = PyTuple_GET_SIZE(message);
    return (size > 0 && is_same_text(PyTuple_GET_ITEM(message, 0), ref)) ||
           (size > 1 && is_same_text(PyTuple_GET_ITEM(message, 1), ref));
}

static int
removed(PyObject *dict, PyObject *key)
{
    if (dict == Py_None) {
        return 0;
    }
    int there = PyDict_Contains(dict, key);
    return there <= 0 ? there : PyDict_DelItem(dict, key);
}

/* End the monitor and the alias of a request of `owner`: 1 when that is what `ref` was, and its target lives here. */
static int
request_answered(PyObject *shard, PyObject *owner, PyObject *ref)
{
    PyObject *monitors = SLOT(owner, of_proc.monitors);
    PyObject *record = monitors == Py_None ? NULL : PyDict_GetItemWithError(monitors, ref);
    if (record == NULL || Py_TYPE(record) != bound.record || SLOT(owner, of_proc.box) == Py_None ||
        !is_same_text(SLOT(record, of_record.alias), name_reply_demonitor)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    PyObject *live = PyObject_GetAttr(SLOT(shard, of_shard.table), name_live);
    if (live == NULL) {
        return -1;
    }
    PyObject *watched = PyDict_GetItemWithError(live, SLOT(record, of_record.target));
    Py_XINCREF(watched);
    Py_DECREF(live);
    if (watched == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int failed = removed(SLOT(shard, of_shard.aliases), ref) < 0 || removed(monitors, ref) < 0 ||
                 removed(SLOT(watched, of_proc.monitored_by), ref) < 0;
    Py_DECREF(watched);
    return failed ? -1 : 1;
}

static int
deliver_through_alias(PyObject *shard, PyObject *owner, PyObject *ref, PyObject *message)
{
    int answered = request_answered(shard, owner, ref);
    if (answered <= 0) {
        return answered < 0 ? -1
                            : done(PyObject_CallMethodObjArgs(SLOT(shard, of_shard.reception), name_through_alias,
                                                              owner, ref, message, NULL));
    }
    PyObject *box = SLOT(owner, of_proc.box);
    if (SLOT(box, of_box.answer) != Py_None || small(box, of_box.state) != PARKED ||
        !holds(message, SLOT(box, of_box.wanted))) {
        return done(PyObject_CallMethodOneArg(box, name_put_exempt, message));
    }
    set_slot(box, of_box.answer, message);
    set_slot(box, of_box.state, state_woken);
    return append_to(SLOT(shard, of_shard.ready), owner);
}

/* -- the functions --------------------------------------------------------------------------------------- */

PyObject *
fast_send(PyObject *verb, PyObject *const *arguments, size_t flags, PyObject *keywords)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    static PyObject **const names[] = {&name_target, &name_message};
    PyObject *into[2] = {NULL, NULL};
    if (!arranged(arguments, count, keywords, names, 2, 2, into) || into[0] == NULL || into[1] == NULL) {
        return misfit(verb, arguments, flags, keywords);
    }
    return verb_new(SEND, into[0], into[1], Py_None);
}

PyObject *
fast_receive(PyObject *verb, PyObject *const *arguments, size_t flags, PyObject *keywords)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    static PyObject **const names[] = {&name_timeout, &name_match, &name_ref};
    PyObject *into[3] = {Py_None, Py_None, Py_None};
    if (!arranged(arguments, count, keywords, names, 3, 2, into)) {
        return misfit(verb, arguments, flags, keywords);
    }
    return verb_new(RECEIVE, into[0], into[1], into[2]);
}

PyObject *
fast_send_nowait(PyObject *Py_UNUSED(verb), PyObject *const *arguments, size_t flags, PyObject *keywords)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    PyObject *shard, *me = process_on_its_step(&shard);
    if (me != NULL && count == 2 && keywords == NULL && PyUnicode_CheckExact(arguments[0]) &&
        SLOT(shard, of_shard.copier) == Py_None) {
        PyObject *owner = PyDict_GetItemWithError(SLOT(shard, of_shard.aliases), arguments[0]);
        if (owner != NULL) {
            Py_INCREF(owner);
            int failed = deliver_through_alias(shard, owner, arguments[0], arguments[1]);
            Py_DECREF(owner);
            return failed ? NULL : Py_NewRef(Py_True);
        }
    }
    return PyErr_Occurred() ? NULL : PyObject_Vectorcall(bound.send_nowait, arguments, (size_t)count, keywords);
}
