"""What a flow log is and how much it tells, before anything is made of it."""

from infer.inspection.advise import advise
from infer.inspection.measure import inspect_logs
from infer.inspection.values import Ends, Inspection, Interfaces, Reporter, Traffic

__all__ = ["Ends", "Inspection", "Interfaces", "Reporter", "Traffic", "advise", "inspect_logs"]
