"""How benchmarks say what they measured: one JSON object a line, with the machine that it was on."""
import datetime
import json
import os
import platform
import statistics


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory / 2**30, 1),
            "kernel": platform.release()}


def percentile(values, share):
    """The smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def median(values):
    return statistics.median(values)


def report(bench, **figures):
    print(json.dumps({"bench": bench, **figures, "machine": machine(),
                      "date": datetime.date.today().isoformat()}), flush=True)
