/* What the compiled paths know of the Python classes, and the little that they share.

   The Python functions of the same names (otpnode/process/messages.py, requests.py, reception.py,
   runqueue.py, proc.py) stay the definition, and the fallback where this was not built. What is
   done here is only the usual case; everything else is handed to the Python function that knows
   all the rules, and driven through.

   `Proc`, `Mailbox` and `Shard` stay Python classes. Their slots are members at fixed offsets,
   which `bind` asks the classes for, so that a field is one load here and nothing is kept twice.
   Rejected: compiling the Python sources (mypyc, Cython). Their coroutines cost what these verbs
   save, and the frames that the watchdog looks at would not be there. */

#ifndef OTPNODE_FAST_H
#define OTPNODE_FAST_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

/* -- what `bind` and `bind_shard` are told: module.c ----------------------------------------- */

typedef struct {
    PyTypeObject *proc, *mailbox, *shard, *record, *refs;
    PyObject *current;       /* the context variable of the calling process */
    PyObject *current_tasks; /* asyncio's loop -> task on its step */
    PyObject *future;        /* the class of asyncio's futures */
    PyObject *spent, *open_bay, *no_bay;
    PyObject *send, *receive, *request, *send_nowait; /* the whole rule of each verb */
    PyObject *asked_elsewhere, *forget, *no_answer;   /* what is not usual about a request */
    PyObject *nobody_asks;
    double soon; /* seconds a deadline must have before it to stay out of the heap */
} Bound;

typedef struct {
    Py_ssize_t shard, ops, irregular, context, coro, bay, box, pid, deaf, monitors, monitored_by, waiter;
} OfProc;

typedef struct {
    Py_ssize_t queue, gate, limit, care, owner, state, wanted, answer, blocked, grants, waits, claims, exempt;
} OfBox;

typedef struct {
    Py_ssize_t running, mailboxes, ways, ready, loop, deaths, queue, aliases, copier, refs, deadlines, table, reception;
} OfShard;

typedef struct {
    Py_ssize_t target, alias; /* of a MonitorRecord */
} OfRecord;

typedef struct {
    Py_ssize_t prefix, next; /* of a RefMaker */
} OfRefs;

extern Bound bound;
extern OfProc of_proc;
extern OfBox of_box;
extern OfShard of_shard;
extern OfRecord of_record;
extern OfRefs of_refs;

extern PyTypeObject *deque_type;
extern PyCFunction deque_popleft, deque_append;

/* Interned names, `name_step` for "step". */
#define NAMES(X)                                                                                                      \
    X(mailbox) X(took) X(unpark) X(park) X(step) X(waits_for) X(yielded) X(ended) X(append) X(popleft) X(throw)       \
    X(close) X(send) X(target) X(message) X(timeout) X(match) X(ref) X(tag) X(live) X(young) X(now) X(scheduled)      \
    X(grow_up) X(forget) X(put) X(wakeup) X(ensure) X(put_exempt) X(through_alias) X(get_loop)                        \
    X(add_done_callback) X(context) X(inside) X(DOWN) X(reply_demonitor) X(_asyncio_future_blocking)

#define DECLARE(name) extern PyObject *name_##name;
NAMES(DECLARE)
#undef DECLARE

/* `Mailbox.gate` and `Mailbox.state` */
enum { WOKEN = -1, IDLE = 0, PARKED = 1, SPECIAL = 2 };
extern PyObject *zero, *state_idle, *state_parked, *state_woken, *state_special;

/* -- reading and writing slots ---------------------------------------------------------------- */

#define SLOT(object, offset) (*(PyObject **)((char *)(object) + (offset)))

static inline void
set_slot(PyObject *object, Py_ssize_t offset, PyObject *value)
{
    PyObject *before = SLOT(object, offset);
    SLOT(object, offset) = Py_NewRef(value);
    Py_XDECREF(before);
}

static inline long
small(PyObject *object, Py_ssize_t offset)
{
    return PyLong_AsLong(SLOT(object, offset));
}

/* 0, or -1 with the exception set: what most calls are asked for. */
static inline int
done(PyObject *returned)
{
    Py_XDECREF(returned);
    return returned == NULL ? -1 : 0;
}

static inline int
truth(PyObject *returned)
{
    if (returned == NULL) {
        return -1;
    }
    int yes = PyObject_IsTrue(returned);
    Py_DECREF(returned);
    return yes;
}

/* -- queues: a deque, or what stands for one (`Unopened`) --------------------------------------- */

/* Return how many user messages a mailbox may hold; a limit beyond every length is none. */
static inline Py_ssize_t
limit_of(PyObject *box)
{
    return PyNumber_AsSsize_t(SLOT(box, of_box.limit), NULL);
}

static inline int
append_to(PyObject *queue, PyObject *entry)
{
    return done(Py_TYPE(queue) == deque_type ? deque_append(queue, entry)
                                             : PyObject_CallMethodOneArg(queue, name_append, entry));
}

