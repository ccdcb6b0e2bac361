"""Projects: a queue with settings, a rubric and a guideline of its own.

A project is declared in ``project.yaml`` (:func:`load_project_file`), made with :func:`create_project` and changed with :func:`change_project`, which
refuses a change made from an old version. Every change is a version and every guideline text a guideline version; none is edited in place, so that
each judgement says under which guideline it was made. A project without a guideline is refused. A queue without a project has every default.
"""

from pilotage.review.projects.declaring import ProjectFile, load_project_file, parse_project, write_project
from pilotage.review.projects.managing import RESERVED, archive_project, change_project, create_project, pause_project, resume_project
from pilotage.review.projects.project import (
    Guideline,
    GuidelineDiff,
    Project,
    Terms,
    find_terms,
    guideline_diff,
    guideline_versions,
    load_project,
    projects,
)
from pilotage.review.projects.settings import (
    Arms,
    Caps,
    Countermeasures,
    Gold,
    Overlap,
    ProjectSettings,
    Qualification,
    Rotation,
    Round,
    Sla,
)
from pilotage.review.projects.versions import Changed, ProjectDiff, ProjectVersion, declared_of, load_version, project_diff, project_versions

__all__ = [
    "RESERVED",
    "Arms",
    "Caps",
    "Changed",
    "Countermeasures",
    "Gold",
    "Guideline",
    "GuidelineDiff",
    "Overlap",
    "Project",
    "ProjectDiff",
    "ProjectFile",
    "ProjectSettings",
    "ProjectVersion",
    "Qualification",
    "Rotation",
    "Round",
    "Sla",
    "Terms",
    "archive_project",
    "change_project",
    "create_project",
    "declared_of",
    "find_terms",
    "guideline_diff",
    "guideline_versions",
    "load_project",
    "load_project_file",
    "load_version",
    "parse_project",
    "pause_project",
    "project_diff",
    "project_versions",
    "projects",
    "resume_project",
    "write_project",
]
