/*
 * Replies to plain queries, from the images of zones. Pure: no sockets, nothing kept, no clock.
 *
 * A query is plain if it has no flag but RD, AD and CD, one question of class IN for a type without names to compress, and no record but an
 * OPT record of version 0, without options or with a client cookie alone. Its reply is made here if it is the records of one node or of a
 * wildcard, or the SOA record of a denial, and fits. All other queries get None, and are answered in Python, which gives the same replies to
 * these as well: directAnswer, answerAcross and ReplyBuilder.
 *
 * The octets of an image are not trusted: each offset is compared with the size of its part before it is used.
 */
#include "_native.h"

#include <string.h>

enum {
    HEADER = 12,
    NAME = 255,
    LABEL = 63,
    LABELS = 128,
    /* The most octets of a node that are searched for records of a type. Python knows where each type begins. */
    SEARCHED = 1 << 14,
    /* Sizes of replies over UDP. */
    LEAST = 512,
    LARGEST = 1232,
    /* Octets between the labels of a record's owner and its data: a pointer to the apex, type, class, TTL and length. */
    BETWEEN = 12,
    OPT_RECORD = 11,
    OPT = 41,
    RRSIG = 46,
    COOKIE = 10,
    CLIENT_COOKIE = 8,
    SERVER_COOKIE = 16,
    COOKIE_OPTION = 4 + CLIENT_COOKIE + SERVER_COOKIE,
    NXDOMAIN = 3,
    /* Octets of the authority section of a denial: owner, fixed fields, two names and five numbers. */
    DENIAL = NAME + BETWEEN + 2 * NAME + 20,
    TYPES = 256 / 8
};

/* The flags of nodes, see twisted_ext.zone.store.nodes. */
enum { CUT = 1, DNAME = 2, CNAME = 4, OCCLUDED = 8, WILDCARD = 32, HASHED = 128 };
enum { SPECIAL = CUT | CNAME | OCCLUDED | HASHED, CLOSED = CUT | DNAME | OCCLUDED | HASHED };

static const char CAPSULE[] = "twisted_ext.native.Mapped";

/* Offsets in an image, in octets; and sizes. */
enum { RECORDS, NAMES, SLOTS, FLAGS, KEYS, AREA, MASK, NODES, KEYS_OCTETS, AREA_OCTETS, PLACES };

typedef struct {
    Py_buffer image;
    PyObject *overlay; /* The names that differ from the image; NULL if there are none. */
    size_t places[PLACES];
    size_t apexLength;
    int proves; /* Denials have proofs if they are asked for. */
    /* The authority section of a denial as it follows a name with `above` octets before the apex; 0 octets if Python has to deny. */
    PyObject *said; /* Holds the octets. */
    const uint8_t *denial, *pointers;
    size_t denialLength, above, pointerCount;
    /* Labels before the apex to which the names in the SOA record would be compressed, or nothing. */
    const uint8_t *avoid[2];
    size_t avoidLength[2];
} Mapped;

typedef struct {
    PyObject *places, *maps, *unmapped;
    uint64_t depths;
    const uint8_t *indirect, *plainOPT, *dnssecOPT;
    uint64_t secret[2];
    uint32_t now;
    uint8_t available;
    int cookies;
} Terms;

/* A query that is being read. */
typedef struct {
    const uint8_t *octets;
    uint8_t folded[NAME + 1];
    size_t starts[LABELS], labels, nameLength, end, size;
    unsigned type;
    const uint8_t *cookie;
    int edns, dnssec;
} Query;

static uint32_t checksums[256];

static void prepare(void) {
    for (uint32_t octet = 0; octet < 256; octet++) {
        uint32_t value = octet;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ 0xEDB88320u : value >> 1;
        checksums[octet] = value;
    }
}

/* -- images */

static uint32_t word(const Mapped *map, int part, size_t index) {
    uint32_t value;
    memcpy(&value, (const uint8_t *)map->image.buf + map->places[part] + 4 * index, sizeof value);
    return value;
}

static const uint8_t *at(const Mapped *map, int part, size_t offset) { return (const uint8_t *)map->image.buf + map->places[part] + offset; }

