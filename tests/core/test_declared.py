import pytest
from pydantic import BaseModel, ConfigDict

from pilotage.core import InputError, NotFound, fit, read_declared


class Owner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class Pilot(BaseModel):
    model_config = ConfigDict(extra="forbid")
    pilot: str
    repeats: int = 1
    owner: Owner | None = None
    people: list[Owner] = []


def read(tmp_path, text):
    path = tmp_path / "pilot.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_declared(path)


def test_a_file_that_fits_becomes_its_model(tmp_path):
    found = fit(read(tmp_path, "pilot: a\nowner:\n  name: Ana\npeople:\n- name: Bo\n"), Pilot)
    assert (found.pilot, found.owner.name, found.people[0].name) == ("a", "Ana", "Bo")


@pytest.mark.parametrize(
    ("text", "where", "what", "mend"),
    [
        ("pilot: a\nrepeat: 3\n", "pilot.yaml:2 field 'repeat'", "Unknown field 'repeat'", "did you mean 'repeats'?"),
        ("pilot: a\nowner:\n  nam: x\n", "pilot.yaml:3 field 'owner.nam'", "Unknown field 'nam'", "did you mean 'name'?"),
        ("repeats: 2\n", "pilot.yaml:1 field 'pilot'", "The field 'pilot' is missing", "add 'pilot:' here"),
        ("pilot: a\nrepeats: many\n", "pilot.yaml:2 field 'repeats'", "does not fit", "got 'many'"),
        ("pilot: a\npeople:\n- name: Bo\n- {}\n", "pilot.yaml:4 field 'people[1].name'", "The field 'name' is missing", "add 'name:' here"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line_and_a_mend(tmp_path, text, where, what, mend):
    with pytest.raises(InputError) as caught:
        fit(read(tmp_path, text), Pilot)
    assert caught.value.where == where
    assert what in caught.value.what
    assert mend in caught.value.mend


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (b"pilot: a\nx: \xff\n", "pilot.yaml:2 byte 12", "not valid UTF-8"),
        ("pilot: a\npilot: b\n", "pilot.yaml:2", "is here twice"),
        ("a: &x 1\nb: *x\n", "pilot.yaml:1", "aliases are not used"),
        ("a: .nan\n", "pilot.yaml:1", "NaN and infinity"),
        ("a: [1,\nb: }\n", "pilot.yaml:2", "not YAML"),
        ("a: !!python/object:os.system x\n", "pilot.yaml:1", "tag"),
        ("? [a]\n: 1\n", "pilot.yaml:1", "must be plain text"),
    ],
)
def test_a_file_that_is_not_strict_yaml_is_refused(tmp_path, text, where, what):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert where in caught.value.where
    assert what in caught.value.what


def test_yes_and_no_are_words_and_dates_stay_text(tmp_path):
    assert read(tmp_path, "a: yes\nb: true\nc: 2026-01-02\nd: 1.5\ne: null\n").plain() == {
        "a": "yes",
        "b": True,
        "c": "2026-01-02",
        "d": 1.5,
        "e": None,
    }


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        read_declared(tmp_path / "none.yaml")
