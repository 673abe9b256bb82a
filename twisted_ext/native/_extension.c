/*
 * Batches of datagrams by recvmmsg and sendmmsg, and SipHash-2-4. Optional: loops.py and siphash.py have the same functions in Python. What
 * _replies.c makes is made in Python by what answers all queries.
 *
 * A place is a tuple of two bytes objects: the octets of the client's IP address, and its socket address with, for sockets that report
 * where a datagram was sent to, the ancillary data by which the reply leaves from there. The kernel gets the latter as they are.
 *
 * Sockets are never waited for, so the interpreter is not released, and all calls share one set of buffers. The garbage collector, which may
 * run any code, is off while they hold something.
 */
#define _GNU_SOURCE
#include "_native.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MOST = 64,
    SIZE = 4096,
    /* Not a multiple of 4096, so that datagrams do not compete for the same lines of the processor's cache. */
    STRIDE = SIZE + 192,
    CONTROL = 256,
    /* The largest socket address and its ancillary data. */
    BACK = sizeof(struct sockaddr_in6) + CMSG_SPACE(sizeof(struct in6_pktinfo)),
    PLACES = 1024,
    /* Octets of the ID of a message. */
    ID = 2,
    FEW = 2
};

typedef struct {
    struct mmsghdr headers[MOST];
    struct iovec pieces[MOST][2];
    /* Of what is read: filled in once, but for the first ones, which the last call has used. */
    struct mmsghdr reading[MOST];
    struct iovec spaces[MOST];
    int used, size, named;
    struct sockaddr_in6 names[MOST];
    _Alignas(struct cmsghdr) char controls[MOST][CONTROL];
    char octets[MOST][STRIDE];
    /* Places seen before, by a hash of their address. */
    PyObject *places[PLACES];
} State;

static int descriptorOf(PyObject *socket) {
    int descriptor = PyObject_AsFileDescriptor(socket);
    if (descriptor < 0 && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        errno = EBADF; /* It has been closed. */
        PyErr_SetFromErrno(PyExc_OSError);
    }
    return descriptor;
}

/* Write ancillary data for replies behind the socket address; return its length. */
static size_t answering(struct msghdr *header, char *to) {
    for (struct cmsghdr *each = CMSG_FIRSTHDR(header); each != NULL; each = CMSG_NXTHDR(header, each)) {
        _Alignas(struct cmsghdr) char made[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
        struct cmsghdr *reply = (struct cmsghdr *)made;
        reply->cmsg_len = each->cmsg_len;
        reply->cmsg_level = each->cmsg_level;
        reply->cmsg_type = each->cmsg_type;
        size_t space;
        if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO && each->cmsg_len == CMSG_LEN(sizeof(struct in_pktinfo))) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(each), sizeof info);
            /* Routing picks the interface, which need not be the one that the query came in by. */
            info.ipi_ifindex = 0;
            info.ipi_addr.s_addr = 0;
            memcpy(CMSG_DATA(reply), &info, sizeof info);
            space = CMSG_SPACE(sizeof info);
        } else if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO &&
                   each->cmsg_len == CMSG_LEN(sizeof(struct in6_pktinfo))) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(each), sizeof info);
            if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
                info.ipi6_ifindex = 0;
            memcpy(CMSG_DATA(reply), &info, sizeof info);
            space = CMSG_SPACE(sizeof info);
        } else
            continue;
        memcpy(to, made, space);
        return space;
    }
    return 0;
}

static size_t lengthOf(int family) {
    return family == AF_INET ? sizeof(struct sockaddr_in) : family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
}