/* Return the node with this key, or -1. */
static int64_t nodeOf(const Mapped *map, const uint8_t *key, size_t length) {
    uint32_t slot = 0xFFFFFFFFu;
    for (size_t index = 0; index < length; index++)
        slot = checksums[(slot ^ key[index]) & 255] ^ slot >> 8;
    slot = ~slot;
    for (size_t tries = 0; tries <= map->places[MASK]; tries++, slot++) {
        uint32_t found = word(map, SLOTS, slot & map->places[MASK]);
        if (found == 0 || found > map->places[NODES])
            return -1;
        uint32_t start = word(map, NAMES, found - 1), end = word(map, NAMES, found);
        if (start > end || end > map->places[KEYS_OCTETS])
            return -1;
        if (end - start == length && memcmp(at(map, KEYS, start), key, length) == 0)
            return (int64_t)found - 1;
    }
    return -1;
}

/* -- queries */

static int readQuery(const Terms *terms, const uint8_t *octets, size_t length, Query *query) {
    static const uint8_t counts[7] = {0, 1, 0, 0, 0, 0, 0};
    if (length < HEADER + 5 || octets[2] & ~1 || octets[3] & ~0x30 || memcmp(octets + 4, counts, sizeof counts) != 0 || octets[11] > 1)
        return 0;
    size_t position = HEADER, label;
    query->octets = octets;
    query->labels = 0;
    while ((label = octets[position]) != 0) {
        if (label > LABEL || position + 1 + label >= length || position + 1 + label - HEADER >= NAME)
            return 0;
        uint8_t *to = query->folded + position - HEADER;
        query->starts[query->labels++] = position - HEADER;
        to[0] = (uint8_t)label;
        for (size_t index = 1; index <= label; index++) {
            uint8_t letter = octets[position + index];
            to[index] = letter >= 'A' && letter <= 'Z' ? letter | 0x20 : letter;
        }
        position += 1 + label;
    }
    query->folded[position - HEADER] = 0;
    query->nameLength = ++position - HEADER;
    query->end = position + 4;
    if (query->end > length || octets[position + 2] != 0 || octets[position + 3] != 1)
        return 0;
    query->type = octets[position] << 8 | octets[position + 1];
    if (query->type < 256 && terms->indirect[query->type >> 3] >> (query->type & 7) & 1)
        return 0;
    query->edns = octets[11];
    query->dnssec = 0;
    query->cookie = NULL;
    query->size = LEAST;
    if (!query->edns)
        return query->end == length;
    const uint8_t *opt = octets + query->end;
    if (length - query->end < OPT_RECORD || opt[0] != 0 || opt[1] != 0 || opt[2] != OPT || opt[5] != 0 || opt[6] != 0)
        return 0;
    size_t options = opt[9] << 8 | opt[10], size = opt[3] << 8 | opt[4];
    if (length - query->end != OPT_RECORD + options)
        return 0;
    if (options != 0) {
        static const uint8_t alone[4] = {0, COOKIE, 0, CLIENT_COOKIE};
        if (!terms->cookies || options != sizeof alone + CLIENT_COOKIE || memcmp(opt + OPT_RECORD, alone, sizeof alone) != 0)
            return 0;
        query->cookie = opt + OPT_RECORD + sizeof alone;
    }
    query->size = size < LEAST ? LEAST : size > LARGEST ? LARGEST : size;
    query->dnssec = opt[7] >> 7;
    return 1;
}

/* -- replies */

