"""
Tests of L{twisted_ext.dnssec.privatekeys.keyfiles} and L{twisted_ext.dnssec.privatekeys.keyfolder}.
"""

from __future__ import annotations

import errno
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dnssec.privatekeys.test_keys import keyFor, pemOf, secretsOf
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, nameOf, readBind, readPKCS8, writeBind, writeState
from twisted_ext.dnssec.privatekeys.keyfolder import loadKey, loadKeys, saveKey
from twisted_ext.dnssec.privatekeys.keys import SIGNING, PrivateKey, newKey
from twisted_ext.errors import BadKey, BadName, BadRecord, StorageFault
from twisted_ext.wire.names import ROOT, nameFromText

__all__: list[str] = []

APEX = nameFromText("example.org.")

#: All times that BIND knows.
TIMES = {
    name: 1_700_000_000 + 86_400 * number
    for number, name in enumerate(
        ["Created", "Publish", "Activate", "Revoke", "Inactive", "Delete", "DSPublish", "SyncPublish", "SyncDelete"]
    )
}

STATE = {"Algorithm": "13", "Length": "256", "Lifetime": "2592000", "Predecessor": "123", "KSK": "yes", "GoalState": "omnipresent"}


def fileFor(algorithm: int = 13, zone: bytes = APEX) -> KeyFile:
    """
    Return a key with all times.
    """
    return KeyFile(zone, keyFor(algorithm), TIMES, {}, None)


def refused(private: str, public: str, state: str = "") -> BadKey:
    """
    Return the exception for damaged files, which has no secret of a key of these tests.
    """
    with pytest.raises(BadKey) as caught:
        readBind(private, public, state, "/etc/keys/K.private")
    error = caught.value
    assert str(error).startswith("/etc/keys/K.private: ")
    assert "\n" not in str(error)
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    before = error.__context__
    while before is not None:
        shown += repr(before) + repr(vars(before))
        before = before.__context__
    for algorithm in SIGNING:
        assert not any(secret in shown for secret in secretsOf(keyFor(algorithm)))
    return caught.value


@pytest.mark.parametrize("algorithm", SIGNING)
def test_roundTrip(algorithm: int) -> None:
    """
    What is written is read again, in both formats, with line ends of Windows, and with all times.
    """
    file = fileFor(algorithm)
    private, public = writeBind(file)
    for text in (private, private.replace("v1.3", "v1.2"), private.replace("\n", "\r\n")):
        again = readBind(text, public.replace("\n", "\r\n") if "\r" in text else public, source="f")
        assert (again.zone, again.times, again.state, again.lifetime, again.ttl) == (APEX, TIMES, {}, None, None)
        assert (again.key.dnskey, again.key.source) == (file.key.dnskey, "f")
        assert again.key.numbers() == file.key.numbers()
        assert writeBind(again) == (private, public)


def test_publicFile() -> None:
    """
    The comments of a public file tell the role, the tag and the times.
    """
    for flags, kind in ((256, "zone"), (257, "key"), (385, "revoked key")):
        key = newKey(15, flags)
        lines = writeBind(KeyFile(APEX, key, {"Created": 1_796_169_605}, {}, None, 300))[1].splitlines()
        assert lines[0] == f"; This is a {kind}-signing key, keyid {key.tag}, for example.org."
        assert lines[1] == "; Created: 20261202000005 (Wed Dec  2 00:00:05 2026)"
        assert lines[2].startswith(f"example.org. 300 IN DNSKEY {flags} 3 15 ")
        assert readBind(*writeBind(KeyFile(APEX, key, {}, {}, None, 300))).ttl == 300


def test_state() -> None:
    """
    The lines of a state file are kept, and the lifetime is one of them.
    """
    private, public = writeBind(KeyFile(APEX, keyFor(13), {}, STATE, 2_592_000))
    assert "Predecessor: 123\n" in private
    file = readBind(private, public, writeState(KeyFile(APEX, keyFor(13), {}, STATE, 2_592_000)))
    assert (file.state, file.lifetime) == (STATE, 2_592_000)
    assert writeState(file).splitlines()[1:] == [f"{name}: {value}" for name, value in STATE.items()]
    assert readBind(private, public).state == {"Predecessor": "123"}
    assert writeState(readBind(private, public)) == ""
    assert writeState(KeyFile(APEX, keyFor(13), {}, {}, 60)).splitlines()[1:] == ["Algorithm: 13", "Length: 256", "Lifetime: 60"]
    for damaged in ("Lifetime", "Lifetime: x\n", "Lifetime: -1", "KSK: yes\nKSK: yes", ": a", "Lifetime: 99999999999"):
        assert ".state file" in str(refused(private, public, damaged))