static PyObject *placeOf(State *state, struct msghdr *header) {
    char back[BACK];
    struct sockaddr_in6 *name = header->msg_name;
    size_t length = lengthOf(name->sin6_family);
    memcpy(back, name, length);
    uint32_t words[sizeof(struct sockaddr_in6) / 4], hash = 0;
    memcpy(words, back, length);
    for (size_t index = 0; index < length / 4; index++)
        hash = (hash ^ words[index]) * 0x9E3779B1u;
    PyObject **seen = &state->places[hash >> 22];
    length += answering(header, back + length);
    if (*seen != NULL) {
        PyObject *known = PyTuple_GetItem(*seen, 1);
        if ((size_t)PyBytes_Size(known) == length && memcmp(PyBytes_AsString(known), back, length) == 0) {
            Py_INCREF(*seen);
            return *seen;
        }
    }
    int four = name->sin6_family == AF_INET;
    const char *host = four ? (char *)&((struct sockaddr_in *)name)->sin_addr : (char *)&name->sin6_addr;
    PyObject *place = Py_BuildValue("y#y#", host, (Py_ssize_t)(four ? 4 : 16), back, (Py_ssize_t)length);
    if (place != NULL) {
        PyObject *before = *seen;
        Py_INCREF(place);
        *seen = place;
        Py_XDECREF(before);
    }
    return place;
}

/* Append to the list what has arrived, at most so many datagrams of at most so many octets; return whether that went well. */
static int received(State *state, PyObject *socket, int most, int size, PyObject *arrived, int named) {
    if (most < 0 || size < 0 || size > SIZE) {
        PyErr_Format(PyExc_ValueError, "%d datagrams of %d octets: at most %d octets are read", most, size, SIZE);
        return 0;
    }
    if (most > MOST)
        most = MOST;
    int descriptor = descriptorOf(socket);
    if (descriptor < 0)
        return 0;
    int count = state->size == size && state->named == named ? state->used : MOST;
    for (int index = 0; index < count; index++) {
        state->spaces[index] = (struct iovec){state->octets[index], size};
        state->reading[index].msg_hdr = (struct msghdr){
            .msg_name = named ? &state->names[index] : NULL,
            .msg_namelen = named ? sizeof state->names[index] : 0,
            .msg_iov = &state->spaces[index],
            .msg_iovlen = 1,
            .msg_control = named ? state->controls[index] : NULL,
            .msg_controllen = named ? CONTROL : 0,
        };
    }
    state->size = size, state->named = named;
    do
        count = recvmmsg(descriptor, state->reading, most, MSG_DONTWAIT, NULL);
    while (count < 0 && errno == EINTR);
    /* An error may come after some have been read, too. */
    state->used = count > 0 ? count : most;
    if (count < 0 && errno != EAGAIN) {
        PyErr_SetFromErrno(PyExc_OSError);
        return 0;
    }
    int collecting = PyGC_Disable(), fine = 1;
    for (int index = 0; fine && index < count; index++) {
        struct mmsghdr *header = &state->reading[index];
        if (named && (header->msg_hdr.msg_namelen == 0 || lengthOf(state->names[index].sin6_family) == 0))
            continue; /* Without an address that a reply could be sent to. */
        PyObject *item = PyBytes_FromStringAndSize(state->octets[index], header->msg_len);
        if (named && item != NULL) {
            PyObject *place = placeOf(state, &header->msg_hdr), *pair = place == NULL ? NULL : PyTuple_Pack(2, item, place);
            Py_DECREF(item);
            Py_XDECREF(place);
            item = pair;
        }
        fine = item != NULL && PyList_Append(arrived, item) == 0;
        Py_XDECREF(item);
    }
    if (collecting)
        PyGC_Enable();
    return fine;
}

/* Arguments are checked by hand: where queries come one at a time, the time of PyArg_ParseTuple is noticeable. */
int taken(const char *name, Py_ssize_t count, Py_ssize_t expected) {
    if (count != expected)
        PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", name, expected, count);
    return count == expected;
}

static int numberOf(PyObject *object, int *number) {
    long value = PyLong_AsLong(object);
    if (value == -1 && PyErr_Occurred())
        return 0;
    *number = value < INT_MIN ? INT_MIN : value > INT_MAX ? INT_MAX : (int)value;
    return 1;
}

