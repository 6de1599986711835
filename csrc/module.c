/* The module `otpnode._fast`: what it is told, and what it offers. */

#include "fast.h"

Bound bound;
OfProc of_proc;
OfBox of_box;
OfShard of_shard;
OfRecord of_record;
OfRefs of_refs;

PyTypeObject *deque_type;
PyCFunction deque_popleft, deque_append;

#define DEFINE(name) PyObject *name_##name;
NAMES(DEFINE)
#undef DEFINE

PyObject *zero, *state_idle, *state_parked, *state_woken, *state_special;

/* -- arguments ------------------------------------------------------------------------------------ */

int
arranged(PyObject *const *given, Py_ssize_t positional, PyObject *keywords, PyObject **const *names,
         Py_ssize_t places, Py_ssize_t by_position, PyObject **into)
{
    if (positional > by_position) {
        return 0;
    }
    for (Py_ssize_t place = 0; place < positional; place++) {
        into[place] = given[place];
    }
    for (Py_ssize_t key = 0; keywords != NULL && key < PyTuple_GET_SIZE(keywords); key++) {
        PyObject *keyword = PyTuple_GET_ITEM(keywords, key);
        Py_ssize_t place = 0;
        while (place < places && *names[place] != keyword && PyUnicode_Compare(*names[place], keyword) != 0) {
            place++;
        }
        if (place == places || place < positional) {
            return 0;
        }
        into[place] = given[positional + key];
    }
    return 1;
}

/* -- learning ----------------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    Py_ssize_t *offset;
} Slot;

/* Look up the slots of a class, up to the one without a name, and keep the class. */
static int
learn(PyTypeObject **into, PyObject *kind, const Slot *slots)
{
    for (; slots->name != NULL; slots++) {
        PyObject *member = PyObject_GetAttrString(kind, slots->name);
        if (member == NULL) {
            return -1;
        }
        int is_slot = Py_IS_TYPE(member, &PyMemberDescr_Type);
        if (is_slot) {
            *slots->offset = ((PyMemberDescrObject *)member)->d_member->offset;
        }
        else {
            PyErr_Format(PyExc_TypeError, "%R has no slot %s", kind, slots->name);
        }
        Py_DECREF(member);
        if (!is_slot) {
            return -1;
        }
    }
    *into = (PyTypeObject *)Py_NewRef(kind);
    return 0;
}

static int
learn_proc(PyObject *kind)
{
    const Slot slots[] = {
        {"shard", &of_proc.shard},
        {"ops", &of_proc.ops},
        {"irregular", &of_proc.irregular},
        {"context", &of_proc.context},
        {"_coro", &of_proc.coro},
        {"bay", &of_proc.bay},
        {"box", &of_proc.box},
        {"pid", &of_proc.pid},
        {"deaf", &of_proc.deaf},
        {"monitors", &of_proc.monitors},
        {"monitored_by", &of_proc.monitored_by},
        {"_fut_waiter", &of_proc.waiter},
        {NULL, NULL},
    };
    return learn(&bound.proc, kind, slots);
}

static int
learn_mailbox(PyObject *kind)
{
    const Slot slots[] = {
        {"queue", &of_box.queue},   {"gate", &of_box.gate},       {"limit", &of_box.limit},
        {"care", &of_box.care},     {"owner", &of_box.owner},     {"state", &of_box.state},
        {"wanted", &of_box.wanted}, {"answer", &of_box.answer},   {"blocked", &of_box.blocked},
        {"grants", &of_box.grants}, {"waits", &of_box.waits},     {"claims", &of_box.claims},
        {"exempt", &of_box.exempt}, {NULL, NULL},
    };
    return learn(&bound.mailbox, kind, slots);
}

static int
learn_shard(PyObject *kind)
{
    const Slot slots[] = {
        {"running", &of_shard.running},     {"mailboxes", &of_shard.mailboxes},
        {"ways", &of_shard.ways},           {"ready", &of_shard.ready},
        {"loop", &of_shard.loop},           {"deaths", &of_shard.deaths},
        {"queue", &of_shard.queue},         {"aliases", &of_shard.aliases},
        {"copier", &of_shard.copier},       {"refs", &of_shard.refs},
        {"deadlines", &of_shard.deadlines}, {"table", &of_shard.table},
        {"reception", &of_shard.reception}, {NULL, NULL},
    };
    return learn(&bound.shard, kind, slots);
}

static PyCFunction
method_of_deque(const char *name, int flags)
{
    PyObject *method = PyObject_GetAttrString((PyObject *)deque_type, name);
    PyCFunction found = NULL;
    if (method != NULL && Py_IS_TYPE(method, &PyMethodDescr_Type) &&
        ((PyMethodDescrObject *)method)->d_method->ml_flags == flags) {
        found = ((PyMethodDescrObject *)method)->d_method->ml_meth;
    }
    else if (method != NULL) {
        PyErr_Format(PyExc_ImportError, "this Python's deque.%s is called in another way; set OTPNODE_PURE=1", name);
    }
    Py_XDECREF(method);
    return found;
}

