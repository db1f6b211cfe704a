"""MDPs as files: a plain NumPy ``.npz`` archive, without pickle, that any NumPy reads.

The keys are the arguments of `TabularMDP`:

    format                      "gmrl-mdp-1"; may be left out of a file made by hand
    P                           (..., S, A, S), or CSR parts P_data, P_indices, P_indptr, P_shape
    R                           (..., S, A) or (..., S, A, S), or CSR parts likewise
    gamma, initial              () or the shape of the batch, and (..., S)
    state_labels, action_labels (S,) and (A,) strings; optional
    name                        a string; optional
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from tabular.atomic import write_atomically
from tabular.mdp import TabularMDP

FORMAT = "gmrl-mdp-1"

_CSR_PARTS = ("data", "indices", "indptr", "shape")
_OPTIONAL = ("state_labels", "action_labels", "name")


def save(mdp: TabularMDP, path: str | os.PathLike[str]) -> None:
    """Write `mdp` to exactly `path`, replacing a file there only once the new one is complete.

    Parameters
    ----------
    mdp : TabularMDP
        Dense, sparse or a batch. An R(s,a,s') is stored in full, not its mean.
    path : str or PathLike
        Where to write; ``.npz`` is customary and not added.

    Raises
    ------
    TypeError
        If `mdp` is not a TabularMDP.
    ValueError
        If `mdp` is a batch of rewards over one kernel (`TabularMDP.with_reward`).
    FileNotFoundError
        If the directory does not exist; none is made.
    OSError
        If the file cannot be written.
    """
    if not isinstance(mdp, TabularMDP):
        raise TypeError(f"save needs a TabularMDP, received {type(mdp).__name__}")
    if mdp.R.shape[:-2] != mdp.batch_shape:
        raise ValueError(
            f"save needs one reward table per kernel, received rewards of batch shape "
            f"{mdp.R.shape[:-2]} over kernels of batch shape {mdp.batch_shape}; "
            "save one file per table"
        )
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"the directory {target.parent} does not exist; make it first")
    if target.exists() and not target.is_file():
        raise FileExistsError(
            f"{target} is a directory or a device, not a regular file; choose another name"
        )
    content: dict[str, Any] = {"format": FORMAT}
    content |= _pack("P", mdp.P) | _pack("R", mdp.rewards)
    content |= {"gamma": mdp.gamma, "initial": mdp.initial}
    content |= {key: getattr(mdp, key) for key in _OPTIONAL if getattr(mdp, key) is not None}
    write_atomically(target, lambda stream: np.savez_compressed(stream, **content))


def load(path: str | os.PathLike[str]) -> TabularMDP:
    """Read an MDP that `save` wrote, or a hand-made ``.npz`` with P, R, gamma and initial.

    Parameters
    ----------
    path : str or PathLike
        The file.

    Returns
    -------
    TabularMDP
        Validated like any other.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not an ``.npz``, is damaged, lacks a key, has another format, or its arrays
        are not an MDP; the message names the file.
    """
    content = _read(path)
    found = str(content.get("format", FORMAT))
    if found != FORMAT:
        raise ValueError(f"{path} has the format {found!r}; this version reads {FORMAT!r}")
    sparse = {key for key in ("P", "R") if key not in content and f"{key}_data" in content}
    needed = [f"{key}_{part}" for key in sorted(sparse) for part in _CSR_PARTS]
    needed += [key for key in ("P", "R", "gamma", "initial") if key not in sparse]
    missing = [key for key in needed if key not in content]
    if missing:
        raise ValueError(
            f"{path} is not an MDP: it lacks {', '.join(missing)} and holds "
            f"{', '.join(sorted(content)) or 'nothing'}; an MDP needs P, R, gamma and initial"
        )
    labels = {key: content[key] for key in _OPTIONAL if key in content}
    if "name" in labels:
        labels["name"] = str(labels["name"])
    try:
        P, R = (_unpack(key, content) if key in sparse else content[key] for key in ("P", "R"))
        initial = content["initial"]
        if np.ndim(initial) == 0 and np.asarray(initial).dtype.kind in "iu":
            initial = int(initial)
        return TabularMDP(P, R, content["gamma"], initial, **labels)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} is not an MDP: {error}") from error


def _read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return every array of an archive."""
    with open(path, "rb") as stream:
        try:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("it holds one array")
            return dict(archive)
        except Exception as error:  # on damaged bytes zipfile, zlib and NumPy raise a dozen kinds
            raise ValueError(
                f"{path} is not a readable .npz archive of plain arrays ({_reason(error)}); it may "
                "be damaged, of another kind, or hold pickled objects, which are refused"
            ) from error


def _reason(error: Exception) -> str:
    """The first sentence: what NumPy goes on to advise, loading pickles, is not what we do."""
    return str(error).split(". ")[0]


def _pack(key: str, table: Any) -> dict[str, Any]:
    if not sp.issparse(table):
        return {key: table}
    return {f"{key}_{part}": getattr(table, part) for part in _CSR_PARTS}


def _unpack(key: str, content: Mapping[str, Any]) -> sp.csr_array:
    data, indices, indptr, shape = (content[f"{key}_{part}"] for part in _CSR_PARTS)
    table = sp.csr_array((data, indices, indptr), shape=tuple(shape.tolist()))
    table.check_format(full_check=True)
    return table