static int isList(PyObject *object) {
    if (PyList_Check(object))
        return 1;
    PyErr_SetString(PyExc_TypeError, "an argument is not a list");
    return 0;
}

static PyObject *receive(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    PyObject *arrived;
    int most, size;
    if (!taken("receive", count, 3) || !numberOf(args[1], &most) || !numberOf(args[2], &size) || (arrived = PyList_New(0)) == NULL)
        return NULL;
    if (!received(PyModule_GetState(module), args[0], most, size, arrived, 1)) {
        /* The error of an earlier send, which concerns only that receiver; or lack of memory, but what has been read is not lost. */
        if (PyErr_ExceptionMatches(PyExc_OSError) || PyList_Size(arrived) > 0)
            PyErr_Clear();
        else
            Py_CLEAR(arrived);
    }
    return arrived;
}

static PyObject *receiveConnected(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    int most, size;
    if (!taken("receiveConnected", count, 4) || !numberOf(args[1], &most) || !numberOf(args[2], &size) || !isList(args[3]) ||
        !received(PyModule_GetState(module), args[0], most, size, args[3], 0))
        return NULL;
    Py_RETURN_NONE;
}

/*
 * Fill in a header; return whether the item is of the right type. With a reply, the item is the query, whose ID goes before it: into the
 * place where that was read to, which is in the processor's cache and of no more use.
 */
static int filled(State *state, int index, PyObject *item, int named, PyObject *reply) {
    struct msghdr *header = &state->headers[index].msg_hdr;
    struct iovec *pieces = state->pieces[index];
    PyObject *octets = item, *back = NULL;
    *header = (struct msghdr){.msg_iov = pieces, .msg_iovlen = 1};
    if (named) {
        if (!PyTuple_Check(item) || PyTuple_Size(item) != 2)
            return 0;
        octets = PyTuple_GetItem(item, 0);
        PyObject *place = PyTuple_GetItem(item, 1);
        if (!PyTuple_Check(place) || PyTuple_Size(place) != 2 || !PyBytes_Check(back = PyTuple_GetItem(place, 1)))
            return 0;
        sa_family_t family = 0;
        size_t all = PyBytes_Size(back);
        if (all >= sizeof family)
            memcpy(&family, PyBytes_AsString(back), sizeof family);
        size_t length = lengthOf(family);
        if (length == 0 || all < length)
            return 0;
        header->msg_name = PyBytes_AsString(back);
        header->msg_namelen = length;
        header->msg_control = all > length ? PyBytes_AsString(back) + length : NULL;
        header->msg_controllen = all - length;
    }
    if (!PyBytes_Check(octets))
        return 0;
    pieces[0] = (struct iovec){PyBytes_AsString(octets), PyBytes_Size(octets)};
    if (reply != NULL) {
        if (!PyBytes_Check(reply) || pieces[0].iov_len < ID)
            return 0;
        pieces[0].iov_len = ID;
        pieces[1] = (struct iovec){PyBytes_AsString(reply), PyBytes_Size(reply)};
        if (pieces[1].iov_len > SIZE)
            header->msg_iovlen = 2;
        else {
            memcpy(state->octets[index], pieces[0].iov_base, ID);
            memcpy(state->octets[index] + ID, pieces[1].iov_base, pieces[1].iov_len);
            pieces[0] = (struct iovec){state->octets[index], ID + pieces[1].iov_len};
        }
    }
    return 1;
}

/*
 * Send datagrams as sendmmsg does. For one or two, system calls of their own take less time: one datagram to a loopback address took 5.2 us
 * instead of 6.5, two 5.3 instead of 5.6 each, eight 4.6 instead of 4.1.
 */