def test_names() -> None:
    """
    Names of files are escaped as BIND does.
    """
    tag = keyFor(13).tag
    for zone, name in (("Example.ORG.", "Kexample.org."), (".", "K."), ("a/b\\\\.\\$x\\000\\\"\\@-_.e.", "Ka%2Fb%5C.%24x%00%22%40-_.e.")):
        assert nameOf(KeyFile(nameFromText(zone), keyFor(13), {}, {}, None)) == f"{name}+013+{tag:05}"


@pytest.mark.parametrize("algorithm", SIGNING)
def test_damagedLines(algorithm: int) -> None:
    """
    A private file of which a line is missing, doubled, cut or changed is refused, or still has the same key: times are not protected.
    """
    private, public = writeBind(fileFor(algorithm))
    lines = private.splitlines(True)
    times = 0
    for index, line in enumerate(lines):
        length = len(line)
        flips = [line[:at] + chr(ord(line[at]) ^ bit) + line[at + 1 :] for at in (0, length // 2, -2) for bit in (1, 128)]
        for changed in ("", line + line, line[: length // 2] + "\n", line[: length // 2], "\n", line[:-2] + "\n", line * 3000, *flips):
            text = "".join([*lines[:index], changed, *lines[index + 1 :]])
            # The last digit of 1.3 may become that of the other format.
            if line.split(":")[0] not in TIMES and changed != "Private-key-format: v1.2\n" or len(changed) > len(line):
                refused(text, public)
                continue
            try:
                assert readBind(text, public).key.dnskey == keyFor(algorithm).dnskey
                times += 1
            except BadKey:
                refused(text, public)
    assert times


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("PublicExponent: AQAB\n", ""), "PublicExponent is missing"),
        (lambda text: text.replace("AQAB", "AQA"), "PublicExponent is not valid base 64"),
        (lambda text: text.replace("AQAB", "AQAF"), "one of them is damaged"),
        (lambda text: text.replace("AQAB", "A" * 4000), "PublicExponent has 3000 octets"),
        (lambda text: text.replace("v1.3", "v1.4"), "Private-key-format: v1.3, or v1.2, was expected"),
        (lambda text: text.replace("8 (RSASHA256)", "5 (RSASHA1)"), "SHA-1 is broken"),
        (lambda text: text.replace("8 (RSASHA256)", "3 (DSA)"), "too short"),
        (lambda text: text.replace("8 (RSASHA256)", "12 (ECC-GOST)"), "GOST R 34.10-2001 is retired"),
        (lambda text: text.replace("8 (RSASHA256)", "8"), "a number and a name were expected"),
        (lambda text: text.replace("8 (RSASHA256)", "8 (ED448)"), "the name of 8 is RSASHA256"),
        (lambda text: text.replace("8 (RSASHA256)", "15 (ED25519)"), "the .key file beside it is not"),
        (lambda text: text + "Label: cGtjczExOg==\n", "the key is in a token"),
        (lambda text: text + "Foo: bar\n", "line 20 is not a part of a key of RSASHA256"),
        (lambda text: text + "Successor: bar\n", "line 20: Successor is not a number"),
        (lambda text: text.replace("Publish: 2", "Publish: x", 1), "Publish is not a time"),
        (lambda text: text.replace("Created: 2023", "Created: 1969"), "Created is not a time"),
        (lambda text: "", "its first line"),
    ],
)
def test_sentences(change: Callable[[str], str], said: str) -> None:
    """
    What is wrong with a private file is said in one sentence.
    """
    private, public = writeBind(fileFor(8))
    assert said in str(refused(change(private), public))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "", "0 records; one DNSKEY record was expected"),
        (lambda text: text + text, "2 records"),
        (lambda text: text[:-20] + "\n", "is damaged"),
        (lambda text: text.replace(" 3 13 ", " 3 15 "), "the .key file beside it is not"),
        (lambda text: text.replace(" 257 ", " 258 "), "its flags are 258"),
        (lambda text: text.replace(" IN ", " CH "), "DNSKEY of class IN"),
        (lambda text: text.replace("DNSKEY 257 3 13", "TXT"), "type TXT"),
        (lambda text: writeBind(KeyFile(APEX, newKey(13), {}, {}, None))[1], "its public key is not that of the .key file beside it"),
    ],
)
def test_sentencesOfPublicFiles(change: Callable[[str], str], said: str) -> None:
    """
    What is wrong with a public file is said in one sentence.
    """
    private, public = writeBind(fileFor())
    assert said in str(refused(private, change(public)))