static int
prepare(void)
{
    PyObject *collections = PyImport_ImportModule("collections");
    if (collections == NULL) {
        return -1;
    }
    deque_type = (PyTypeObject *)PyObject_GetAttrString(collections, "deque");
    Py_DECREF(collections);
    if (deque_type == NULL || (deque_popleft = method_of_deque("popleft", METH_NOARGS)) == NULL ||
        (deque_append = method_of_deque("append", METH_O)) == NULL) {
        return -1;
    }
#define INTERN(name)                                                                                                  \
    if ((name_##name = PyUnicode_InternFromString(#name)) == NULL) {                                                  \
        return -1;                                                                                                    \
    }
    NAMES(INTERN)
#undef INTERN
    zero = state_idle = PyLong_FromLong(IDLE);
    state_parked = PyLong_FromLong(PARKED);
    state_woken = PyLong_FromLong(WOKEN);
    state_special = PyLong_FromLong(SPECIAL);
    int made = zero && state_parked && state_woken && state_special;
    return made && stand_in_ready() == 0 ? PyType_Ready(&verb_type) : -1;
}

/* -- the module ------------------------------------------------------------------------------------------ */

static PyObject *bind(PyObject *, PyObject *, PyObject *);

PyDoc_STRVAR(bind_doc, "bind(**known)\n--\n\n"
                       "Learn of the classes and functions that this is compiled for, and give `Proc` its `wakeup`.");

#define FUNCTION(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef functions[] = {
    {"bind", FUNCTION(bind), METH_VARARGS | METH_KEYWORDS, bind_doc},
    {"steps", FUNCTION(fast_steps), METH_FASTCALL,
     PyDoc_STR("steps(shard, count, /)\n--\n\n"
               "Let the next `count` processes take a step each; False when nobody can run any more.")},
    {"compiled", fast_compiled, METH_O,
     PyDoc_STR("compiled(definition, /)\n--\n\nReturn what stands in for the verb that is defined so.")},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef wakeup_method = {"wakeup", fast_wakeup, METH_O,
                                    PyDoc_STR("Go on after an asyncio future; in the process's own context.")};

/* Before anything else; module-level state, because there is one otpnode in an OS process. */
static PyObject *
bind(PyObject *Py_UNUSED(module), PyObject *arguments, PyObject *known)
{
    static char *names[] = {"proc",     "mailbox",  "shard",        "record",          "refs",
                            "current",  "tasks",    "future",       "spent",           "open_bay",
                            "no_bay",   "send",     "receive",      "request",         "send_nowait",
                            "asked_elsewhere",      "forget",       "no_answer",       "nobody_asks",
                            "soon",     NULL};
    PyObject *proc, *mailbox, *shard, *record, *refs;
    if (!PyArg_ParseTupleAndKeywords(
            arguments, known, "$O!O!O!O!O!OO!OOOOOOOOOOOOd:bind", names, &PyType_Type, &proc, &PyType_Type, &mailbox,
            &PyType_Type, &shard, &PyType_Type, &record, &PyType_Type, &refs, &bound.current, &PyDict_Type,
            &bound.current_tasks, &bound.future, &bound.spent, &bound.open_bay, &bound.no_bay, &bound.send,
            &bound.receive, &bound.request, &bound.send_nowait, &bound.asked_elsewhere, &bound.forget,
            &bound.no_answer, &bound.nobody_asks, &bound.soon)) {
        return NULL;
    }
    const Slot record_slots[] = {{"target", &of_record.target}, {"alias", &of_record.alias}, {NULL, NULL}};
    const Slot refs_slots[] = {{"_prefix", &of_refs.prefix}, {"_next", &of_refs.next}, {NULL, NULL}};
    if (learn_proc(proc) < 0 || learn_mailbox(mailbox) < 0 || learn(&bound.record, record, record_slots) < 0 ||
        learn(&bound.refs, refs, refs_slots) < 0 || learn_shard(shard) < 0) {
        return NULL;
    }
    Py_INCREF(known); /* All of them, for as long as this OS process lives. */
    PyObject *wakeup = PyDescr_NewMethod(bound.proc, &wakeup_method);
    int failed = wakeup == NULL || PyObject_SetAttr(proc, name_wakeup, wakeup) < 0;
    Py_XDECREF(wakeup);
    return failed ? NULL : Py_NewRef(Py_None);
}

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "otpnode._fast",
    .m_doc = PyDoc_STR("The compiled forms of the hottest paths; optional."),
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__fast(void)
{
    return prepare() < 0 ? NULL : PyModule_Create(&module);
}