static int sentTogether(int descriptor, struct mmsghdr *headers, int count) {
    struct msghdr *header = &headers->msg_hdr;
    if (count > FEW || header->msg_control != NULL || header->msg_iovlen > 1)
        return sendmmsg(descriptor, headers, count, MSG_DONTWAIT);
    struct iovec *piece = header->msg_iov;
    return sendto(descriptor, piece->iov_base, piece->iov_len, MSG_DONTWAIT, header->msg_name, header->msg_namelen) < 0 ? -1 : 1;
}

/*
 * Send datagrams in their order. One that the kernel refuses does not keep those behind it from being sent; with named ones the number of
 * these is returned, and on a connected socket the error is raised, unless there is no room for the datagram.
 */
static PyObject *sent(PyObject *module, PyObject *const *args, int named, PyObject *replies) {
    State *state = PyModule_GetState(module);
    PyObject *list = args[1];
    if (!isList(list) || (replies != NULL && !isList(replies)))
        return NULL;
    /* This may run code that changes the lists. */
    int descriptor = descriptorOf(args[0]);
    Py_ssize_t all = PyList_Size(list), lost = 0;
    if (replies != NULL && PyList_Size(replies) != all)
        return PyErr_Format(PyExc_ValueError, "%zd queries and %zd replies", all, PyList_Size(replies));
    if (descriptor < 0) {
        if (!named || !PyErr_ExceptionMatches(PyExc_OSError))
            return NULL;
        PyErr_Clear();
        return PyLong_FromSsize_t(all);
    }
    for (Py_ssize_t start = 0; start < all; start += MOST) {
        int count = all - start < MOST ? (int)(all - start) : MOST;
        for (int index = 0; index < count; index++)
            if (!filled(state, index, PyList_GetItem(list, start + index), named,
                        replies == NULL ? NULL : PyList_GetItem(replies, start + index)))
                return PyErr_Format(PyExc_TypeError, "datagram %zd is not what can be sent, such as what was received", start + index);
        for (int index = 0; index < count;) {
            int done = sentTogether(descriptor, state->headers + index, count - index);
            if (done > 0)
                index += done;
            else if (done == 0 || errno != EINTR) {
                if (!named && errno != EAGAIN)
                    return PyErr_SetFromErrno(PyExc_OSError);
                lost++;
                index++;
            }
        }
    }
    return PyLong_FromSsize_t(lost);
}

static PyObject *send_(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    return taken("send", count, 2) ? sent(module, args, 1, NULL) : NULL;
}

static PyObject *sendConnected(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    return taken("sendConnected", count, 2) ? sent(module, args, 0, NULL) : NULL;
}

static PyObject *sendReplies(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    return taken("sendReplies", count, 3) ? sent(module, args, 1, args[2]) : NULL;
}

/* Return the address of a place as the socket module reports it. */
static PyObject *addressOf(PyObject *module, PyObject *place) {
    PyObject *back;
    struct sockaddr_in6 name = {0};
    char text[INET6_ADDRSTRLEN];
    if (PyTuple_Check(place) && PyTuple_Size(place) == 2 && PyBytes_Check(back = PyTuple_GetItem(place, 1))) {
        size_t all = PyBytes_Size(back);
        memcpy(&name, PyBytes_AsString(back), all < sizeof name ? all : sizeof name);
        struct sockaddr_in *four = (struct sockaddr_in *)&name;
        if (name.sin6_family == AF_INET && inet_ntop(AF_INET, &four->sin_addr, text, sizeof text) != NULL)
            return Py_BuildValue("si", text, ntohs(four->sin_port));
        if (name.sin6_family == AF_INET6 && inet_ntop(AF_INET6, &name.sin6_addr, text, sizeof text) != NULL)
            return Py_BuildValue("siII", text, ntohs(name.sin6_port), ntohl(name.sin6_flowinfo) & 0xFFFFF, name.sin6_scope_id);
    }
    PyErr_SetString(PyExc_TypeError, "this is not a place that a datagram was received from");
    return NULL;
}

