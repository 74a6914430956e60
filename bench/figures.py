"""Cases without peers: figures with units, of several rounds."""

import statistics


def rows(units, samples):
    """`units`: name of a figure -> its unit. `samples`: one dictionary of figures for each round."""
    return [{"what": name, "unit": unit, "median": statistics.median(values), "samples": values}
            for name, unit in units.items() for values in [[each[name] for each in samples]]]


def columns(_variant):
    return {"what": lambda row: row["what"],
            "median": lambda row: f"{row['median']:.3f}",
            "min … max": lambda row: f"{min(row['samples']):.3f} … {max(row['samples']):.3f}",
            "unit": lambda row: row["unit"]}
