"""The decision itself: pure, compiled once for a policy, microseconds for an output.

Confidence alone never lets an output out: every trigger is asked, each can only make the action stricter, and all their codes are told. Where
something needed is missing (confidence, fingerprint, a slice, the text that is to be scanned), a person looks.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pilotage.core import MICROSECONDS, content_id, parse_duration
from pilotage.review.assessment import AUTOMATED
from pilotage.review.routing.patterns import SCANNED, folded, safe_pattern, words_pattern
from pilotage.review.routing.policy import Policy
from pilotage.review.routing.request import ACTION_OF, RouteDecision, RouteRequest, stricter

if TYPE_CHECKING:
    from pilotage.review.routing.novelty import Novelty

_DEEPEST = 12
_LONGEST_PLAIN = 4 * SCANNED


@dataclass(frozen=True)
class SliceRule:
    """One slice, with everything settled: the level and threshold in force, the audit's rate and the monitor's epoch."""

    key: str
    conditions: tuple[tuple[str, str], ...]
    level: str
    threshold: float | None
    audit_rate: float
    epoch: int = 1


class CompiledPolicy:
    """A policy made ready. ``expires_at`` is when its calibration report is too old (µs, UTC)."""

    def __init__(
        self,
        policy: Policy,
        *,
        number: int,
        rules: tuple[SliceRule, ...],
        calibrate: Callable[[float], float],
        salt: str,
        expires_at: int,
        novelty: Novelty | None = None,
    ) -> None:
        self.policy, self.number, self.rules, self.expires_at = policy, number, rules, expires_at
        self.refresh_s = parse_duration(policy.refresh) / MICROSECONDS
        self._calibrate = calibrate
        self._key = salt.encode()[:64]
        self._novelty = novelty
        self._rest = next((rule for rule in rules if not rule.conditions), None)
        self._named = tuple(rule for rule in rules if rule.conditions)
        # A policy whose slices all hang on one field is looked up; any other is walked.
        fields = {rule.conditions[0][0] for rule in self._named if len(rule.conditions) == 1}
        self._field = fields.pop() if len(fields) == 1 and all(len(rule.conditions) == 1 for rule in self._named) else None
        self._by_value = {rule.conditions[0][1]: rule for rule in self._named} if self._field else {}
        triggers = policy.triggers
        self._patterns = [(f"pattern:{one.name}", safe_pattern(one.pattern, where=one.name), one.then) for one in triggers.patterns]
        self._sensitive = [(f"sensitive:{one.name}", one.fields, words_pattern(one.words), one.then) for one in triggers.sensitive]
        self._reads_text = bool(self._patterns or any(words for _, _, words, _ in self._sensitive) or (novelty and novelty.kind == "text"))
        self._folds = any(words for _, _, words, _ in self._sensitive)

    def route_id(self, request_id: str) -> str:
        """The decision's id: the same request of the same policy has the same one, whoever computes it."""
        return content_id("rte", {"policy": self.policy.policy, "request": request_id})

    def digest(self, request: RouteRequest, encoded: bytes) -> str:
        """What was asked, under the policy's secret: a plain hash of a short payload could be guessed back."""
        return hashlib.blake2b(encoded, key=self._key, digest_size=16).hexdigest()

    def rule_for(self, slices: Mapping[str, str]) -> SliceRule | None:
        """The one slice the output is in, or None."""
        if self._field is not None:
            return self._by_value.get(slices.get(self._field, ""), self._rest)
        for rule in self._named:
            if all(slices.get(name) == value for name, value in rule.conditions):
                return rule
        return self._rest

    def decide(self, request: RouteRequest, *, now_us: int) -> RouteDecision:
        """What is to be done with the output. No I/O; the same request gets the same decision, as long as the policy stands and has not expired."""
        action, reasons = "accept", []
        rule = self.rule_for(request.slices)
        if rule is None:
            action = stricter(action, "review")
            reasons.append("unknown_slice")
        elif rule.level not in AUTOMATED:
            action = stricter(action, ACTION_OF[rule.level])
            reasons.append(f"level:{rule.level}")
        for code in self._doubts(request, now_us):
            action = stricter(action, "review")
            reasons.append(code)
        p, doubt = self._probability(request.confidence)
        threshold = rule.threshold if rule is not None and rule.level in AUTOMATED else None
        if doubt:
            action = stricter(action, "review")
            reasons.append(doubt)
        elif rule is not None and rule.level in AUTOMATED and (threshold is None or p is None or p < threshold):
            action = stricter(action, "review")
            reasons.append("below_threshold")
        for code, then in self._triggered(request):
            action = stricter(action, then)
            reasons.append(code)
        decision = RouteDecision(
            id=self.route_id(request.id),
            request_id=request.id,
            action=action,
            reasons=tuple(reasons) or ("above_threshold",),
            policy=self.policy.policy,
            policy_version=self.number,
            slice=rule.key if rule is not None else "",
            level=rule.level if rule is not None else "in_the_loop",
            p=p,
            threshold=threshold,
        )
        return self.audited(decision) if action == "accept" else decision

    def when_full(self, decision: RouteDecision) -> RouteDecision:
        """What is done with an output for people when the queue is full. Never laxer than the policy allows, and blocked stays blocked."""
        fallback = self.policy.fallback
        if decision.action in ("accept", "block"):
            return decision
        reasons = (*decision.reasons, "queue_full")
        if fallback.full == "block":
            return replace(decision, action="block", reasons=reasons)
        low_risk = (
            fallback.full == "accept_low_risk"
            and decision.reasons == ("below_threshold",)
            and decision.level in ("automatic", "automatic_with_audit")
            and decision.p is not None
            and fallback.low_risk is not None
            and decision.p >= fallback.low_risk
        )
        if low_risk:
            return self.audited(replace(decision, action="accept", reasons=reasons))
        return replace(decision, reasons=reasons, held=True)

    def degraded(self, decision: RouteDecision) -> RouteDecision:
        """What is done when nothing can be written: nothing is accepted that would leave no trace."""
        reasons = (*decision.reasons, "not_recorded")
        action = "block" if self.policy.fallback.degraded == "block" else stricter(decision.action, "review")
        return replace(decision, action=action, reasons=reasons, audit=False, inclusion=0.0, held=action != "block", recorded="no")

    def audited(self, decision: RouteDecision) -> RouteDecision:
        """The accepted output with the draw of the audit: a hash of its id under the policy's secret, so it can be repeated but not foreseen."""
        rule = next((rule for rule in self.rules if rule.key == decision.slice), None)
        rate = rule.audit_rate if rule is not None else 1.0
        drawn = hashlib.blake2b(decision.id.encode(), key=self._key, digest_size=8, person=b"audit")
        return replace(decision, audit=int.from_bytes(drawn.digest(), "big") < rate * 2.0**64, inclusion=rate)

    def _probability(self, confidence: Any) -> tuple[float | None, str]:
        if confidence is None:
            return None, "confidence_missing"
        if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:  # catches NaN too
            return None, "confidence_invalid"
        p = self._calibrate(float(confidence))
        return (p, "") if math.isfinite(p) else (None, "confidence_invalid")

    def _doubts(self, request: RouteRequest, now_us: int) -> Iterator[str]:
        model = self.policy.model
        if not request.model or (model.prompt and not request.prompt):
            yield "model_unknown"
        elif request.model != model.fingerprint or (model.prompt and request.prompt != model.prompt):
            yield "model_changed"
        if now_us >= self.expires_at:
            yield "calibration_expired"

    def _triggered(self, request: RouteRequest) -> Iterator[tuple[str, str]]:
        text, whole = "", True
        if self._reads_text:
            text, whole = _text_of(request)
            if not whole:
                yield "too_long_to_scan", "review"
        other = text if text.isascii() else _plain(text)
        if len(other) > _LONGEST_PLAIN:  # a single character may stand for eighteen: what hides behind many of them was not looked at
            other = other[:_LONGEST_PLAIN]
            if whole:
                yield "too_long_to_scan", "review"
        for code, compiled, then in self._patterns:
            if compiled.search(text) or (other is not text and compiled.search(other)):
                yield code, then
        lowered = other.casefold() if self._folds else ""
        for code, fields, words, then in self._sensitive:
            if any(_among(request.context[name], values) for name, values in fields.items() if name in request.context) or (
                words is not None and words.search(lowered)
            ):
                yield code, then
        if self._novelty is not None:
            then = self.policy.triggers.novelty.then if self.policy.triggers.novelty is not None else "review"
            distance = self._novelty.distance(text or None, request.embedding)
            if distance is None:
                yield "novelty_unknown", "review"
            elif not distance <= self._novelty.limit:
                yield "novel", then


