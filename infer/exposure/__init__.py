"""How much policies allow beyond what was seen, alone and together with what is there already."""

from infer.exposure.existing import Existing, KeptOpen, measure_existing
from infer.exposure.measure import Exposure, Known, Widening, measure_exposure
from infer.exposure.opened import budgeted_ports, drawn_ports, opened_namespaces, opened_ranges

__all__ = [
    "Existing",
    "Exposure",
    "KeptOpen",
    "Known",
    "Widening",
    "budgeted_ports",
    "drawn_ports",
    "measure_existing",
    "measure_exposure",
    "opened_namespaces",
    "opened_ranges",
]