static inline PyObject *
take_first(PyObject *queue)
{
    return Py_TYPE(queue) == deque_type ? deque_popleft(queue, NULL) : PyObject_CallMethodNoArgs(queue, name_popleft);
}

/* -- who calls ------------------------------------------------------------------------------------ */

/* Return the process that the caller belongs to, borrowed; NULL when it belongs to none. */
static inline PyObject *
calling_process(void)
{
    PyObject *me;
    if (PyContextVar_Get(bound.current, NULL, &me) < 0 || me == NULL) {
        return NULL;
    }
    Py_DECREF(me); /* The context keeps it. */
    return Py_TYPE(me) == bound.proc ? me : NULL;
}

/* Return the process on whose own step this is called, borrowed; NULL when the caller is anybody else. */
static inline PyObject *
process_on_its_step(PyObject **shard)
{
    PyObject *me = calling_process();
    if (me == NULL) {
        return NULL;
    }
    *shard = SLOT(me, of_proc.shard);
    return Py_TYPE(*shard) == bound.shard && SLOT(*shard, of_shard.running) == me ? me : NULL;
}

/* Return the mailbox of a process, borrowed: the process keeps it. */
static inline PyObject *
mailbox_of(PyObject *me)
{
    PyObject *box = SLOT(me, of_proc.box);
    if (box == Py_None) {
        box = PyObject_GetAttr(me, name_mailbox);
        Py_XDECREF(box);
    }
    return box;
}

/* -- the awaitable that a verb returns: verb.c, coroutine.c ------------------------------------------ */

enum kind { SEND, RECEIVE, REQUEST };

/* NEW: not begun. RUNNING: on its step. YIELDED: has given way for the fairness budget. WAITING: in the
   process's bay. DELEGATED: the Python coroutine does the rest. OVER. */
enum state { NEW, RUNNING, YIELDED, WAITING, DELEGATED, OVER };

typedef struct {
    PyObject_HEAD
    enum state state;
    enum kind kind;
    PyObject *target;  /* of `receive`: the timeout */
    PyObject *message; /* of `receive`: the match; of `request`: the tag */
    PyObject *ref;
    PyObject *fields;  /* of `request` */
    PyObject *timeout; /* of `request` */
    PyObject *box;     /* the mailbox at which it waits */
    PyObject *inner;   /* the Python coroutine */
} Verb;

extern PyTypeObject verb_type;

PyObject *verb_new(enum kind kind, PyObject *target, PyObject *message, PyObject *ref);
int verb_traverse(Verb *verb, visitproc visit, void *arg);
int verb_clear(Verb *verb);
void verb_finalize(PyObject *self);
void verb_dealloc(PyObject *self);
const char *name_of(const Verb *verb);

/* The ends of a step: yield `value`, return `value` (NULL: an exception is set), go on in Python. */
PySendResult suspend(Verb *verb, enum state state, PyObject *value, PyObject **result);
PySendResult finish(Verb *verb, PyObject *value, PyObject **result);
PySendResult delegate(Verb *verb, PyObject **result);
PySendResult inner_step(Verb *verb, PyObject *argument, PyObject **result);
/* Yield the bay of the process that waits at `verb->box`. */
PySendResult wait_in_bay(Verb *verb, PyObject **result);
/* End the wait with the exception that is set. */
PySendResult give_up(Verb *verb, PyObject **result);
/* Be over in another way than by a step; -1 with the exception set when the wait could not be left. */
int broken(Verb *verb);

/* -- the verbs: messages.c, request.c ---------------------------------------------------------------- */

/* Put the arguments of a call into their places: 0 when they do not fit. */
int arranged(PyObject *const *given, Py_ssize_t positional, PyObject *keywords, PyObject **const *names,
             Py_ssize_t places, Py_ssize_t by_position, PyObject **into);

/* `counts`: against the fairness budget. */
PySendResult send_step(Verb *verb, int counts, PyObject **result);
PySendResult receive_step(Verb *verb, PyObject **result);
PySendResult receive_woken(Verb *verb, PyObject **result);
int receive_broken(Verb *verb);
PySendResult request_step(Verb *verb, PyObject **result);
PySendResult request_woken(Verb *verb, PyObject **result);
int request_broken(Verb *verb);

PyObject *fast_send(PyObject *, PyObject *const *, size_t, PyObject *);
PyObject *fast_receive(PyObject *, PyObject *const *, size_t, PyObject *);
PyObject *fast_request(PyObject *, PyObject *const *, size_t, PyObject *);
PyObject *fast_send_nowait(PyObject *, PyObject *const *, size_t, PyObject *);

/* -- what stands in for the Python functions: standin.c ------------------------------------------------ */

/* Have the Python function say what is wrong with a call, in Python's words. */
PyObject *misfit(PyObject *verb, PyObject *const *arguments, size_t flags, PyObject *keywords);
PyObject *fast_compiled(PyObject *, PyObject *);
int stand_in_ready(void);

/* -- the steps: steps.c -------------------------------------------------------------------------------- */

PyObject *fast_steps(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *fast_wakeup(PyObject *, PyObject *);

#endif