static size_t put(const Terms *terms, const Query *query, PyObject *address, uint8_t *reply, const uint8_t *records, size_t length,
                  unsigned count, int rcode) {
    size_t opt = query->edns ? OPT_RECORD + (query->cookie != NULL ? COOKIE_OPTION : 0) : 0, total = query->end + length + opt;
    if (total > query->size)
        return 0;
    int denies = rcode >= 0;
    /* The ID is that of the query, and goes before this. */
    reply[0] = 0x84 | (query->octets[2] & 1);
    reply[1] = terms->available | (denies ? rcode : 0);
    memset(reply + 2, 0, HEADER - 4);
    reply[3] = 1;
    reply[denies ? 6 : 4] = count >> 8;
    reply[denies ? 7 : 5] = count & 255;
    reply[9] = opt != 0;
    uint8_t *to = reply + HEADER - 2;
    memcpy(to, query->octets + HEADER, query->end - HEADER);
    to += query->end - HEADER;
    memcpy(to, records, length);
    to += length;
    if (opt)
        memcpy(to, query->dnssec ? terms->dnssecOPT : terms->plainOPT, OPT_RECORD);
    if (query->cookie != NULL) {
        static const uint8_t head[4] = {0, COOKIE, 0, CLIENT_COOKIE + SERVER_COOKIE};
        /* Client cookie, version, three octets that are zero, time, and address: what is hashed (RFC 9018, section 4.4). */
        uint8_t hashed[CLIENT_COOKIE + 8 + 16] = {[CLIENT_COOKIE] = 1};
        uint64_t hash;
        size_t octets = PyBytes_Size(address);
        const uint8_t *host = (const uint8_t *)PyBytes_AsString(address);
        static const uint8_t four[12] = {[10] = 0xFF, [11] = 0xFF};
        if (octets == 16 && memcmp(host, four, sizeof four) == 0)
            host += sizeof four, octets = 4;
        memcpy(hashed, query->cookie, CLIENT_COOKIE);
        for (int index = 0; index < 4; index++)
            hashed[CLIENT_COOKIE + 4 + index] = (uint8_t)(terms->now >> (24 - 8 * index));
        memcpy(hashed + CLIENT_COOKIE + 8, host, octets);
        hash = sipHashed(terms->secret, hashed, CLIENT_COOKIE + 8 + octets);
        to[OPT_RECORD - 1] = COOKIE_OPTION;
        to += OPT_RECORD;
        memcpy(to, head, sizeof head);
        memcpy(to + sizeof head, hashed, CLIENT_COOKIE + 8);
        memcpy(to + sizeof head + CLIENT_COOKIE + 8, &hash, sizeof hash);
    }
    return total - 2;
}

static size_t denied(const Terms *terms, const Mapped *map, const Query *query, size_t keyLength, PyObject *address, uint8_t *reply, int rcode) {
    uint8_t made[DENIAL];
    size_t last = 0;
    for (size_t index = 0; index < query->labels && query->starts[index] < keyLength; index++)
        last = query->starts[index];
    for (int index = 0; index < 2; index++)
        if (map->avoidLength[index] == 1 + (size_t)query->folded[last] &&
            memcmp(map->avoid[index], query->folded + last, map->avoidLength[index]) == 0)
            return 0;
    memcpy(made, map->denial, map->denialLength);
    for (size_t index = 0; index < map->pointerCount; index++) {
        uint8_t *pointer = made + map->pointers[index];
        unsigned value = (pointer[0] << 8 | pointer[1]) + (unsigned)keyLength - (unsigned)map->above;
        pointer[0] = value >> 8 & 255;
        pointer[1] = value & 255;
    }
    return put(terms, query, address, reply, made, map->denialLength, 1, rcode);
}

/* A set of records that is being picked. */
typedef struct {
    uint8_t octets[LARGEST];
    size_t length;
    unsigned count;
} Picked;

/*
 * Pick the records of a type from those of a node, or the signatures over them. Return whether that can be done: they have the same TTL and
 * are different, or they are for Python.
 */
static int pick(const uint8_t *records, size_t length, size_t labels, unsigned type, int signatures, Picked *picked) {
    size_t position = 0, first = picked->length;
    while (position < length) {
        if (length - position < labels + BETWEEN)
            return 0;
        const uint8_t *record = records + position + labels;
        size_t rdata = record[10] << 8 | record[11], whole = BETWEEN + rdata;
        if (length - position - labels < whole)
            return 0;
        unsigned here = record[2] << 8 | record[3];
        int wanted = signatures ? here == RRSIG && rdata >= 2 && (unsigned)(record[12] << 8 | record[13]) == type : here == type;
        if (wanted) {
            if (picked->length + whole > sizeof picked->octets)
                return 0;
            for (size_t other = first; other < picked->length;) {
                const uint8_t *before = picked->octets + other;
                size_t size = BETWEEN + (before[10] << 8 | before[11]);
                if (memcmp(before + 6, record + 6, 4) != 0 || (size == whole && memcmp(before, record, whole) == 0))
                    return 0;
                other += size;
            }
            memcpy(picked->octets + picked->length, record, whole);
            picked->length += whole;
            picked->count++;
        }
        position += labels + whole;
    }
    return 1;
}

