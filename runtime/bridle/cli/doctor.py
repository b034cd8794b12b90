"""`bridle doctor`: whether this machine has what Bridle needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable

import typer

from bridle.cli.common import JsonOption, finding_rows, finding_table, print_json, settings, stderr, stdout
from bridle.errors import BridleError
from bridle.finding import Finding


def doctor(as_json: JsonOption = False) -> None:
    """Check the machine: compiler, llama.cpp and its GPU support, SQLite, sandbox, shelves, memory."""
    findings = [_guarded(look) for look in LOOKS]
    if as_json:
        print_json(finding_rows(findings))
    else:
        stdout().print(finding_table(findings))
    if any(finding.verdict == "bad" for finding in findings):
        stderr().print("[red]something that Bridle needs is missing[/]")
        raise typer.Exit(1)


def _guarded(look: Callable[[], Finding]) -> Finding:
    name = look.__name__.strip("_").replace("_", " ")
    try:
        return look()
    except BridleError as error:
        return Finding(name, "bad", f"{error.message}; {error.hint}" if error.hint else error.message)
    except Exception as error:  # a check that fails is itself what there is to tell
        return Finding(name, "bad", f"{type(error).__name__}: {error}")


def _python() -> Finding:
    version = platform.python_version()
    return Finding(
        "Python",
        "ok" if sys.version_info >= (3, 11) else "bad",
        f"{version} on {platform.system()} {platform.machine()}",
    )


def _compiler() -> Finding:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    return Finding("compiler", "ok" if compiler else "note", compiler or "none; only needed to build llama.cpp again")


def _llama() -> Finding:
    import llama_cpp

    features = llama_cpp.llama_print_system_info().decode()
    on = [
        part.split("=")[0].strip() for part in features.replace("CPU :", "").split("|") if part.strip().endswith("= 1")
    ]
    return Finding("llama.cpp", "ok", f"llama-cpp-python {llama_cpp.__version__}; {', '.join(on)}")


def _gpu() -> Finding:
    import llama_cpp

    from bridle.engine.ggml import BUILD, devices

    llama_cpp.llama_backend_init()
    gpus = [device for device in devices() if device.is_gpu]
    if gpus:
        room = 2**30
        told = [f"{it.name} ({it.description}, {it.free / room:.1f} of {it.total / room:.1f} GiB free)" for it in gpus]
        return Finding("GPU", "ok", f"{', '.join(told)}; --device cpu leaves it alone")
    if llama_cpp.llama_supports_gpu_offload():
        return Finding("GPU", "note", "this build can use one, and finds none")
    return Finding("GPU", "note", f"this build is for the CPU; for CUDA: {BUILD}")


def _engine() -> Finding:
    """What is on for a model that is loaded now."""
    from bridle.engine.ggml import devices, pick

    wanted = settings()
    gpus = pick(wanted.device, devices()) if wanted.gpu_layers else []
    layers = "all layers" if wanted.gpu_layers < 0 else f"{wanted.gpu_layers} layers"
    where = f"{layers} on {', '.join(it.name for it in gpus)}" if gpus else "on the CPU"
    told = [
        where,
        f"flash attention {wanted.flash_attention}",
        f"keys and values {wanted.kv_type}",
        f"{wanted.threads} threads" if wanted.threads else "a thread for each core (one for a tiny model)",
        "deterministic" if wanted.deterministic else "",
    ]
    wrong = wanted.kv_type in ("q8_0", "q4_0") and wanted.flash_attention == "off"
    told += ["quantized keys and values need flash attention"] if wrong else []
    return Finding("engine", "bad" if wrong else "ok", ", ".join(filter(None, told)))


def _sqlite() -> Finding:
    import apsw

    version = apsw.sqlite_lib_version()
    sound = tuple(int(part) for part in version.split(".")) >= (3, 51, 3)
    return Finding(
        "SQLite", "ok" if sound else "bad", version if sound else f"{version} can corrupt a journal; update apsw"
    )


def _sandbox() -> Finding:
    path = shutil.which("bwrap")
    detail = f"bubblewrap at {path}" if path else "no bubblewrap; no tool of the toolbox runs code that a model wrote"
    return Finding("sandbox", "ok" if path else "note", detail)


def _shelves() -> Finding:
    from bridle.card import cards
    from bridle.catalogue import catalogue
    from bridle.shelf import shelf

    bundled = [card for card in cards().values() if card.file and (shelf("models") / card.name / card.file).is_file()]
    forms = len(list(shelf("grammars").glob("*.lark")))
    detail = f"{len(bundled)} bundled model, {len(cards())} cards, {len(catalogue().skills)} skills, {forms} grammars"
    return Finding("shelves", "ok" if bundled else "bad", detail if bundled else "the bundled model is missing")


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return Finding("memory", "ok" if total >= 2 else "note", f"{free:.1f} of {total:.1f} GiB free, {cores} cores")


def _journal() -> Finding:
    from bridle.journal import Journal

    path = settings().journal
    with Journal(path) as journal:
        runs = journal.count()
    return Finding("journal", "ok", f"{path}, {runs} runs")


LOOKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _compiler,
    _llama,
    _gpu,
    _engine,
    _sqlite,
    _sandbox,
    _shelves,
    _memory,
    _journal,
)