def _among(value: Any, values: tuple[str | int | bool, ...]) -> bool:
    """Whether the value is one of ``values``; True is not 1, and capitals do not count."""
    if isinstance(value, str):
        return folded(value) in {folded(one) for one in values if isinstance(one, str)}
    return any(type(value) is type(one) and value == one for one in values)


def _text_of(request: RouteRequest) -> tuple[str, bool]:
    """What is to be scanned, and whether it is all there is: what is too long or nested too deep to be scanned is not let through for that."""
    if request.text is not None:
        text, whole = request.text, True
    else:
        parts: list[str] = []
        whole = _gather(request.payload, parts, 0)
        text = "\n".join(parts)
    return (text, whole) if len(text) <= SCANNED else (text[:SCANNED], False)


def _plain(text: str) -> str:
    """The text as it looks: compatible characters made equal, invisible ones taken out (a zero-width space hides a word from a pattern)."""
    return "".join(character for character in unicodedata.normalize("NFKC", text) if unicodedata.category(character) != "Cf")


def _gather(value: Any, parts: list[str], depth: int) -> bool:
    if isinstance(value, str):
        parts.append(value)
    elif isinstance(value, Mapping | list | tuple):
        if depth >= _DEEPEST:
            return False
        inside = value.values() if isinstance(value, Mapping) else value
        found = [_gather(part, parts, depth + 1) for part in inside]  # all of them, whatever the first says
        return all(found)
    return True
