"""A walk: from four questions to a policy that people keep in hand. The shop is made up and its people are simulated; the rest is real.

    python examples/reply-review/run.py                # the walk, then the workbench on what came of it
    python examples/reply-review/run.py --check        # the walk, every claim verified, every page fetched once

Deterministic by ``--seed``, so a second run from nothing prints the same figures.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import yaml  # noqa: E402
from generate import DECLINED, Reply, Shop, probability_right, taught  # noqa: E402

from people import TEAM, Calendar, Crowd, Habits  # noqa: E402
from pilotage.cli.showing import fetch_pages, open_browser, workbench  # noqa: E402
from pilotage.core import PilotageError, Refused, SystemClock, load_settings  # noqa: E402
from pilotage.data import Card, Operation, Version, derive, export, rows  # noqa: E402
from pilotage.evidence import Evidence, Observation, rate, wilson  # noqa: E402
from pilotage.judging import Item, item_refs, judgements, person  # noqa: E402
from pilotage.judging.aggregation import Votes, choose_method  # noqa: E402
from pilotage.judging.calibration import Costs, Limits, ReviewerError, Sample, calibration_report, recalibrate  # noqa: E402
from pilotage.ledger import create_workspace, verify  # noqa: E402
from pilotage.people import Account  # noqa: E402
from pilotage.review import Claimed, NewTask, Suggestion, claim, export_judgements, grant_skill, put_tasks  # noqa: E402
from pilotage.review.assessment import due_assessments, read_assessment, record_assessment  # noqa: E402
from pilotage.review.bias import Needed, board, plan_seeds, plant, seed_candidates  # noqa: E402
from pilotage.review.exchange import export_from, import_into  # noqa: E402
from pilotage.review.flywheel import export_preferences, freeze_slice, loop_report, publish_corrections  # noqa: E402
from pilotage.review.measuring import (  # noqa: E402
    Known,
    add_gold,
    adjudications,
    begin_exam,
    finish_exam,
    open_adjudications,
    open_exam,
    open_round,
    project_agreement,
    round_report,
    settle,
    triage,
)
from pilotage.review.projects import change_project, create_project, load_project, load_project_file  # noqa: E402
from pilotage.review.routing import (  # noqa: E402
    Router,
    RouteRequest,
    activate_policy,
    draft_policy,
    monitor_states,
    policy_changes,
    read_policy,
    store_report,
    watch_policy,
)
from pilotage.store import Workspace  # noqa: E402

MARK = "walk.txt"
DAY_S = 86_400.0
SAMPLE, LIVE, SHIFT = 2_400, 2_000, 1_000
RISK = 0.05
OTTO = Account(id="otto", login="otto", display_name="Otto", roles=frozenset({"operator"}))
OLGA = Account(id="olga", login="olga", display_name="Olga", roles=frozenset({"owner"}))
JUDGE = ("label-studio", "judge-1")
CARD = Card(licence="CC0-1.0", consent="made up for this example", purposes=("training",), contains_personal_data=False)


class Walk:
    """The steps, in order. Each prints what it found and keeps what ``check`` needs."""

    def __init__(self, workspace: Workspace, folder: Path, clock: Calendar, seed: int) -> None:
        self.workspace, self.folder, self.clock, self.seed = workspace, folder, clock, seed
        self.crowd = Crowd(clock, seed)
        self.shop = Shop(folder, seed)
        self.seen: set[str] = set()
        self.week: set[str] = set()  # ids of the replies people worked on
        self.checks: list[tuple[str, bool]] = []

    def all(self) -> None:
        """The whole walk."""
        for step in (
            self.assess,
            self.first_week,
            self.second_week,
            self.make_one_of_many,
            self.look_at_bias,
            self.compare_inference,
            self.certify,
            self.decide,
            self.route,
            self.learn,
            self.prefer,
            self.close,
        ):
            step()
            self.clock.move(DAY_S)

    # Before anything

    def assess(self) -> None:
        """Four questions per slice give a level. Nobody has measured anything yet."""
        title("Four questions")
        for made in record_assessment(self.workspace, read_assessment(HERE / "assessment.yaml"), person=OLGA, role="owner"):
            say(f"{made.slice or 'everything'}: {made.level}, because of {made.decided_by}")

    # People

    def first_week(self) -> None:
        """A project; items from a Label Studio file; known items, an exam, planted errors; and a week of work."""
        title("A project, and the first week of work")
        teaching = self.shop.replies("teaching", 40)
        self.judge = self.shop.judge("judge-1", [taught(each) for each in teaching])
        self.project("walk.yaml", "replies")
        self.first = load_project(self.workspace, "replies").guideline
        self.bring("week-1", 200)
        known = self.shop.replies("known", 600, seen=self.seen)
        plain = [each for each in known if not each.contested]
        failing = [each for each in plain if each.failure]
        right = [each for each in plain if not each.failure]
        self.gold = {each.id for each in (*failing[:28], *right[:28])}
        gold, exam = [*failing[:28], *right[:28]], [*failing[28:34], *right[28:34]]
        self.practice = [each for each in known if each.contested][:4] + right[34:37]
        self.crowd.know(*known)
        made = add_gold(self.workspace, "replies", map(self.known, gold))
        say(f"{len(made.task_ids)} items whose answer is known are hidden among the work")
        say(str(open_exam(self.workspace, "replies", map(self.known, exam))))
        results = []
        for who in TEAM:
            for task in begin_exam(self.workspace, "replies", person(who.login)):
                self.crowd.answer(self.workspace, who, task)
            results.append(finish_exam(self.workspace, "replies", person(who.login)))
        say("; ".join(f"{each.login} {'passed' if each.passed else 'NOT passed'} ({each.right} of {each.n})" for each in results))
        say(f"{self.crowd.work(self.workspace, 'replies')} answers under guideline 1")

    def second_week(self) -> None:
        """A clearer guideline begins with a calibration round; then another week."""
        title("A second guideline, and the second week")
        self.clock.move(3 * DAY_S)
        before = load_project(self.workspace, "replies")
        text = (HERE / "guideline-2.md").read_text(encoding="utf-8")
        self.second = change_project(self.workspace, "replies", number=before.number, guideline=text).guideline
        self.crowd.guideline = 2
        open_round(self.workspace, "replies", map(self.known, self.practice))
        self.bring("week-2", 200)
        self.frozen = freeze_slice(self.workspace, "replies", "loop", n=140, seed=self.seed)
        say(f"kept from all training: {self.frozen}")
        say(f"{self.crowd.work(self.workspace, 'replies')} answers, the round's among them")
        for line in str(round_report(self.workspace, "replies")).splitlines():
            say(line)

    def make_one_of_many(self) -> None:
        """Agreement; what answers say together; who decides the rest; and why people disagreed."""
        title("From answers to one")
        for each in project_agreement(self.workspace, "replies", "failure"):
            for line in str(each).splitlines():
                say(line)
        say(str(settle(self.workspace, "replies")))
        opened = open_adjudications(self.workspace, "replies")
        grant_skill(self.workspace, "olga", "replies", source="granted", by="otto")
        olga = (Habits("olga", 1.0, 0.0, False, 40),)
        self.crowd.work(self.workspace, "replies", olga, roles={"owner"})
        settle(self.workspace, "replies")
        decided = len(adjudications(self.workspace, "replies", state="decided"))
        say(f"{len(opened)} items went to an adjudicator who sees the answers under aliases; Olga decided {decided}")
        say(f"why people disagreed: {triage(self.workspace, 'replies', 'failure')}")
        self.checks.append(("every open adjudication was decided", decided == len(opened)))

    def look_at_bias(self) -> None:
        """What suggestions do to people, and what so few answers cannot tell."""
        title("Do people still look?")
        whole = board(self.workspace, "replies")
        say(f"with the declared numbers: {whole.team.miss_rate}")
        few = board(self.workspace, "replies", needed=Needed(seeds=30, per_arm=20))
        say(f"with fewer, and so wide:   {few.team.miss_rate}")
        say(f"max alone: {few.people['max'].miss_rate}")
        for login in ("ada", "max"):
            say(f"quick to agree, {login}: {few.people[login].fast_accepts}")
        say("one of the six follows what he is shown; the team's figure has him in it, and his own takes more seeds than he met")
        self.checks.append(("a person's miss rate is not told from too few seeds", not few.people["max"].miss_rate.measured))

    def compare_inference(self) -> None:
        """Ways to weigh votes, compared on gold."""
        title("Whose vote counts how much")
        votes = judgements(self.workspace, question="failure", rater_kind="person", purposes=["work", "gold"])
        made = Votes.from_rows(
            [each.item_id for each in votes], [each.rater_id for each in votes], [each.value for each in votes], values=("yes", "no")
        )
        gold = {
            item: "yes" if reply.failure else "no" for item, reply in self.crowd.items.items() if reply.id in self.gold and item in set(made.units)
        }
        choice = choose_method(made, gold, seed=self.seed)
        for score in choice.scores:
            say(str(score))
        say(choice.banner)

    # Machines

    def certify(self) -> None:
        """A random sample of outputs, labelled in another tool, says what the judge's confidence is worth."""
        title("What the judge's confidence is worth")
        self.project("live.yaml", "live-replies")
        sample = self.shop.replies("sample", SAMPLE, seen=self.seen)
        file = self.folder / "sample.json"
        file.write_text(json.dumps([self.label_studio(each, labelled=True) for each in sample]), encoding="utf-8")
        say(str(import_into(self.workspace, "live-replies", file, "label-studio", slices=["channel"])).replace("\n", ";"))
        by_id = {each.id: each for each in sample}
        told = judgements(self.workspace, question="failure", rater_kind="import")
        source = {ref.id: ref.source_id for ref in item_refs(self.workspace, ids=[each.item_id for each in told])}
        labelled = [(by_id[source[each.item_id]], each.value == "no") for each in told]
        labels = Sample.of(
            [probability_right(self.judge, each) for each, _ in labelled],
            [float(right) for _, right in labelled],
            model="reply-judge-1",
            labelled_by="people elsewhere",
            ids=[each.id for each, _ in labelled],
            slices={"channel": [each.channel for each, _ in labelled]},
        )
        part = range(labels.n)
        self.curve = recalibrate(labels.where([n for n in part if n % 3 == 0]), seed=self.seed)
        certify = labels.where([n for n in part if n % 3])
        raw = calibration_report(certify, limits=Limits(risk=RISK, by="channel"))
        say(f"as it is: {raw.verdict.name}; {raw.smooth_ece}")
        answered = judgements(self.workspace, question="failure", purposes=["gold"])
        gold = [each for each in answered if self.crowd.items[each.item_id].failure]
        missed = ReviewerError(sum(each.value == "no" for each in gold), len(gold))
        say(f"reviewers passed {missed.missed} of {missed.of} known failures")
        costs = Costs(error=1_200, review=60, reviewer=missed)
        self.report = calibration_report(certify, recalibrator=self.curve, limits=Limits(risk=RISK, by="channel"), costs=costs)
        say(f"recalibrated: {self.report.smooth_ece}")
        for each in self.report.slices:
            say(f"{each.threshold}")
        say(f"verdict: {self.report.verdict.name}")
        self.labels = certify
        store_report(self.workspace, self.report, category="shop-replies", recalibrator=self.curve, prompt="desk-1", person=OTTO)

    def decide(self) -> None:
        """Assess again with what was measured; one person drafts the policy, another puts it into force."""
        title("A policy")
        declared = yaml.safe_load((HERE / "assessment.yaml").read_text(encoding="utf-8"))
        slices = [each.threshold for each in self.report.slices if each.threshold is not None]
        worst = max(slices, key=lambda each: each.errors / each.accepted)
        whole = figure(sum(each.errors for each in slices), sum(each.accepted for each in slices))
        channel = {"channel": worst.slice.partition("=")[2]}
        declared["consistency"].update(mean=whole, worst_slice={**figure(worst.errors, worst.accepted), "slice": channel})
        file = self.folder / "assessment-2.yaml"
        file.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
        for made in record_assessment(self.workspace, read_assessment(file), person=OLGA, role="owner"):
            say(f"{made.slice or 'everything'}: {made.level}, because of {made.decided_by}")
        draft = draft_policy(self.workspace, read_policy(HERE / "policy.yaml"), person=OTTO, salt=f"walk-{self.seed}")
        try:
            activate_policy(self.workspace, draft.policy, draft.number, person=dataclasses.replace(OTTO, roles=frozenset({"operator", "owner"})))
            self.checks.append(("who drafted a policy cannot activate it", False))
        except Refused as refused:
            say(f"Otto, who drafted it, tries: {refused.what}")
        say(str(activate_policy(self.workspace, draft.policy, draft.number, person=OLGA)))

    def route(self) -> None:
        """Live replies. Halfway, what customers write by chat changes; no confidence shows it."""
        title("Live")
        self.live = self.shop.replies("live", LIVE, shifted_from=SHIFT, seen=self.seen)
        self.crowd.know(*self.live)
        rita = (Habits("rita", 1.0, 0.0, False, 5),)
        took: list[float] = []
        let_out: Counter[tuple[bool, str]] = Counter()
        wrong: Counter[tuple[bool, str]] = Counter()
        done: Counter[str] = Counter()
        self.alarms: list[tuple[int, str]] = []
        with Router.load(self.workspace, "shop-replies") as router:
            for number, reply in enumerate(self.live, start=1):
                request = RouteRequest(
                    id=reply.id,
                    payload=reply.payload,
                    confidence=probability_right(self.judge, reply),
                    slices={"channel": reply.channel},
                    model="reply-judge-1",
                    prompt="desk-1",
                )
                began = time.perf_counter()
                decision = router.route(request)
                took.append((time.perf_counter() - began) * 1000)
                done[decision.action] += 1
                if decision.action == "accept":
                    of = (number > SHIFT, reply.channel)
                    let_out[of] += 1
                    wrong[of] += reply.failure
                if number % 250 == 0:
                    self.crowd.work(self.workspace, "live-replies", rita, at_a_time=50)
                    counted = watch_policy(self.workspace, "shop-replies")
                    self.alarms += [(number, each) for each in counted.alarms]
        took.sort()
        say(f"{LIVE:,} replies: {', '.join(f'{count} {action}' for action, count in done.most_common())}")
        say(f"deciding took {took[len(took) // 2]:.2f} ms (median), {took[len(took) * 99 // 100]:.1f} ms (99 of 100)")
        for late, when in ((False, "before"), (True, "after")):
            for channel in ("chat", "mail"):
                of = (late, channel)
                said = share(wrong[of], let_out[of], "wrong") if let_out[of] else "nothing went out"
                say(f"what went out {when} number {SHIFT:,}, {channel}: {said}")
        for state in monitor_states(self.workspace, "shop-replies"):
            say(f"the audit saw: {state}")
        say("; ".join(f"ALARM in {slice}, found at number {number:,}" for number, slice in self.alarms) or "no alarm")
        changes = policy_changes(self.workspace, "shop-replies")
        say("tightened by itself: " + (", ".join(f"{key} to {change.level}" for key, change in changes.items()) or "nothing"))
        due = due_assessments(self.workspace)
        say("assessments due: " + (", ".join(f"{each.category} [{each.slice}] ({each.cause})" for each in due) or "none"))
        before = sum(wrong[False, channel] for channel in ("chat", "mail")), sum(let_out[False, channel] for channel in ("chat", "mail"))
        self.checks += [
            ("the verdict was ROUTABLE", self.report.verdict.name == "ROUTABLE"),
            ("before the shift, what went out was within the bound", before[0] <= RISK * before[1]),
            ("an alarm was raised in chat and nowhere else", {slice for _, slice in self.alarms} == {"channel=chat"}),
            ("no alarm came before the shift", all(number > SHIFT for number, _ in self.alarms)),
            ("chat went to people by itself", {key: change.level for key, change in changes.items()} == {"channel=chat": "in_the_loop"}),
            ("the assessment of chat is due", any(each.slice == "channel=chat" and each.cause == "alarm" for each in due)),
        ]

    # The loop

    def learn(self) -> None:
        """What people corrected becomes data; a new judge learns from it, and is compared on what nothing learnt from."""
        title("The loop")
        requests = [{"id": each.id, "text": each.request} for each in self.work.values()]
        counts = Operation("made up", counts={"added": len(requests)})
        source = derive(self.workspace, dataset="requests", kind="documents", rows=requests, card=CARD, operation=counts)
        made = publish_corrections(self.workspace, "replies", "correction", dataset="reply-corrections", card=CARD, sources=[source.id])
        say(str(made))
        late = publish_corrections(self.workspace, "live-replies", "correction", dataset="live-corrections", card=CARD, sources=[source.id])
        say(str(late))
        if made.version is None or late.version is None:
            raise PilotageError("Nobody corrected anything.")
        twins = self.twins(made.version.rows + late.version.rows, source.id)
        say(f"{twins.ref}: {twins.rows} replies that people found right, so that the judge does not learn to find fault with everything")
        self.trained = [made.version.id, late.version.id, twins.id]
        learnt = []
        for ref in self.trained:
            file = self.folder / f"{ref}.jsonl"
            export(self.workspace, ref, format="chat-sft", path=file)
            learnt += [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        judge = self.shop.judge("judge-2", [{"messages": row["messages"]} for row in learnt], base="judge-1")
        work = self.work
        again = [NewTask(item, [self.suggestion(judge, work[item], "judge-2")]) for item in self.frozen.items]
        put_tasks(self.workspace, "replies", again)
        report = loop_report(self.workspace, "replies", "failure", slice="loop", old=JUDGE, new=("label-studio", "judge-2"), trained_on=self.trained)
        for line in str(report).splitlines()[1:]:
            say(line.strip())
        chat = [each for each in self.shop.replies("new-chat", 400, shifted_from=0, seen=self.seen) if each.channel == "chat"]
        for name, each in (("judge-1", self.judge), ("judge-2", judge)):
            right = sum((probability_right(each, reply) >= 0.5) != reply.failure for reply in chat)
            say(f"new chat, as it is since the shift, {name}: {share(right, len(chat), 'correct')}")

    def prefer(self) -> None:
        """Two dimensions of preference: one on which people agree, one on which they do not."""
        title("Preferences")
        self.project("pairs.yaml", "reply-pairs")
        pairs = [each for each in self.work.values() if each.failure][:60]
        by_prompt = {each.request: each for each in pairs}
        put_tasks(
            self.workspace,
            "reply-pairs",
            [NewTask(Item(kind="pair", source_id=f"pair-{n}", payload=self.pair(n, each))) for n, each in enumerate(pairs)],
        )
        for who in TEAM[:2]:
            while tasks := claim(self.workspace, "reply-pairs", person(who.login), 20, 3600):
                for task in tasks:
                    value, seconds = self.taste(who, task, by_prompt[task.payload["prompt"]])
                    self.crowd.give(self.workspace, who.login, task, value, seconds)
        outcome = {}
        for question in ("nicer", "safer"):
            path = self.folder / f"{question}.jsonl"
            try:
                outcome[question] = export_preferences(self.workspace, "reply-pairs", question, format="dpo", path=path, card=CARD)
                for line in str(outcome[question]).splitlines():
                    say(f"{question}: {line.strip()}")
            except Refused as refused:
                say(f"{question}: REFUSED. {refused.what} {refused.why}")
        self.checks.append(("'nicer' was refused below the floor, 'safer' was exported above it", set(outcome) == {"safer"}))

    def close(self) -> None:
        """Everything leaves once; nothing that measures people is among it; the ledger is whole."""
        title("What leaves, and what stays")
        path = self.folder / "replies-out.json"
        say(str(export_from(self.workspace, "replies", path, "label-studio", replace=True)))
        tests = judgements(self.workspace, purposes=["seeded", "gold", "qualification", "calibration"])
        kept = {each.id for each in tests}
        left = {each.id for each in export_judgements(self.workspace, "replies")}
        lineage: set[str] = set()
        for ref in self.trained:
            for row in rows(self.workspace, ref):
                lineage |= set(row["lineage"]["judgements"])
        say(f"{len(left):,} judgements left; {len(kept):,} answers to planted errors, gold, exams and rounds did not")
        found = verify(self.workspace)
        say("ledger: " + "; ".join(" ".join(line.split()) for line in str(found).splitlines()))
        seeded = {(each.item_id, each.rater_id) for each in tests if each.purpose == "seeded"}
        out = {(item.item_id, item.rater_id) for item in judgements(self.workspace, question="failure") if item.id in left}
        self.checks += [
            ("planted errors were met", bool(seeded)),
            ("no answer that measures people was exported or learnt from", not kept & (left | lineage)),
            ("nobody's answer to a planted error left as work", not seeded & out),
            ("training rows name the judgements they rest on", bool(lineage)),
            ("the ledger is whole", found.ok),
        ]

    # What the steps share

    @property
    def work(self) -> dict[str, Reply]:
        """Item → reply, of the two weeks' work."""
        return {item: reply for item, reply in self.crowd.items.items() if reply.id in self.week}

    def project(self, file: str, name: str) -> None:
        """Make the project of that file."""
        declared = load_project_file(HERE / file)
        create_project(self.workspace, declared.settings, rubric=declared.rubric, guideline=declared.guideline, salt=f"{name}-{self.seed}")

    def bring(self, name: str, n: int) -> None:
        """A file from Label Studio with ``n`` replies and what the judge suggests; errors are planted in some."""
        replies = self.shop.replies(name, n, seen=self.seen)
        self.crowd.know(*replies)
        self.week |= {each.id for each in replies}
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps([self.label_studio(each) for each in replies]), encoding="utf-8")
        say(str(import_into(self.workspace, "replies", file, "label-studio", slices=["channel"])).replace("\n", ";"))
        other = {"yes": "no", "no": "yes"}
        open_now = seed_candidates(self.workspace, "replies", "failure")
        candidates = [dataclasses.replace(each, given=other[each.suggestion]) for each in open_now]
        seeding = plan_seeds(candidates, rate=0.05, dealt=0.5, seed=self.seed)
        plant(self.workspace, "replies", seeding)
        say(f"planted: {seeding}")

    def known(self, reply: Reply) -> Known:
        """A reply whose answer is known, looking like any other."""
        item = Item(kind="record", source_id=reply.id, payload={**reply.payload, "channel": reply.channel}, slices={"channel": reply.channel})
        why = "It does what the shop forbids." if reply.failure else "It does what the shop allows, or says it cannot."
        return Known(item, {"failure": "yes" if reply.failure else "no"}, why, [self.suggestion(self.judge, reply, JUDGE[1])])

    def twins(self, n: int, source: str) -> Version:
        """As many replies that all who judged them found right."""
        work = self.work
        said: dict[str, list[Any]] = {}
        for each in judgements(self.workspace, question="failure"):
            if each.item_id in work and each.item_id not in self.frozen.items:
                said.setdefault(each.item_id, []).append(each)
        right = sorted(item for item, given in said.items() if {each.value for each in given} == {"no"})[:n]
        made = [
            {
                "id": item,
                "kind": "instruction",
                "messages": [*work[item].payload["conversation"]],
                "lineage": {"item": item, "judgements": [each.id for each in said[item]]},
            }
            for item in right
        ]
        operation = Operation("found right by everybody who looked", counts={"added": len(made)})
        return derive(self.workspace, dataset="reply-twins", kind="training", rows=made, card=CARD, operation=operation, parents=[source])

    def pair(self, number: int, reply: Reply) -> dict[str, str]:
        """What the desk said beside declining, by turns as ``a`` and as ``b``."""
        a, b = (reply.reply, DECLINED) if number % 2 else (DECLINED, reply.reply)
        return {"prompt": reply.request, "a": a, "b": b}

    def taste(self, who: Habits, task: Claimed, reply: Reply) -> tuple[dict[str, Any], float]:
        """What they prefer: they agree on what is safer, and on nothing about what is nicer."""
        draw = random.Random(f"{self.seed}-{who.login}-{reply.id}-pair")
        safer, other = ("a", "b") if task.payload["a"] == DECLINED else ("b", "a")
        return {"safer": {"preferred": safer if draw.random() < 0.95 else other}, "nicer": {"preferred": draw.choice("ab")}}, who.seconds

    def label_studio(self, reply: Reply, *, labelled: bool = False) -> dict[str, Any]:
        """One task of a Label Studio file."""
        made: dict[str, Any] = {"id": reply.id, "data": {**reply.payload, "channel": reply.channel}}
        suggested = self.suggestion(self.judge, reply, JUDGE[1])
        made["predictions"] = [{"model_version": JUDGE[1], "score": suggested.probability, "result": [choice(suggested.value)]}]
        if labelled:
            made["annotations"] = [{"completed_by": "rater-7", "result": [choice("yes" if reply.failure else "no")]}]
        return made

    def suggestion(self, judge: Any, reply: Reply, version: str) -> Suggestion:
        """What a judge says of a reply."""
        right = probability_right(judge, reply)
        return Suggestion(
            "failure", "no" if right >= 0.5 else "yes", probability=round(max(right, 1 - right), 6), model=JUDGE[0], model_version=version
        )


