import logging

from pilotage.core import LogProgress, Step, TeeProgress, describe


def test_a_step_reads_as_one_plain_line():
    assert describe(Step("evaluate", 40, 60, "samples", {"errors": 1, "refused": 0})) == "evaluate: 40 / 60 samples (errors 1)"
    assert describe(Step("ingest", 3)) == "ingest: 3"


def test_the_log_is_told_of_the_start_and_the_end_but_not_of_every_unit(caplog):
    caplog.set_level(logging.INFO)
    progress = LogProgress(every_s=3600)
    for done in range(100):
        progress.update(Step("evaluate", done, 100))
    progress.finish(Step("evaluate", 100, 100))
    assert [record.getMessage() for record in caplog.records] == ["evaluate: 0 / 100", "evaluate: 100 / 100: ended"]


def test_a_tee_reports_to_every_target():
    class Recorder:
        def __init__(self):
            self.seen = []

        def update(self, step):
            self.seen.append(("update", step.done))

        def finish(self, step):
            self.seen.append(("finish", step.done))

    one, two = Recorder(), Recorder()
    tee = TeeProgress(one, two)
    tee.update(Step("x", 1))
    tee.finish(Step("x", 2))
    assert one.seen == two.seen == [("update", 1), ("finish", 2)]