#define ROTATED(word, bits) ((word) << (bits) | (word) >> (64 - (bits)))

static void rounds(uint64_t v[4], int count) {
    while (count-- > 0) {
        v[0] += v[1], v[1] = ROTATED(v[1], 13) ^ v[0], v[0] = ROTATED(v[0], 32);
        v[2] += v[3], v[3] = ROTATED(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = ROTATED(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = ROTATED(v[1], 17) ^ v[2], v[2] = ROTATED(v[2], 32);
    }
}

uint64_t sipHashed(const uint64_t halves[2], const uint8_t *data, size_t length) {
    uint64_t v[4] = {halves[0] ^ 0x736F6D6570736575, halves[1] ^ 0x646F72616E646F6D, halves[0] ^ 0x6C7967656E657261,
                     halves[1] ^ 0x7465646279746573};
    uint64_t word;
    size_t left = length;
    for (int last = 0; !last; data += sizeof word, left -= sizeof word) {
        last = left < sizeof word;
        unsigned char piece[sizeof word] = {[7] = (unsigned char)length};
        memcpy(piece, data, last ? left : sizeof word);
        memcpy(&word, piece, sizeof word);
        word = le64toh(word);
        v[3] ^= word;
        rounds(v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xFF;
    rounds(v, 4);
    return htole64(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

static PyObject *sipHash(PyObject *module, PyObject *args) {
    const char *key, *data;
    Py_ssize_t keyLength, length;
    uint64_t halves[2];
    if (!PyArg_ParseTuple(args, "y#y#", &key, &keyLength, &data, &length))
        return NULL;
    if (keyLength != sizeof halves)
        return PyErr_Format(PyExc_ValueError, "a key of SipHash has 16 octets, not %zd", keyLength);
    memcpy(halves, key, sizeof halves);
    halves[0] = le64toh(halves[0]), halves[1] = le64toh(halves[1]);
    uint64_t word = sipHashed(halves, (const uint8_t *)data, (size_t)length);
    return PyBytes_FromStringAndSize((char *)&word, sizeof word);
}

#define FAST(function) (PyCFunction)(void (*)(void))(function)

static PyMethodDef methods[] = {
    {"receive", FAST(receive), METH_FASTCALL, NULL},
    {"receiveConnected", FAST(receiveConnected), METH_FASTCALL, NULL},
    {"receiveEverywhere", FAST(receive), METH_FASTCALL, NULL},
    {"send", FAST(send_), METH_FASTCALL, NULL},
    {"sendEverywhere", FAST(send_), METH_FASTCALL, NULL},
    {"sendReplies", FAST(sendReplies), METH_FASTCALL, NULL},
    {"sendRepliesEverywhere", FAST(sendReplies), METH_FASTCALL, NULL},
    {"sendConnected", FAST(sendConnected), METH_FASTCALL, NULL},
    {"addressOf", addressOf, METH_O, NULL},
    {"sipHash", sipHash, METH_VARARGS, NULL},
    {"mapped", FAST(mapped), METH_FASTCALL, NULL},
    {"replies", FAST(replies), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static int traversed(PyObject *module, visitproc visit, void *arg) {
    State *state = PyModule_GetState(module);
    for (int index = 0; index < PLACES; index++)
        Py_VISIT(state->places[index]);
    return 0;
}

static int cleared(PyObject *module) {
    State *state = PyModule_GetState(module);
    for (int index = 0; index < PLACES; index++)
        Py_CLEAR(state->places[index]);
    return 0;
}

static void freed(void *module) { cleared(module); }

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_extension", .m_size = sizeof(State), .m_methods = methods, .m_slots = slots,
    .m_traverse = traversed, .m_clear = cleared, .m_free = freed,
};

PyMODINIT_FUNC PyInit__extension(void) { return PyModuleDef_Init(&definition); }
