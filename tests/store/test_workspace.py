import threading

import pytest
from sqlalchemy import func, select, text, update

from pilotage.core import Conflict, InputError, NotFound, Refused, Unavailable
from pilotage.models.tables import response_cache
from pilotage.people.tables import account
from pilotage.store import Workspace, update_if_unchanged


def row(key, value=1):
    return {"cache_key": key, "fingerprint": "model", "reply": {"value": value}}


def count(workspace):
    with workspace.read() as conn:
        return conn.execute(select(func.count()).select_from(response_cache).where(response_cache.c.workspace_id == workspace.id)).scalar()


def test_a_written_row_is_there_for_the_next_who_opens(location):
    with Workspace.create(location) as workspace:
        workspace.write(lambda tx: tx.insert(response_cache, row("a", {"text": "é\u2028", "n": [1, None, 2.5]})))
    with Workspace.open(location) as workspace, workspace.read() as conn:
        found = conn.execute(select(response_cache).where(response_cache.c.workspace_id == workspace.id)).one()
    assert found.reply == {"value": {"text": "é\u2028", "n": [1, None, 2.5]}}
    assert found.created_by == "local"


def test_a_failed_job_is_undone_alone(workspace):
    def half(tx):
        tx.insert(response_cache, row("lost"))
        raise ValueError("no")

    futures = [workspace.submit(lambda tx: tx.insert(response_cache, row("kept"))), workspace.submit(half)]
    futures[0].result()
    with pytest.raises(ValueError, match="no"):
        futures[1].result()
    assert count(workspace) == 1


def test_many_threads_write_and_nothing_is_lost_or_doubled(workspace):
    def work(name):
        for number in range(20):
            workspace.write(lambda tx, n=number: tx.insert(response_cache, row(f"{name}-{n}")))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(workspace) == 160


def test_two_workspaces_in_one_process_do_not_see_each_other(location, tmp_path):
    other = f"{location}-other" if "://" not in location else location.replace("workspace=", "workspace=other-")
    with Workspace.create(location) as one, Workspace.create(other) as two:
        one.write(lambda tx: tx.insert(response_cache, row("a")))
        assert (count(one), count(two)) == (1, 0)
        two.write(lambda tx: tx.insert(response_cache, row("a")))
        assert (count(one), count(two)) == (1, 1)


def test_a_reader_sees_one_moment_while_others_write(workspace):
    workspace.write(lambda tx: tx.insert(response_cache, row("a")))
    query = select(func.count()).select_from(response_cache).where(response_cache.c.workspace_id == workspace.id)
    with workspace.read() as conn:
        before = conn.execute(query).scalar()
        workspace.write(lambda tx: tx.insert(response_cache, row("b")))
        assert conn.execute(query).scalar() == before == 1


def test_the_second_to_save_an_edit_is_told(workspace):
    workspace.write(lambda tx: tx.insert(account, {"id": "p", "login": "ana", "display_name": "Ana", "roles": [], "lock_version": 1}))
    save = lambda name: workspace.write(lambda tx: update_if_unchanged(tx, account, "p", lock_version=1, values={"display_name": name}))
    assert save("Ana B") == 2
    with pytest.raises(Conflict, match="changed by somebody else"):
        save("Ana C")


def test_opening_what_is_not_there_says_how_to_make_it(tmp_path):
    with pytest.raises(NotFound) as caught:
        Workspace.open(tmp_path / "none")
    assert "pilotage init" in caught.value.mend
    assert not (tmp_path / "none").exists()


def test_a_workspace_of_a_newer_schema_is_refused_and_left_alone(tmp_path):
    with Workspace.create(tmp_path) as workspace:
        workspace.write(lambda tx: tx.conn.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    for way in (Workspace.open, Workspace.create):
        with pytest.raises(Refused, match="newer version") as caught:
            way(tmp_path)
        assert caught.value.mend == "upgrade Pilotage"


@pytest.mark.parametrize("location", ["mysql://host/db", "postgresql://host/db", "http://["])
def test_a_location_that_cannot_be_a_workspace_is_refused(location):
    with pytest.raises(InputError):
        Workspace.open(location)


def test_an_unreachable_database_is_unavailable_not_a_traceback(tmp_path):
    with pytest.raises(Unavailable):
        Workspace.open(f"postgresql://127.0.0.1:1/none?workspace=x&blobs={tmp_path}&connect_timeout=2")


def test_a_closed_workspace_takes_no_writes(tmp_path):
    workspace = Workspace.create(tmp_path)
    workspace.close()
    with pytest.raises(Unavailable, match="closed"):
        workspace.write(lambda tx: None)


def test_creating_twice_keeps_what_is_there(location):
    with Workspace.create(location) as workspace:
        workspace.write(lambda tx: tx.insert(response_cache, row("a")))
        first = workspace.id
    with Workspace.create(location) as workspace:
        assert (workspace.id, count(workspace)) == (first, 1)


def test_a_guard_that_refuses_stops_every_write(tmp_path):
    def guard(tx):
        raise Refused("sealed")

    with Workspace.create(tmp_path, guard=guard) as workspace, pytest.raises(Refused, match="sealed"):
        workspace.write(lambda tx: tx.conn.execute(update(response_cache).values(fingerprint="other")))


def test_what_is_written_in_anothers_name_has_that_name_and_no_other(workspace: Workspace) -> None:
    as_grace = workspace.acting_as("grace")
    assert (as_grace.actor, as_grace.id) == ("grace", workspace.id)
    assert [each.write(lambda tx: tx.actor) for each in (as_grace, workspace, as_grace)] == ["grace", workspace.actor, "grace"]
    assert as_grace.submit(lambda tx: tx.stamp()["created_by"]).result() == "grace"
    assert workspace.write(lambda tx: tx.actor) == workspace.actor


def test_jobs_one_after_the_other_are_made_while_earlier_ones_are_written(workspace):
    made = []

    def jobs():
        for number in range(5):
            made.append(number)
            yield lambda tx, number=number: tx.insert(response_cache, row(str(number))) or number

    told = workspace.write_each(jobs())
    assert next(told) == 0 and made == [0, 1]
    assert list(told) == [1, 2, 3, 4] and count(workspace) == 5


def test_what_was_handed_over_before_the_next_job_could_not_be_made_is_there(workspace):
    def jobs():
        yield lambda tx: tx.insert(response_cache, row("a"))
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(workspace.write_each(jobs()))
    assert count(workspace) == 1


def test_a_job_that_fails_ends_the_row_of_jobs(workspace):
    def fails(tx):
        raise Refused("not this one")

    started = []

    def jobs():
        yield lambda tx: tx.insert(response_cache, row("a"))
        yield fails
        for _ in range(3):
            started.append(1)
            yield lambda tx: tx.insert(response_cache, row("b"))

    with pytest.raises(Refused, match="not this one"):
        list(workspace.write_each(jobs()))
    assert count(workspace) == 1 and len(started) == 1


def cache_size(conn):
    return conn.exec_driver_sql("PRAGMA cache_size").scalar()


def test_the_page_cache_is_large_for_many_jobs_and_small_again_afterwards(tmp_path):
    with Workspace.create(tmp_path) as workspace:
        before = workspace.write(lambda tx: cache_size(tx.conn))
        grown = list(workspace.write_each(lambda tx: cache_size(tx.conn) for _ in range(3)))
        assert grown == [4 * before] * 3
        workspace.write(lambda tx: None)
        assert workspace.write(lambda tx: cache_size(tx.conn)) == before