@given(st.integers(0, 2), st.integers(0, 600), st.integers(0, 40), st.text(max_size=20))
def test_damagedFiles(which: int, place: int, length: int, text: str) -> None:
    """
    Whatever a part of a file is replaced with, the key is the same or the file is refused.
    """
    state = writeState(KeyFile(APEX, keyFor(15), {}, STATE, 60))
    texts = [*writeBind(fileFor(15)), state]
    place %= len(texts[which])
    before = sys.exc_info()[1]
    texts[which] = texts[which][:place] + text + texts[which][place + length :]
    try:
        assert readBind(*texts).key.dnskey[4:] == keyFor(15).dnskey[4:]
    except BadKey as error:
        assert error.__context__ is before or isinstance(error.__context__, (BadRecord, BadName))


def test_pkcs8() -> None:
    """
    Keys are read from PEM, with what it does not tell as arguments.
    """
    for algorithm in SIGNING:
        file = readPKCS8(pemOf(keyFor(algorithm)), algorithm, 257, b"\x07EXAMPLE\x03org\0", "f")
        assert (file.zone, file.key.dnskey, file.key.source) == (APEX, keyFor(algorithm).dnskey, "f")
    with pytest.raises(BadKey, match="f: a private key in PEM"):
        readPKCS8(b"-----BEGIN PRIVATE KEY-----\n", 13, 257, APEX, "f")


def test_noSecretInRepr() -> None:
    """
    The repr of a file has no secret, and the file cannot be pickled.
    """
    for algorithm in SIGNING:
        file = fileFor(algorithm)
        assert not any(secret in repr(file) for secret in secretsOf(file.key))
        with pytest.raises(TypeError):
            pickle.dumps(file)


# -- files


@pytest.mark.parametrize("algorithm", SIGNING)
def test_savedKeysAreLoaded(algorithm: int, tmp_path: Path) -> None:
    """
    A key that was saved is loaded with or without suffix; only its user can read the secret.
    """
    former = os.umask(0o022)
    try:
        base = saveKey(KeyFile(APEX, keyFor(algorithm), TIMES, STATE, 60), str(tmp_path))
    finally:
        os.umask(former)
    assert base == str(tmp_path / f"Kexample.org.+{algorithm:03}+{keyFor(algorithm).tag:05}")
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {".private": 0o600, ".key": 0o644, ".state": 0o644}
    for path in (base, base + ".private"):
        file = loadKey(path)
        assert (file.zone, file.times, file.lifetime) == (APEX, TIMES, 60)
        assert (file.key.dnskey, file.key.source) == (keyFor(algorithm).dnskey, base + ".private")


def test_nothingIsOverwritten(tmp_path: Path) -> None:
    """
    A file that exists is kept, and none is added to it.
    """
    base = Path(tmp_path / nameOf(fileFor()))
    for suffix in (".private", ".key"):
        there = base.with_name(base.name + suffix)
        there.write_text("mine")
        with pytest.raises(StorageFault, match=f"{suffix}: exists already"):
            saveKey(fileFor(), str(tmp_path))
        assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
        there.unlink()
    link = base.with_name(base.name + ".private")
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFault, match="exists already"):
        saveKey(fileFor(), str(tmp_path))
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_fullDisk(call: str, tmp_path: Path) -> None:
    """
    If the disk is full at any point, or the user interrupts, nothing is left behind.
    """
    real = getattr(os, call)
    for raised in (OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()):
        succeeded = 0
        for calls in range(10):
            left = [calls]

            def failing(*arguments: object, left: list[int] = left, raised: BaseException = raised) -> object:
                if not left[0]:
                    raise raised
                left[0] -= 1
                return real(*arguments)

            with patch.object(os, call, failing):
                try:
                    saveKey(fileFor(), str(tmp_path))
                except (StorageFault, KeyboardInterrupt) as error:
                    assert isinstance(raised, KeyboardInterrupt) or "No space left on device" in str(error)
                    assert list(tmp_path.iterdir()) == []
                else:
                    succeeded += 1
                    for path in tmp_path.iterdir():
                        path.unlink()
        assert 10 - succeeded == (3 if call == "fsync" else 2)


