"""What a table's source promises, what a change of that promise means, and making data keep it.

A **contract** says columns with type, unit and dimension, levels and what happens to new ones, the key, the two times (when it happened, when it
could be known) and the checks beyond that. It is a YAML file a person owns (:func:`load_contract`); :func:`infer_contract` drafts one from data.
Versions in the workspace are never edited (:func:`put_contract`). :func:`conform` casts a table to it and names every cell that does not fit.
:func:`compare_contracts` says whether a change is compatible, needs a migration, or is semantically suspect. :func:`propose_changes` finds columns
that were renamed, values whose unit changed and spellings of known levels; nothing of that is applied before a person accepts it
(:func:`decide_proposal`). :func:`to_odcs` and :func:`from_odcs` exchange contracts as ODCS v3.1.
"""

from pilotage.data.contracts.change import Change, Difference
from pilotage.data.contracts.comparing import compare_contracts
from pilotage.data.contracts.conforming import BadCell, Conformed, conform
from pilotage.data.contracts.contract import Check, Column, Contract
from pilotage.data.contracts.deciding import StoredProposal, decide_proposal, proposals, put_proposal
from pilotage.data.contracts.inferring import infer_contract, to_confirm
from pilotage.data.contracts.odcs import from_odcs, to_odcs
from pilotage.data.contracts.proposals import Proposal, apply_proposal, propose_changes
from pilotage.data.contracts.storing import contract_of, contracts, put_contract
from pilotage.data.contracts.units import Conversion, Unit, conversion, dimensions, unit_named, units, units_of
from pilotage.data.contracts.writing import contract_from, dump_contract, load_contract, parse_contract

__all__ = [
    "BadCell",
    "Change",
    "Check",
    "Column",
    "Conformed",
    "Contract",
    "Conversion",
    "Difference",
    "Proposal",
    "StoredProposal",
    "Unit",
    "apply_proposal",
    "compare_contracts",
    "conform",
    "contract_from",
    "contract_of",
    "contracts",
    "conversion",
    "decide_proposal",
    "dimensions",
    "dump_contract",
    "from_odcs",
    "infer_contract",
    "load_contract",
    "parse_contract",
    "proposals",
    "propose_changes",
    "put_contract",
    "put_proposal",
    "to_confirm",
    "to_odcs",
    "unit_named",
    "units",
    "units_of",
]