/* Write the reply without its ID; return its octets, 0 to leave the query to Python. */
static size_t answered(const Terms *terms, const Mapped *map, const Query *query, PyObject *address, uint8_t *reply) {
    if (query->nameLength <= map->apexLength)
        return 0; /* The apex, which versions keep. */
    size_t keyLength = query->nameLength - map->apexLength, labels = keyLength;
    const uint8_t *key = query->folded;
    int proved = query->dnssec && map->proves, mayDeny = map->denialLength != 0 && !proved;
    if (map->overlay != NULL) {
        PyObject *name = PyBytes_FromStringAndSize((const char *)key, (Py_ssize_t)keyLength);
        int differs = name == NULL ? -1 : PyDict_Contains(map->overlay, name);
        Py_XDECREF(name);
        if (differs != 0) {
            PyErr_Clear();
            return 0;
        }
    }
    int64_t node = nodeOf(map, key, keyLength);
    if (node >= 0) {
        if (*at(map, FLAGS, node) & SPECIAL)
            return 0;
    } else {
        if (map->overlay != NULL)
            return 0;
        /*
         * Each name above one that exists does too, so the lowest that does is found by bisection, for a name may have 127 labels: from the
         * apex outwards in steps that double, since most names that do not exist are just below one that does, and short ones cost least.
         */
        size_t above = keyLength, below = 0, top = 0;
        while (top < query->labels && query->starts[top] < keyLength)
            top++;
        int64_t encloser = nodeOf(map, key + keyLength, 0);
        for (size_t step = 1; below + 1 < top; step *= 2) {
            size_t left = top - below, next = top - (step < left ? step : left / 2), start = query->starts[next];
            int64_t found = nodeOf(map, key + start, keyLength - start);
            if (found >= 0)
                encloser = found, above = start, top = next;
            else {
                below = next;
                step = left;
            }
        }
        if (encloser < 0)
            return 0;
        uint8_t flags = *at(map, FLAGS, encloser);
        /* The apex has NS records too. */
        if (flags & (encloser == 0 ? DNAME : CLOSED))
            return 0;
        if (!(flags & WILDCARD))
            return mayDeny ? denied(terms, map, query, keyLength, address, reply, NXDOMAIN) : 0;
        if (proved)
            return 0;
        uint8_t star[2 + NAME] = {1, '*'};
        labels = 2 + keyLength - above;
        memcpy(star + 2, key + above, keyLength - above);
        node = nodeOf(map, star, labels);
        if (node < 0 || *at(map, FLAGS, node) & SPECIAL)
            return 0;
        mayDeny = 0;
    }
    uint32_t start = word(map, RECORDS, node), stop = word(map, RECORDS, node + 1);
    if (start > stop || stop > map->places[AREA_OCTETS] || stop - start > SEARCHED)
        return 0;
    Picked picked;
    picked.length = picked.count = 0;
    if (!pick(at(map, AREA, start), stop - start, labels, query->type, 0, &picked))
        return 0;
    if (picked.count == 0)
        return mayDeny ? denied(terms, map, query, keyLength, address, reply, 0) : 0;
    if (query->dnssec && !pick(at(map, AREA, start), stop - start, labels, query->type, 1, &picked))
        return 0;
    return put(terms, query, address, reply, picked.octets, picked.length, picked.count, -1);
}

/* Find the zone of a name: that with the longest name. Return its map, or NULL. */
static const Mapped *mapOf(const Terms *terms, const Query *query) {
    for (size_t index = 0; index <= query->labels; index++) {
        size_t depth = query->labels - index, start = index < query->labels ? query->starts[index] : query->nameLength - 1;
        if (!(terms->depths >> (depth < 63 ? depth : 63) & 1))
            continue;
        PyObject *apex = PyBytes_FromStringAndSize((const char *)query->folded + start, (Py_ssize_t)(query->nameLength - start));
        if (apex == NULL)
            break;
        PyObject *map = PyDict_GetItemWithError(terms->maps, apex);
        int isHere = map != NULL || PyDict_Contains(terms->places, apex) > 0;
        if (isHere && map == NULL && !PyErr_Occurred())
            PyList_Append(terms->unmapped, apex);
        Py_DECREF(apex);
        if (isHere) {
            const Mapped *found = map == NULL || map == Py_None ? NULL : PyCapsule_GetPointer(map, CAPSULE);
            PyErr_Clear();
            return found != NULL && found->apexLength == query->nameLength - start ? found : NULL;
        }
    }
    PyErr_Clear();
    return NULL;
}

