import pytest

from pilotage.core import InputError, load_settings


def test_defaults_hold_where_nothing_is_set(tmp_path):
    settings = load_settings(tmp_path, environ={"HOME": "/home/ana", "USER": "ana"})
    assert (settings.workspace, settings.host, settings.actor) == (".pilotage", "127.0.0.1", "ana")
    assert settings.key_dir == "/home/ana/.local/share/pilotage/keys"


def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / "pilotage.toml").write_text('workspace = "from-file"\nport = 9000\n')
    settings = load_settings(tmp_path, environ={"PILOTAGE_WORKSPACE": "from-env"})
    assert (settings.workspace, settings.port) == ("from-env", 9000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('workspce = "x"', "Unknown setting 'workspce'"),
        ("workspace = 3", "must be text"),
        ('port = "many"', "not a number"),
        ("= 3", "cannot be read"),
    ],
)
def test_a_wrong_settings_file_is_refused(tmp_path, text, message):
    (tmp_path / "pilotage.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_settings(tmp_path, environ={})
    assert "pilotage.toml" in caught.value.where


def test_a_file_that_was_asked_for_must_exist(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_settings(tmp_path, environ={"PILOTAGE_CONFIG": str(tmp_path / "none.toml")})