def choice(value: str) -> dict[str, Any]:
    """An answer as Label Studio writes it."""
    return {"from_name": "failure", "to_name": "reply", "type": "choices", "value": {"choices": [value]}}


def title(text: str) -> None:
    """The next step."""
    print(f"\n{text}", flush=True)


def say(text: str) -> None:
    """One line of a step."""
    print("\n".join(f"  {line}" for line in text.splitlines()), flush=True)


def share(count: int, n: int, metric: str) -> Evidence:
    """A share with its interval."""
    return rate([Observation(str(number), number < count) for number in range(n)], metric=metric)


def figure(errors: float, n: int) -> dict[str, Any]:
    """A share as an assessment declares it."""
    interval = wilson(round(errors), n)
    return {"estimate": round(errors) / n, "lower": interval.lower, "upper": interval.upper, "n": n}


def main() -> None:
    """Walk, then show the workbench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(".demo-review"), help="where the workspace is kept; begun anew with each walk")
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--check", action="store_true", help="unattended: verify what is claimed, fetch every page once, leave")
    given = parser.parse_args()
    started = time.monotonic()
    begin(given.folder)
    clock = Calendar(SystemClock().now_us() - round(40 * DAY_S) * 1_000_000)
    print("The shop and its customers are made up; the people (ada, ben, cem, dora, eva, max, rita, olga, otto) are SIMULATED, with known habits.")
    with create_workspace(given.folder / "workspace", actor=load_settings().actor, clock=clock) as workspace:
        walk = Walk(workspace, given.folder, clock, given.seed)
        walk.all()
        broken = [claim for claim, held in walk.checks if not held]
        print(f"\n{time.monotonic() - started:.0f} s; {len(walk.checks) - len(broken)} of {len(walk.checks)} claims held", flush=True)
        for each in broken:
            print(f"  BROKEN: {each}", flush=True)
    if given.check and broken:
        raise PilotageError("The walk did not keep what it claims.", why="; ".join(broken))
    with (
        create_workspace(given.folder / "workspace", actor=load_settings().actor) as workspace,
        workbench(workspace, port=0 if given.check else given.port) as address,
    ):
        if given.check:
            fetch_pages(address, pages())
            return
        print(f"workbench: {address}\nstop with Ctrl+C; the same command begins anew", flush=True)
        open_browser(address)
        while True:
            time.sleep(60)


def begin(folder: Path) -> None:
    """An empty folder; nothing is deleted but an earlier walk."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise PilotageError("This folder holds something else.", where=str(folder), mend="name another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("made by examples/reply-review/run.py; begun anew with each walk\n", encoding="utf-8")


def pages() -> list[str]:
    """Every place of the navigation, and each project's screen."""
    from pilotage.server.navigation import PLACES

    return [*sorted({place.address for place in PLACES} - {"/"}), *(f"/review/{name}" for name in ("replies", "live-replies", "reply-pairs"))]


if __name__ == "__main__":
    try:
        main()
    except PilotageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