def test_shortWrites(tmp_path: Path) -> None:
    """
    A file is complete also if the kernel takes it in parts.
    """
    real = os.write
    with patch.object(os, "write", lambda descriptor, octets: real(descriptor, octets[:7])):
        base = saveKey(fileFor(8), str(tmp_path))
    assert loadKey(base).key.dnskey == keyFor(8).dnskey


def test_missingFolder(tmp_path: Path) -> None:
    """
    A folder that does not exist is an error with its path.
    """
    folder = str(tmp_path / "no")
    with pytest.raises(StorageFault, match="no/K.*key: cannot be written: No such file"):
        saveKey(fileFor(), folder)
    with pytest.raises(BadKey, match="no/K.*private: cannot be read: No such file"):
        loadKey(f"{folder}/K")
    with pytest.raises(BadKey, match="no: cannot be read: No such file"):
        loadKeys(folder, APEX)
    for path in ("\0", "a\0b"):
        with pytest.raises(BadKey, match="its name is not valid"):
            loadKey(path)


@pytest.mark.parametrize(
    ("mode", "said"),
    [(0o644, "others may read it"), (0o640, "others may read it"), (0o604, "read it"), (0o620, "change it"), (0o602, "change it")],
)
def test_openSecrets(mode: int, said: str, tmp_path: Path) -> None:
    """
    A private file that others may read or change is refused, with the command that helps.
    """
    path = saveKey(fileFor(), str(tmp_path)) + ".private"
    os.chmod(path, mode)
    with pytest.raises(BadKey) as caught:
        loadKey(path)
    assert str(caught.value).startswith(f"{path}: others may ")
    assert str(caught.value).endswith(f"{said} (mode {mode:04o}); chmod 600 it")


def test_changeablePublicFiles(tmp_path: Path) -> None:
    """
    A public file that everyone may change is refused.
    """
    base = saveKey(fileFor(), str(tmp_path))
    os.chmod(base + ".key", 0o666)
    with pytest.raises(BadKey, match=r"key: others may change it \(mode 0666\); chmod 644 it"):
        loadKey(base)


def test_otherOwners(tmp_path: Path) -> None:
    """
    Files of another user are refused, those of root and of this user are not.
    """
    base = saveKey(fileFor(), str(tmp_path))
    real = os.fstat
    for owner, good in ((0, True), (os.geteuid(), True), (12345, False)):

        def owned(descriptor: int, owner: int = owner) -> os.stat_result:
            found = list(real(descriptor))
            found[4] = owner
            return os.stat_result(found)

        with patch.object(os, "fstat", owned):
            if good:
                loadKey(base)
            else:
                with pytest.raises(BadKey, match="it belongs to user 12345"):
                    loadKey(base)


