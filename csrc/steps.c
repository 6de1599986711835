/* The steps of a slice (`RunQueue.drain`, otpnode/process/runqueue.py), and those that an asyncio
   future causes (`Proc.wakeup`, otpnode/process/proc.py).

   An exception that the watchdog raises (FS-03) is delivered by the interpreter between two byte
   codes, which here may be those of the next process. So one that has come too late for its step
   is looked for, and taken for the end of that process, as the Python loop does. */

#include "fast.h"

/* Return the exception that is set, which then is not; its traceback is with it. */
static PyObject *
caught(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    if (trace != NULL) {
        PyException_SetTraceback(value, trace);
    }
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
#endif
}

/* Return the class that another thread has raised in this one and that was not delivered; NULL for none. */
static inline PyObject *
came_late(void)
{
    PyThreadState *thread = PyThreadState_Get();
    PyObject *kind = Py_XNewRef(thread->async_exc);
    if (kind != NULL) {
        PyThreadState_SetAsyncExc(thread->thread_id, NULL);
    }
    return kind;
}

static PyObject *
made(PyObject *kind)
{
    PyObject *exception = PyObject_CallNoArgs(kind);
    return exception != NULL ? exception : caught();
}

/* Tell the shard that the coroutine of `proc` is over; takes the reference to `how`. */
static int
tell_end(PyObject *shard, PyObject *proc, PyObject *how)
{
    if (how == NULL) {
        return -1;
    }
    int failed = done(PyObject_CallMethodObjArgs(SLOT(shard, of_shard.deaths), name_ended, proc, how, NULL));
    Py_DECREF(how);
    return failed;
}

/* Send None into the coroutine of `proc`. Returns what it yielded, a new reference; NULL when it has ended:
   then `how` is the exception, or the StopIteration of a return, or NULL with an exception set. */
static PyObject *
stepped(PyObject *shard, PyObject *proc, PyObject **how)
{
    set_slot(shard, of_shard.running, proc);
    set_slot(proc, of_proc.ops, zero);
    *how = NULL;
    if (PyDict_SetItem(bound.current_tasks, SLOT(shard, of_shard.loop), proc) < 0) {
        return NULL;
    }
    PyObject *coro = Py_NewRef(SLOT(proc, of_proc.coro)), *yielded = NULL;
    PySendResult step = PyIter_Send(coro, Py_None, &yielded);
    PyObject *late = step == PYGEN_ERROR ? NULL : came_late();
    if (step == PYGEN_ERROR) {
        *how = caught();
        late = came_late(); /* The process is over as it is. */
    }
    else if (step == PYGEN_RETURN) {
        *how = PyObject_CallOneArg(PyExc_StopIteration, yielded);
        Py_CLEAR(yielded);
    }
    else if (late != NULL) {
        *how = made(late);
        Py_CLEAR(yielded);
    }
    Py_XDECREF(late);
    Py_DECREF(coro);
    return yielded;
}

/* -- a slice --------------------------------------------------------------------------------------- */

/* One step of `proc`: 1 when the slice shall look at the clock, -1 on an error. */
static int
slice_step(PyObject *shard, PyObject *proc)
{
    if (SLOT(proc, of_proc.irregular) != Py_False) {
        return done(PyObject_CallMethodNoArgs(proc, name_step));
    }
    PyObject *context = Py_NewRef(SLOT(proc, of_proc.context)), *how = NULL, *yielded = NULL;
    if (PyContext_Enter(context) < 0) {
        how = caught();
    }
    else {
        yielded = stepped(shard, proc, &how);
        PyContext_Exit(context);
    }
    Py_DECREF(context);
    if (yielded == NULL) {
        set_slot(shard, of_shard.running, Py_None);
        return tell_end(shard, proc, how);
    }
    int failed = 0, look = 0;
    if (yielded == SLOT(proc, of_proc.bay)) {
        if (SLOT(proc, of_proc.irregular) != Py_False) {
            set_slot(shard, of_shard.running, Py_None);
            failed = done(PyObject_CallMethodOneArg(proc, name_waits_for, yielded));
        }
    }
    else if (yielded == Py_None) {
        failed = done(PyObject_CallMethodOneArg(SLOT(shard, of_shard.queue), name_yielded, proc));
        look = 1;
    }
    else {
        set_slot(shard, of_shard.running, Py_None);
        failed = done(PyObject_CallMethodOneArg(proc, name_waits_for, yielded));
    }
    Py_DECREF(yielded);
    return failed < 0 ? -1 : look;
}