static PyObject *replyTo(const Terms *terms, PyObject *item) {
    uint8_t reply[LARGEST];
    Query query;
    PyObject *datagram, *place, *address;
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 2 || !PyBytes_Check(datagram = PyTuple_GetItem(item, 0)) ||
        !PyTuple_Check(place = PyTuple_GetItem(item, 1)) || PyTuple_Size(place) < 1) {
        PyErr_SetString(PyExc_TypeError, "an item is not a datagram with its place");
        return NULL;
    }
    address = PyTuple_GetItem(place, 0);
    if (!PyBytes_Check(address) || (PyBytes_Size(address) != 4 && PyBytes_Size(address) != 16))
        address = NULL; /* Text, which is not read here. */
    if (readQuery(terms, (const uint8_t *)PyBytes_AsString(datagram), (size_t)PyBytes_Size(datagram), &query)) {
        const Mapped *map = mapOf(terms, &query);
        size_t length = map == NULL || (query.cookie != NULL && address == NULL) ? 0 : answered(terms, map, &query, address, reply);
        if (length != 0)
            return PyBytes_FromStringAndSize((const char *)reply, (Py_ssize_t)length);
    }
    Py_RETURN_NONE;
}

/* Return the octets of a bytes object of this size, or of any with -1. */
static const uint8_t *octetsOf(PyObject *object, Py_ssize_t size) {
    if (!PyBytes_Check(object) || (size >= 0 && PyBytes_Size(object) != size)) {
        PyErr_SetString(PyExc_TypeError, "an argument is not bytes, or not so many as it has to be");
        return NULL;
    }
    return (const uint8_t *)PyBytes_AsString(object);
}

PyObject *replies(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    Terms terms = {0};
    PyObject *said, *arrived;
    if (!taken("replies", count, 7))
        return NULL;
    terms.places = args[0], terms.maps = args[1], said = args[3], arrived = args[5], terms.unmapped = args[6];
    if (!PyDict_Check(terms.places) || !PyDict_Check(terms.maps) || !PyTuple_Check(said) || PyTuple_Size(said) != 5 ||
        !PyList_Check(arrived) || !PyList_Check(terms.unmapped)) {
        PyErr_SetString(PyExc_TypeError, "replies takes two dicts, numbers, a tuple of five, and lists");
        return NULL;
    }
    terms.depths = PyLong_AsUnsignedLongLongMask(args[2]);
    terms.now = (uint32_t)PyLong_AsUnsignedLongLongMask(args[4]);
    terms.available = (uint8_t)PyLong_AsUnsignedLongLongMask(PyTuple_GetItem(said, 0)) & 0x80;
    if (PyErr_Occurred() || (terms.plainOPT = octetsOf(PyTuple_GetItem(said, 1), OPT_RECORD)) == NULL ||
        (terms.dnssecOPT = octetsOf(PyTuple_GetItem(said, 2), OPT_RECORD)) == NULL ||
        (terms.indirect = octetsOf(PyTuple_GetItem(said, 3), TYPES)) == NULL)
        return NULL;
    PyObject *secret = PyTuple_GetItem(said, 4);
    if (secret != Py_None) {
        const uint8_t *key = octetsOf(secret, sizeof terms.secret);
        if (key == NULL)
            return NULL;
        for (int index = 0; index < 16; index++)
            terms.secret[index / 8] |= (uint64_t)key[index] << 8 * (index % 8);
        terms.cookies = 1;
    }
    /* All items are read before any code of others can run: nothing here calls any. */
    Py_ssize_t all = PyList_Size(arrived);
    PyObject *made = PyList_New(all);
    for (Py_ssize_t index = 0; made != NULL && index < all; index++) {
        PyObject *reply = replyTo(&terms, PyList_GetItem(arrived, index));
        if (reply == NULL || PyList_SetItem(made, index, reply) < 0)
            Py_CLEAR(made);
    }
    return made;
}

/* -- maps */

static void unmap(PyObject *capsule) {
    Mapped *map = PyCapsule_GetPointer(capsule, CAPSULE);
    if (map == NULL) {
        PyErr_Clear();
        return;
    }
    PyBuffer_Release(&map->image);
    Py_XDECREF(map->overlay);
    Py_XDECREF(map->said);
    PyMem_Free(map);
}