@pytest.mark.parametrize("suffix", [".private", ".key", ".state"])
def test_linksAndOtherFiles(suffix: str, tmp_path: Path) -> None:
    """
    Links, pipes and folders are refused at once, for each of the files.
    """
    base = saveKey(KeyFile(APEX, keyFor(13), {}, STATE, None), str(tmp_path))
    os.rename(base + suffix, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", base + suffix)
    with pytest.raises(BadKey, match=rf"\{suffix}: cannot be read: it is a link"):
        loadKey(base)
    os.unlink(base + suffix)
    os.mkfifo(base + suffix, 0o600)
    with pytest.raises(BadKey, match="a file was expected"):
        loadKey(base)
    os.unlink(base + suffix)
    os.mkdir(base + suffix, 0o700)
    with pytest.raises(BadKey, match="a file was expected"):
        loadKey(base)


@pytest.mark.parametrize("suffix", [".private", ".key", ".state"])
def test_largeFiles(suffix: str, tmp_path: Path) -> None:
    """
    Of a file of 10 MB no more than 64 KiB are read.
    """
    base = saveKey(KeyFile(APEX, keyFor(13), {}, STATE, None), str(tmp_path))
    with open(base + suffix, "ab") as file:
        file.truncate(10 << 20)
    taken = []
    real = os.read

    def counting(descriptor: int, most: int) -> bytes:
        octets = real(descriptor, most)
        taken.append(len(octets))
        return octets

    with patch.object(os, "read", counting), pytest.raises(BadKey, match=rf"\{suffix}: it is larger than 65536 octets"):
        loadKey(base)
    assert taken[-1] and 65_536 < sum(taken) < 70_000


def test_otherOctets(tmp_path: Path) -> None:
    """
    Octets that are not ASCII are refused without showing them.
    """
    path = saveKey(fileFor(), str(tmp_path)) + ".private"
    with open(path, "ab") as file:
        file.write(b"\xff")
    before = sys.exc_info()[1]
    with pytest.raises(BadKey, match="not ASCII") as caught:
        loadKey(path)
    assert caught.value.__context__ is before


@pytest.mark.parametrize("algorithm", SIGNING)
def test_noSecretInVariables(algorithm: int, tmp_path: Path) -> None:
    """
    No variable of the functions that an exception has passed has the secret, so that logs which show them do not.
    """
    file = fileFor(algorithm)
    base = saveKey(file, str(tmp_path))
    Path(f"{base}.key").write_text(writeBind(fileFor(algorithm))[1].replace(" 3 ", " 2 "))
    for raising in (lambda: loadKey(base), lambda: loadKeys(str(tmp_path), APEX), lambda: saveKey(file, str(tmp_path))):
        with pytest.raises((BadKey, StorageFault)) as caught:
            raising()
        shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert "example" in shown
        assert not any(secret in shown for secret in secretsOf(file.key))


def test_readingFails(tmp_path: Path) -> None:
    """
    A disk that cannot be read is an error with the path.
    """
    base = saveKey(fileFor(), str(tmp_path))
    broken = patch.object(os, "read", side_effect=OSError(errno.EIO, "Input/output error"))
    with broken, pytest.raises(BadKey, match="private: cannot be read: Input/output error"):
        loadKey(base)


def test_keysOfAZone(tmp_path: Path) -> None:
    """
    All keys of the zone are loaded, by their tags; those of other zones, and other files, are not.
    """
    several: list[PrivateKey] = []
    for _ in range(4):
        key = newKey(15, avoid=[other.tag for other in several])
        several.append(key)
        saveKey(KeyFile(APEX, key, {}, {}, None), str(tmp_path))
    for zone in (ROOT, nameFromText("org."), nameFromText("a.example.org."), nameFromText("example.org.net.")):
        saveKey(fileFor(13, zone), str(tmp_path))
    (tmp_path / "Kexample.org.").write_text("x")
    for folded in (APEX, b"\x07EXAMPLE\x03ORG\0"):
        assert [file.key.tag for file in loadKeys(str(tmp_path), folded)] == sorted(key.tag for key in several)
    assert [file.zone for file in loadKeys(str(tmp_path), ROOT)] == [ROOT]
    assert loadKeys(str(tmp_path), nameFromText("net.")) == []


def test_keysOfAnotherZone(tmp_path: Path) -> None:
    """
    A file whose key is of another zone than its name says is an error.
    """
    base = saveKey(fileFor(13, nameFromText("example.net.")), str(tmp_path))
    for suffix in (".private", ".key"):
        os.rename(base + suffix, base.replace("example.net", "example.org") + suffix)
    with pytest.raises(BadKey, match=r"Kexample.org.\+013\+[0-9]{5}.private: the key is of example.net$"):
        loadKeys(str(tmp_path), APEX)


def test_twoKeysOfOneTag(tmp_path: Path) -> None:
    """
    Two keys with the same tag are an error that names both files.
    """
    base = saveKey(fileFor(), str(tmp_path))
    other = f"{base}x"
    for suffix in (".private", ".key"):
        Path(other + suffix).write_bytes(Path(base + suffix).read_bytes())
    os.chmod(other + ".private", 0o600)
    with pytest.raises(BadKey) as caught:
        loadKeys(str(tmp_path), APEX)
    assert f"{other}.private: its tag is {keyFor(13).tag}, as that of {base}.private" in str(caught.value)