PyObject *
fast_steps(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || Py_TYPE(arguments[0]) != bound.shard) {
        PyErr_SetString(PyExc_TypeError, "steps takes a Shard and a number");
        return NULL;
    }
    PyObject *shard = arguments[0], *ready = SLOT(shard, of_shard.ready);
    long left = PyLong_AsLong(arguments[1]);
    if (left == -1 && PyErr_Occurred()) {
        return NULL;
    }
    for (; left > 0; left--) {
        Py_ssize_t length = PyObject_Size(ready);
        if (length <= 0) {
            return length < 0 ? NULL : Py_NewRef(Py_False);
        }
        PyObject *proc = take_first(ready);
        if (proc == NULL) {
            return NULL;
        }
        int look = slice_step(shard, proc);
        Py_DECREF(proc);
        if (look) {
            return look < 0 ? NULL : Py_NewRef(Py_True);
        }
    }
    Py_RETURN_TRUE;
}

/* -- a future ------------------------------------------------------------------------------------------ */

/* Wait for `yielded` if it is a future of asyncio's own class and of this loop: 1 when done, 0 when it is not. */
static int
waits_for_future(PyObject *shard, PyObject *proc, PyObject *yielded)
{
    if ((PyObject *)Py_TYPE(yielded) != bound.future || SLOT(proc, of_proc.irregular) != Py_False) {
        return 0;
    }
    int blocking = truth(PyObject_GetAttr(yielded, name__asyncio_future_blocking));
    PyObject *loop = blocking > 0 ? PyObject_CallMethodNoArgs(yielded, name_get_loop) : NULL;
    if (loop == NULL) {
        return blocking == 0 ? 0 : -1;
    }
    Py_DECREF(loop); /* The shard keeps its own. */
    if (loop != SLOT(shard, of_shard.loop)) {
        return 0;
    }
    static PyObject *keywords = NULL;
    if (keywords == NULL && (keywords = PyTuple_Pack(1, name_context)) == NULL) {
        return -1;
    }
    PyObject *callback = PyObject_GetAttr(proc, name_wakeup);
    if (callback == NULL || PyObject_SetAttr(yielded, name__asyncio_future_blocking, Py_False) < 0) {
        Py_XDECREF(callback);
        return -1;
    }
    PyObject *arguments[] = {yielded, callback, SLOT(proc, of_proc.context)};
    int failed = done(PyObject_VectorcallMethod(name_add_done_callback, arguments, 2, keywords));
    Py_DECREF(callback);
    if (failed) {
        return -1;
    }
    set_slot(proc, of_proc.waiter, yielded);
    return 1;
}

/* A step outside a slice: what it has sent has put its receivers on the queue as in one. */
static int
queue_runs(PyObject *shard)
{
    int anybody = PyObject_IsTrue(SLOT(shard, of_shard.ready));
    if (anybody == 0) {
        anybody = truth(PyObject_GetAttr(SLOT(shard, of_shard.deadlines), name_young));
    }
    return anybody <= 0 ? anybody : done(PyObject_CallMethodNoArgs(SLOT(shard, of_shard.queue), name_ensure));
}

static int
wakeup_step(PyObject *shard, PyObject *proc)
{
    if (SLOT(proc, of_proc.irregular) != Py_False) {
        static PyObject *keywords = NULL;
        if (keywords == NULL && (keywords = PyTuple_Pack(1, name_inside)) == NULL) {
            return -1;
        }
        PyObject *arguments[] = {proc, Py_True};
        return done(PyObject_VectorcallMethod(name_step, arguments, 1, keywords));
    }
    PyObject *how, *yielded = stepped(shard, proc, &how);
    set_slot(shard, of_shard.running, Py_None);
    PyObject *loop = SLOT(shard, of_shard.loop);
    if (PyDict_Contains(bound.current_tasks, loop) > 0 && PyDict_DelItem(bound.current_tasks, loop) < 0) {
        Py_XDECREF(how);
        Py_XDECREF(yielded);
        return -1;
    }
    if (yielded == NULL) {
        return tell_end(shard, proc, how);
    }
    int waits = waits_for_future(shard, proc, yielded);
    int failed = waits < 0 || (!waits && done(PyObject_CallMethodOneArg(proc, name_waits_for, yielded)) < 0);
    Py_DECREF(yielded);
    return failed ? -1 : 0;
}

PyObject *
fast_wakeup(PyObject *proc, PyObject *Py_UNUSED(future))
{
    PyObject *shard = Py_NewRef(SLOT(proc, of_proc.shard));
    set_slot(proc, of_proc.waiter, Py_None);
    int failed = wakeup_step(shard, proc);
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    failed = queue_runs(shard) < 0 || failed;
    if (type != NULL) {
        PyErr_Restore(type, value, trace);
    }
    Py_DECREF(shard);
    return failed ? NULL : Py_NewRef(Py_None);
}