static int isWithin(const Mapped *map, int part, size_t octets) {
    size_t size = (size_t)map->image.len, start = map->places[part];
    return start <= size && octets <= size - start;
}

/* Read the authority section of denials: octets, octets of labels before the apex, places of pointers, and two labels to avoid. */
static int readDenial(Mapped *map, PyObject *said) {
    if (!PyTuple_Check(said) || PyTuple_Size(said) != 5) {
        PyErr_SetString(PyExc_TypeError, "a denial is a tuple of five");
        return 0;
    }
    map->above = PyLong_AsSize_t(PyTuple_GetItem(said, 1));
    if (PyErr_Occurred() || (map->denial = octetsOf(PyTuple_GetItem(said, 0), -1)) == NULL ||
        (map->pointers = octetsOf(PyTuple_GetItem(said, 2), -1)) == NULL)
        return 0;
    size_t length = (size_t)PyBytes_Size(PyTuple_GetItem(said, 0));
    map->pointerCount = (size_t)PyBytes_Size(PyTuple_GetItem(said, 2));
    int isFine = length <= DENIAL && map->above <= NAME;
    for (size_t index = 0; index < map->pointerCount; index++)
        isFine = isFine && map->pointers[index] + (size_t)2 <= length;
    for (int index = 0; index < 2; index++) {
        PyObject *label = PyTuple_GetItem(said, 3 + index);
        if ((map->avoid[index] = octetsOf(label, -1)) == NULL)
            return 0;
        map->avoidLength[index] = (size_t)PyBytes_Size(label);
    }
    if (!isFine) {
        PyErr_SetString(PyExc_ValueError, "this is not the authority section of a denial");
        return 0;
    }
    Py_INCREF(said);
    map->said = said;
    map->denialLength = length;
    return 1;
}

PyObject *mapped(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (!taken("mapped", count, 6))
        return NULL;
    PyObject *places = args[1], *overlay = args[3], *denial = args[4];
    if (octetsOf(args[2], -1) == NULL)
        return NULL;
    if (!PyTuple_Check(places) || PyTuple_Size(places) != PLACES || !PyDict_Check(overlay)) {
        PyErr_Format(PyExc_TypeError, "mapped takes a buffer, %d numbers, a name, a dict, a denial or None, and a bool", PLACES);
        return NULL;
    }
    Mapped *map = PyMem_Calloc(1, sizeof *map);
    if (map == NULL)
        return PyErr_NoMemory();
    map->proves = PyObject_IsTrue(args[5]);
    map->apexLength = (size_t)PyBytes_Size(args[2]);
    for (int index = 0; index < PLACES; index++)
        map->places[index] = PyLong_AsSize_t(PyTuple_GetItem(places, index));
    if (PyErr_Occurred() || PyObject_GetBuffer(args[0], &map->image, PyBUF_SIMPLE) < 0) {
        PyMem_Free(map);
        return NULL;
    }
    if (PyDict_Size(overlay) > 0) {
        Py_INCREF(overlay);
        map->overlay = overlay;
    }
    PyObject *capsule = PyCapsule_New(map, CAPSULE, unmap);
    if (capsule == NULL) {
        PyBuffer_Release(&map->image);
        Py_XDECREF(map->overlay);
        PyMem_Free(map);
        return NULL;
    }
    size_t nodes = map->places[NODES], slots = map->places[MASK] + 1;
    int isFine = map->apexLength >= 1 && map->apexLength <= NAME && nodes >= 1 && nodes <= 0xFFFFFFFE && slots >= 1 &&
                 slots <= 0xFFFFFFFE && (slots & (slots - 1)) == 0 && isWithin(map, RECORDS, 4 * (nodes + 1)) && isWithin(map, NAMES, 4 * (nodes + 1)) &&
                 isWithin(map, SLOTS, 4 * slots) && isWithin(map, FLAGS, nodes) && isWithin(map, KEYS, map->places[KEYS_OCTETS]) &&
                 isWithin(map, AREA, map->places[AREA_OCTETS]);
    if (isFine) {
        if (checksums[1] == 0)
            prepare();
        if (denial == Py_None || readDenial(map, denial))
            return capsule;
    } else
        PyErr_SetString(PyExc_ValueError, "these are not the parts of an image");
    Py_DECREF(capsule);
    return NULL;
}
