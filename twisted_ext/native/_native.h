/* What the parts of the C extension share. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

/* SipHash-2-4 with a key of two halves in the byte order of the machine; the hash as a number whose octets are little-endian. */
uint64_t sipHashed(const uint64_t halves[2], const uint8_t *data, size_t length);

/* Return whether a function got as many arguments as it takes. */
int taken(const char *name, Py_ssize_t count, Py_ssize_t expected);

PyObject *mapped(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *replies(PyObject *module, PyObject *const *args, Py_ssize_t count);
