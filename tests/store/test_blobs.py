import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import IntegrityError, NotFound
from pilotage.store import Blobs


@given(st.binary())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_a_blob_reads_back_as_it_was_put(tmp_path, data):
    blobs = Blobs(tmp_path)
    name = blobs.put(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert blobs.get(name) == data


def test_putting_the_same_bytes_twice_keeps_one_file(tmp_path):
    blobs = Blobs(tmp_path)
    assert blobs.put(b"x") == blobs.put(b"x")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_a_changed_blob_is_not_served(tmp_path):
    blobs = Blobs(tmp_path)
    name = blobs.put(b"the truth")
    blobs.path(name).write_bytes(b"a lie")
    with pytest.raises(IntegrityError, match="changed after it was written"):
        blobs.get(name)


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_a_name_that_is_no_hash_never_becomes_a_path(tmp_path, name):
    with pytest.raises(NotFound):
        Blobs(tmp_path).get(name)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        Blobs(tmp_path).put(b"data")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_erased_blob_is_gone_and_erasing_it_again_is_no_error(tmp_path):
    blobs = Blobs(tmp_path)
    name = blobs.put(b"personal")
    blobs.delete(name)
    blobs.delete(name)
    assert not blobs.has(name)
    with pytest.raises(NotFound):
        blobs.get(name)
